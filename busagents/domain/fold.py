"""evolve: one event, a new state. Pure: no clock, no random, no I/O, no user code. Same log, same state, anywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from busagents.domain import events as e
from busagents.domain.messages import Message, ToolCallPart, ToolResultPart, user
from busagents.domain.state import Call, ModelCall, Outcome, Task, ThreadState
from busagents.errors import ChainBroken

_ENCODER = msgspec.json.Encoder()

UNKNOWN_OUTCOME = (
    "The outcome of this call is unknown: {reason}. It may have taken effect. "
    "It was not run again. Check whether it took effect before you decide to repeat it, or ask the user."
)


def evolve(state: ThreadState, recorded: e.Recorded) -> ThreadState:
    """The state after one event.

    Raises:
        ChainBroken: the event does not follow from the state (it answers a call that is not open, for example).
    """
    rule = _RULES.get(type(recorded.event))
    return state if rule is None else rule(state, recorded, recorded.event)


def add_message(state: ThreadState, message: Message) -> ThreadState:
    """The conversation with one message more, and its running digest."""
    digest = hashlib.sha256(state.digest.encode() + _ENCODER.encode(message)).hexdigest()
    return replace(state, messages=state.messages.append(message), digest=digest)


def _submitted(state: ThreadState, recorded: e.Recorded, event: e.TaskSubmitted) -> ThreadState:
    if state.task_state(recorded.task) is not None:
        return state  # sent twice under two ids: the first one counts
    return replace(state, queue=(*state.queue, Task(recorded.task, event)))


def _cancel(state: ThreadState, recorded: e.Recorded, event: e.TaskCancel) -> ThreadState:
    reason = event.reason or "canceled"
    if state.active is not None and state.active.id == recorded.task:
        return replace(state, active=replace(state.active, cancel=reason))
    queue = tuple(replace(task, cancel=reason) if task.id == recorded.task else task for task in state.queue)
    return replace(state, queue=queue)


def _started(state: ThreadState, recorded: e.Recorded, event: e.TaskStarted) -> ThreadState:
    if state.active is not None and state.active.id == recorded.task:  # a takeover
        taken = state.active
        ended = event.owner != taken.owner  # else the same process tries again: the bus was away
        taken = replace(taken, attempt=recorded.attempt, owner=event.owner, stalls=taken.stalls + ended)
        return replace(state, active=taken)
    task = next((queued for queued in state.queue if queued.id == recorded.task), None)
    if task is None or state.active is not None:
        raise ChainBroken(f"task.started for task {recorded.task!r}, which is not the next in the queue: the log was altered")
    task = replace(task, attempt=recorded.attempt, owner=event.owner, limits=event.limits)
    state = replace(state, active=task, queue=tuple(queued for queued in state.queue if queued.id != task.id))
    return add_message(state, task.submitted.prompt)


def _model_requested(state: ThreadState, recorded: e.Recorded, event: e.ModelRequested) -> ThreadState:
    task = _active(state, recorded)
    failures = task.model.failures if task.model is not None else 0
    notes = task.notes + 1 if event.note else (0 if recorded.attempt == 1 else task.notes)
    task = replace(
        task,
        turn=recorded.turn,
        model=ModelCall(recorded.attempt, failures),
        calls=(),
        answer=None,
        notes=notes,
    )
    state = replace(state, active=task)
    return add_message(state, user(event.note)) if event.note else state


def _open_call(task: Task, recorded: e.Recorded) -> ModelCall:
    if task.model is None or task.model.failed_code:
        raise ChainBroken(f"{recorded.event.type} in task {task.id!r} without an open model call: the log was altered")
    return task.model


def _model_completed(state: ThreadState, recorded: e.Recorded, event: e.ModelCompleted) -> ThreadState:
    task = _active(state, recorded)
    _open_call(task, recorded)
    task = replace(
        task,
        model=None,
        calls=tuple(Call(part) for part in event.message.tool_calls),
        answer=event.message,
        stop_reason=event.stop_reason,
        elapsed_ms=event.elapsed_ms,
        stalls=0,
    )
    task = replace(task, usage=task.usage + event.usage)
    state = replace(state, active=task)
    return add_message(state, event.message) if event.message.parts else state


def _model_failed(state: ThreadState, recorded: e.Recorded, event: e.ModelFailed) -> ThreadState:
    task = _active(state, recorded)
    call = _open_call(task, recorded)
    call = replace(
        call,
        failures=call.failures + 1,
        retry_in=event.retry_in,
        failed_code=event.code,
        failed_message=event.message,
    )
    return replace(state, active=replace(task, model=call, elapsed_ms=event.elapsed_ms, stalls=0))


def _tool_started(state: ThreadState, recorded: e.Recorded, event: e.ToolStarted) -> ThreadState:
    task = _active(state, recorded)
    if not any(call.part.call == event.call for call in task.calls):  # a function's step: opened by its start
        calls = (*task.calls, Call(ToolCallPart(event.call, event.name)))
        task = replace(task, calls=calls)
    return _with_call(
        replace(state, active=task), recorded, event.call, status="started", attempt=recorded.attempt, recovery=event.recovery
    )


def _tool_completed(state: ThreadState, recorded: e.Recorded, event: e.ToolCompleted) -> ThreadState:
    state = _with_call(state, recorded, event.call, status="done", content=event.content)
    return _close_turn(_with_elapsed(state, event.elapsed_ms))


def _tool_failed(state: ThreadState, recorded: e.Recorded, event: e.ToolFailed) -> ThreadState:
    state = _with_call(state, recorded, event.call, status="done", content=event.message, is_error=True)
    return _close_turn(_with_elapsed(state, event.elapsed_ms))


def _tool_unknown(state: ThreadState, recorded: e.Recorded, event: e.ToolUnknown) -> ThreadState:
    content = UNKNOWN_OUTCOME.format(reason=event.reason)
    return _close_turn(_with_call(state, recorded, event.call, status="done", content=content, is_error=True, unknown=True))


def _state_set(state: ThreadState, recorded: e.Recorded, event: e.StateSet) -> ThreadState:
    values = dict(state.values if event.scope == "agent" else state.session_values)
    if event.deleted:
        values.pop(event.key, None)
    else:
        values[event.key] = event.value
    return replace(state, values=values) if event.scope == "agent" else replace(state, session_values=values)


def _completed(state: ThreadState, recorded: e.Recorded, event: e.TaskCompleted) -> ThreadState:
    outcome = Outcome(
        "completed",
        message=event.message,
        text=event.message.text,
        usage=event.usage,
        output=event.output,
        artifacts=event.artifacts,
    )
    task = _active(state, recorded)
    if task.answer is None and event.message.parts:  # a function's answer was no model turn
        state = add_message(state, event.message)
    return _finish(state, recorded.task, outcome)


def _failed(state: ThreadState, recorded: e.Recorded, event: e.TaskFailed) -> ThreadState:
    return _finish(state, recorded.task, Outcome("failed", reason=event.reason, text=event.message, usage=event.usage))


def _canceled(state: ThreadState, recorded: e.Recorded, event: e.TaskCanceled) -> ThreadState:
    return _finish(state, recorded.task, Outcome("canceled", reason=event.reason, usage=event.usage))


def _finish(state: ThreadState, task: str, outcome: Outcome) -> ThreadState:
    active = None if state.active is not None and state.active.id == task else state.active
    queue = tuple(queued for queued in state.queue if queued.id != task)
    return replace(state, active=active, queue=queue, finished=state.finished.record(task, outcome))


def _active(state: ThreadState, recorded: e.Recorded) -> Task:
    if state.active is None or state.active.id != recorded.task:
        raise ChainBroken(f"{recorded.event.type} for task {recorded.task!r}, which is not at work: the log was altered")
    return state.active


def _with_call(state: ThreadState, recorded: e.Recorded, call_id: str, **changes: Any) -> ThreadState:
    task = _active(state, recorded)
    calls = list(task.calls)
    for index, call in enumerate(calls):
        if call.part.call == call_id and call.status != "done":
            calls[index] = replace(call, **changes)
            stalls = 0 if calls[index].status == "done" else task.stalls
            return replace(state, active=replace(task, calls=tuple(calls), stalls=stalls))
    raise ChainBroken(f"{recorded.event.type} for call {call_id!r} of task {task.id!r}, which is not open: the log was altered")


def _with_elapsed(state: ThreadState, elapsed_ms: int) -> ThreadState:
    task = state.active
    if task is None or elapsed_ms <= task.elapsed_ms:
        return state
    return replace(state, active=replace(task, elapsed_ms=elapsed_ms))


def _close_turn(state: ThreadState) -> ThreadState:
    """Once every call of a model's turn is answered, the answers join the conversation in the order of the calls."""
    task = state.active
    if task is None or task.answer is None or any(call.status != "done" for call in task.calls):
        return state
    parts = tuple(ToolResultPart(c.part.call, c.part.name, c.content, c.is_error) for c in task.calls)
    return add_message(state, Message("tool", parts))


_RULES: dict[type[e.Event], Callable[[ThreadState, e.Recorded, Any], ThreadState]] = {
    e.TaskSubmitted: _submitted,
    e.TaskCancel: _cancel,
    e.TaskStarted: _started,
    e.ModelRequested: _model_requested,
    e.ModelCompleted: _model_completed,
    e.ModelFailed: _model_failed,
    e.ToolStarted: _tool_started,
    e.ToolCompleted: _tool_completed,
    e.ToolFailed: _tool_failed,
    e.ToolUnknown: _tool_unknown,
    e.StateSet: _state_set,
    e.TaskCompleted: _completed,
    e.TaskFailed: _failed,
    e.TaskCanceled: _canceled,
}
