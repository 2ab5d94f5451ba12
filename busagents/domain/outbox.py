"""What a thread tells others: a pure function of its log. Nothing here is stored a second time.

Everything that must reach another thread (a task for a child, a child's end, a question, an answer, a cancel) or a timer follows
from facts of the thread's own entries. It is sent right after the entry that holds the fact, and before the delivery that led to
it is acknowledged. A process that is killed in between leaves the delivery to another one, which sends it again, under the same
id: the receiver knows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from busagents.domain import events as e
from busagents.domain.codec import derived_id
from busagents.domain.fold_coordination import node_call
from busagents.domain.fold_waits import about, timer_of
from busagents.domain.messages import Message, assistant
from busagents.domain.state import Ask, Child, Closing, Orphan, Outcome, Task, ThreadState
from busagents.domain.subjects import ThreadRef


class Letter(msgspec.Struct, frozen=True):
    """A message to another thread. `call` is set for a task that is given away: if nobody of that name was ever there, it failed."""

    ref: ThreadRef
    event: e.Event
    task: str
    entry_id: str
    call: str = ""


class SetTimer(msgspec.Struct, frozen=True):
    """In so many seconds the thread is told so. One of the same name that was set before is replaced."""

    timer: str
    seconds: float
    task: str
    entry_id: str


class DropTimer(msgspec.Struct, frozen=True):
    """A timer that need not fire any more."""

    timer: str


Outgoing = Letter | SetTimer | DropTimer


def outgoing(before: ThreadState, records: Sequence[e.Recorded], after: ThreadState) -> list[Outgoing]:
    """What follows from recording these facts: `before` and `after` are the states around the entry."""
    found: list[Outgoing] = []
    for recorded in records:
        found += _of_fact(before, recorded, after)
    found += [_cancel(orphan) for orphan in after.orphans[len(before.orphans) :]]
    found += [_closed(closing) for closing in after.closings[len(before.closings) :]]
    if after.active is not None and _left_unanswered(before, after.active):
        found += _timers(after, after.active)  # a time that was up while it waited for a person begins anew
    return found


def unconfirmed(state: ThreadState, since: int) -> list[Outgoing]:
    """What a process that ended may not have sent of what the entries from seq `since` on led to."""
    found: list[Outgoing] = [_cancel(orphan) for orphan in state.orphans if orphan.seq >= since]
    found += [_closed(closing) for closing in state.closings if closing.seq >= since]
    for task, outcome in state.finished.items():
        if outcome.seq >= since:
            found += _ended(state.ref, task, outcome)
    task_ = state.active
    if task_ is None:
        return found
    for child in task_.children.values():
        if child.open and child.seq >= since:
            found.append(_submission(state, task_, child))
    for ask in task_.asks.values():
        if ask.seq >= since:
            found += _asked(state, task_, ask) if ask.open else _answered(state, task_, ask)
    return [*found, *_timers(state, task_)]


def _left_unanswered(before: ThreadState, task: Task) -> bool:
    """A question of the task was closed: who asked it has ended, or has its answer."""
    if before.active is None or before.active.id != task.id:
        return False
    return any(ask.open and request not in task.asks for request, ask in before.active.asks.items())


def _of_fact(before: ThreadState, recorded: e.Recorded, after: ThreadState) -> Iterator[Outgoing]:
    task = after.active if after.active is not None and after.active.id == recorded.task else None
    match recorded.event:
        case e.TaskDelegated(call) if task is not None and call in task.children:
            yield _submission(after, task, task.children[call])
        case e.TaskCompleted() | e.TaskFailed() | e.TaskCanceled():
            outcome = after.finished.get(recorded.task)
            if outcome is not None:
                yield from _ended(after.ref, recorded.task, outcome)
            yield from _no_timers(before, recorded.task)
        case e.InputRequired(request) if task is not None and request in task.asks:
            yield from _asked(after, task, task.asks[request])
        case e.InputAnswered(request) if task is not None and request in task.asks:
            yield from _answered(after, task, task.asks[request])
        case e.TaskStarted(timeout=timeout) if timeout is not None and recorded.attempt == 1:
            yield _timer(after, recorded.task, timer_of(recorded.task, ""), timeout)
        case e.NodeStarted(node, run, timeout=timeout) if timeout is not None:
            yield _timer(after, recorded.task, timer_of(recorded.task, node_call(node, run)), timeout)
        case e.NodeCompleted(node, run):
            call = node_call(node, run)
            if before.active is not None and call in before.active.timeouts:
                yield DropTimer(timer_of(recorded.task, call))


def _submission(state: ThreadState, task: Task, child: Child) -> Letter:
    given = child.delegated
    event = e.TaskSubmitted(
        message=given.message,
        sender=state.ref.participant,
        limits=given.limits,
        output_schema=given.output_schema,
        reply_to=state.ref,
        call=given.call,
        parent=task.id,
        chain=(*task.submitted.chain, state.ref.participant),
        handoffs=given.handoffs,
    )
    return Letter(given.target, event, given.child, derived_id("submit", given.child), call=given.call)


def _ended(ref: ThreadRef, task: str, outcome: Outcome) -> Iterator[Letter]:
    submitted = outcome.submitted
    if submitted is None or submitted.reply_to is None:
        return
    message: Message | None = outcome.message
    if message is None and outcome.text:
        message = assistant(outcome.text)
    event = e.TaskOutcome(
        ref,
        outcome.state,
        message,
        outcome.reason,
        outcome.usage,
        submitted.call,
        outcome.output,
        outcome.artifacts,
        outcome.elapsed_ms,
        outcome.handoff,
    )
    yield Letter(submitted.reply_to, event, submitted.parent, derived_id("outcome", str(ref), task))


def _asked(state: ThreadState, task: Task, ask: Ask) -> Iterator[Outgoing]:
    required, submitted = ask.required, task.submitted
    if required.expires_in is not None:
        yield _timer(state, task.id, required.request, required.expires_in)
    if submitted.reply_to is None:
        return
    event = e.TaskQuestion(
        state.ref,
        task.id,
        submitted.call,
        required.request,
        required.message,
        required.asker or state.ref.participant,
        required.purpose,
        required.answer_schema,
    )
    yield Letter(submitted.reply_to, event, submitted.parent, about(required.request, "question", submitted.reply_to))


def _answered(state: ThreadState, task: Task, ask: Ask) -> Iterator[Outgoing]:
    required = ask.required
    if required.child is not None:
        if ask.by and ask.given is not None:
            event = e.TaskInput(required.request, ask.given)
            yield Letter(required.child, event, required.child_task, about(required.request, "answer", required.child))
        yield from _timers(state, task)  # the time of a person's thinking does not count
    elif required.expires_in is not None and ask.by:
        yield DropTimer(required.request)


def _closed(closing: Closing) -> Letter:
    event = e.QuestionClosed(closing.call, closing.request)
    return Letter(closing.asked, event, closing.task, about(closing.request, "closed", closing.asked))


def _cancel(orphan: Orphan) -> Letter:
    return Letter(orphan.target, e.TaskCancel(orphan.reason), orphan.task, derived_id("cancel", orphan.task))


def _timers(state: ThreadState, task: Task) -> Iterator[SetTimer]:
    if task.timeout is not None:
        yield _timer(state, task.id, timer_of(task.id, ""), task.timeout)
    for call, seconds in task.timeouts.items():
        yield _timer(state, task.id, timer_of(task.id, call), seconds)


def _no_timers(before: ThreadState, task: str) -> Iterator[DropTimer]:
    ended = before.active
    if ended is None or ended.id != task:
        return
    if ended.timeout is not None:
        yield DropTimer(timer_of(task, ""))
    for call in ended.timeouts:
        yield DropTimer(timer_of(task, call))
    for ask in ended.asks.values():
        if ask.open and ask.required.expires_in is not None:
            yield DropTimer(ask.required.request)


def _timer(state: ThreadState, task: str, timer: str, seconds: float) -> SetTimer:
    # One that is set again must be heard again: its entry's id tells which setting it was.
    return SetTimer(timer, seconds, task, derived_id("fired", str(state.ref), timer, str(state.seq + 1)))
