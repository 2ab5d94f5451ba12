"""The fold's rules for waiting: children and their ends, questions and their answers, timers."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from busagents.domain import events as e
from busagents.domain.codec import derived_id
from busagents.domain.fold_task import Rules, active, closed_above, without_questions
from busagents.domain.fold_turn import close_turn, with_call
from busagents.domain.messages import DataPart, Message, assistant, user
from busagents.domain.state import Ask, Call, Child, LateAnswer, Task, ThreadState
from busagents.domain.subjects import ThreadRef
from busagents.errors import ChainBroken


def _delegated(state: ThreadState, recorded: e.Recorded, event: e.TaskDelegated) -> ThreadState:
    task = active(state, recorded)
    children = {**task.children, event.call: Child(event, task.elapsed_ms, state.seq + 1)}
    state = replace(state, active=replace(task, children=children))
    if _call(task, event.call) is None:
        return state
    return with_call(state, recorded, event.call, status="delegated")


def _undeliverable(state: ThreadState, recorded: e.Recorded, event: e.TaskUndeliverable) -> ThreadState:
    child = active(state, recorded).children.get(event.call)
    if child is None or not child.open:
        return state
    outcome = e.TaskOutcome(child.delegated.target, "failed", assistant(event.reason), "undeliverable", call=event.call)
    return _end_child(state, recorded, child, outcome)


def _outcome(state: ThreadState, recorded: e.Recorded, event: e.TaskOutcome) -> ThreadState:
    task = state.active
    child = task.children.get(event.call) if task is not None and task.id == recorded.task else None
    if child is None or not child.open or child.delegated.target != event.child:
        return state  # nobody waits for it any more, or it is not the one that was asked
    return _end_child(state, recorded, child, event)


def _end_child(state: ThreadState, recorded: e.Recorded, child: Child, outcome: e.TaskOutcome) -> ThreadState:
    task = active(state, recorded)
    ended = replace(child, outcome=outcome)
    children = {**task.children, outcome.call: ended}
    # Children work side by side: what counts is when each of them was given its task, and how long it then worked.
    elapsed = max(task.elapsed_ms, child.began_ms + outcome.elapsed_ms)
    task = replace(task, children=children, usage=task.usage + outcome.usage, elapsed_ms=elapsed, stalls=0)
    state = replace(state, active=task)
    state = without_questions(state, lambda required: required.child is not None and required.call == outcome.call)
    call = _call(task, outcome.call)
    if call is None or call.status != "delegated":
        return state
    content, is_error = told_outcome(child.delegated, outcome)
    ends = child.delegated.ends_task and not is_error
    state = with_call(state, recorded, outcome.call, status="done", content=content, is_error=is_error, ends_task=ends)
    return close_turn(state)


def told_outcome(delegated: e.TaskDelegated, outcome: e.TaskOutcome) -> tuple[str, bool]:
    """A child's end as its caller is told it, and whether that is an error."""
    name = delegated.target.participant
    said = outcome.message.text if outcome.message is not None else ""
    if outcome.state == "completed":
        return (msgspec.json.encode(outcome.output).decode() if outcome.output is not None else said), False
    why = f" ({outcome.reason})" if outcome.reason else ""
    return f"{name} did not finish: {outcome.state}{why}{': ' + said if said else ''}", True


def _question(state: ThreadState, recorded: e.Recorded, event: e.TaskQuestion) -> ThreadState:
    """Heard; it is asked here too once the decider records that."""
    task = state.active
    child = task.children.get(event.call) if task is not None and task.id == recorded.task else None
    if task is None or child is None or not child.open or event.request in task.asks:
        return state
    if child.delegated.target != event.child:
        return state  # it comes from a child of an earlier turn's call of the same name, which is told to end
    required = e.InputRequired(
        event.request,
        event.message,
        event.answer_schema,
        event.call,
        event.purpose,
        event.asker,
        event.child,
        event.child_task,
    )
    return replace(state, active=replace(task, heard=(*task.heard, required)))


def _question_closed(state: ThreadState, recorded: e.Recorded, event: e.QuestionClosed) -> ThreadState:
    task = state.active
    if task is None or task.id != recorded.task:
        return state
    heard = tuple(required for required in task.heard if required.request != event.request)
    ask = task.asks.get(event.request)
    asks = task.asks
    if ask is not None and ask.open:
        asks = {**asks, event.request: replace(ask, closed=True)}
    return replace(state, active=replace(task, heard=heard, asks=asks))


def _input_required(state: ThreadState, recorded: e.Recorded, event: e.InputRequired) -> ThreadState:
    task = active(state, recorded)
    heard = tuple(required for required in task.heard if required.request != event.request)
    asks = {**task.asks, event.request: Ask(event, seq=state.seq + 1)}
    task = replace(task, asks=asks, heard=heard, stalls=0)
    return replace(state, active=task)


def _input(state: ThreadState, recorded: e.Recorded, event: e.TaskInput) -> ThreadState:
    """The first answer stands until the decider has recorded whether it counts; every further one is late."""
    task = state.active
    ask = task.asks.get(event.request) if task is not None and task.id == recorded.task else None
    if task is not None and task.id == recorded.task and not event.request and ask is None:  # whatever is asked now
        ask = next((other for other in task.asks.values() if other.open and not other.by and not other.closed), None)
    if task is None or ask is None or ask.answered or ask.by or ask.closed:
        return replace(state, late=(*state.late, LateAnswer(recorded.task, event.request, recorded.entry)))
    asks = {**task.asks, ask.required.request: replace(ask, given=event.message, by=recorded.entry)}
    return replace(state, active=replace(task, asks=asks))


def _answered(state: ThreadState, recorded: e.Recorded, event: e.InputAnswered) -> ThreadState:
    task = active(state, recorded)
    ask = task.asks.get(event.request)
    if ask is None:
        raise ChainBroken(
            f"input.answered for question {event.request!r}, which task {task.id!r} did not ask: the log was altered"
        )
    given = ask.given
    if not event.answer:  # its deadline passed
        default = ask.required.default
        given = user(default) if isinstance(default, str) else Message("user", (DataPart(default),))
    if ask.closed and not event.answer:
        asks = {request: other for request, other in task.asks.items() if request != event.request}
    else:
        asks = {**task.asks, event.request: replace(ask, given=given, by=event.answer, answered=True, seq=state.seq + 1)}
    state = replace(state, active=replace(task, asks=asks, stalls=0))
    from_above = event.answer == about(event.request, "answer", state.ref)
    return state if from_above else closed_above(state, ask.required)


def _refused(state: ThreadState, recorded: e.Recorded, event: e.InputRefused) -> ThreadState:
    late = tuple(item for item in state.late if item.entry != event.answer)
    state = replace(state, late=late)
    task = state.active
    ask = task.asks.get(event.request) if task is not None and task.id == recorded.task else None
    if task is None or ask is None or ask.answered or ask.by != event.answer:
        return state
    asks = {**task.asks, event.request: replace(ask, given=None, by="")}  # it did not fit: the question stands
    return replace(state, active=replace(task, asks=asks))


def _timer(state: ThreadState, recorded: e.Recorded, event: e.TimerFired) -> ThreadState:
    """Waiting for a person does not count: a time that is up meanwhile begins anew with the answer."""
    task = state.active
    if task is None or task.id != recorded.task:
        return state
    ask = task.asks.get(event.timer)
    if ask is not None:
        return replace(state, active=replace(task, asks={**task.asks, event.timer: replace(ask, expired=ask.open)}))
    if event.timer == timer_of(task.id, "") and not task.asking:
        return replace(state, active=replace(task, expired=(*task.expired, "")))
    asking = {ask.required.call.partition(".")[0] for ask in task.asks.values() if ask.open}
    over = (call for call in task.timeouts if call not in asking and timer_of(task.id, call) == event.timer)
    return replace(state, active=replace(task, expired=(*task.expired, *over)))


def about(request: str, what: str, ref: ThreadRef) -> str:
    """The id of the message that tells thread `ref` about a question."""
    return derived_id(what, request, str(ref))


def timer_of(task: str, call: str) -> str:
    """The name of a node's timer, or with an empty `call` of the task's own."""
    return derived_id("timer", task, call)


def _call(task: Task, call_id: str) -> Call | None:
    return next((call for call in task.calls if call.part.call == call_id), None)


WAIT_RULES: Rules = {
    e.TaskDelegated: _delegated,
    e.TaskUndeliverable: _undeliverable,
    e.TaskOutcome: _outcome,
    e.TaskQuestion: _question,
    e.QuestionClosed: _question_closed,
    e.InputRequired: _input_required,
    e.TaskInput: _input,
    e.InputAnswered: _answered,
    e.InputRefused: _refused,
    e.TimerFired: _timer,
}
