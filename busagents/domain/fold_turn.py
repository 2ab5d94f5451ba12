"""The fold's rules for an agent's turns: model calls and tool calls."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from busagents.domain import events as e
from busagents.domain.fold_task import Rules, active, add_message, let_go, replace_last
from busagents.domain.messages import Message, ToolCallPart, ToolResultPart, Usage, user
from busagents.domain.state import Call, ModelCall, Task, ThreadState
from busagents.errors import ChainBroken

UNKNOWN_OUTCOME = (
    "The outcome of this call is unknown: {reason}. It may have taken effect. "
    "It was not run again. Check whether it took effect before you decide to repeat it, or ask the user."
)


def _model_requested(state: ThreadState, recorded: e.Recorded, event: e.ModelRequested) -> ThreadState:
    task = active(state, recorded)
    failures = task.model.failures if task.model is not None else 0
    notes = task.notes + 1 if event.note else (0 if recorded.attempt == 1 else task.notes)
    task = replace(
        task,
        turn=recorded.turn,
        model=ModelCall(recorded.attempt, failures),
        calls=(),
        answer=None,
        notes=notes,
        hooked=tuple(point for point in task.hooked if point != "after_task"),  # those are about one answer
    )
    state = replace(state, active=task)
    return add_message(state, user(event.note)) if event.note else state


def _open_call(task: Task, recorded: e.Recorded) -> ModelCall:
    if task.model is None or task.model.failed_code:
        raise ChainBroken(f"{recorded.event.type} in task {task.id!r} without an open model call: the log was altered")
    return task.model


def _model_completed(state: ThreadState, recorded: e.Recorded, event: e.ModelCompleted) -> ThreadState:
    task = active(state, recorded)
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
    task = active(state, recorded)
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
    task = active(state, recorded)
    if not any(call.part.call == event.call for call in task.calls):  # a function's step: opened by its start
        calls = (*task.calls, Call(ToolCallPart(event.call, event.name)))
        task = replace(task, calls=calls)
    return with_call(
        replace(state, active=task), recorded, event.call, status="started", attempt=recorded.attempt, recovery=event.recovery
    )


def _tool_completed(state: ThreadState, recorded: e.Recorded, event: e.ToolCompleted) -> ThreadState:
    state = with_call(state, recorded, event.call, status="done", content=event.content, ends_task=event.ends_task)
    return close_turn(with_elapsed(state, event.elapsed_ms))


def _tool_failed(state: ThreadState, recorded: e.Recorded, event: e.ToolFailed) -> ThreadState:
    state = with_call(state, recorded, event.call, status="done", content=event.message, is_error=True)
    return close_turn(with_elapsed(state, event.elapsed_ms))


def _tool_unknown(state: ThreadState, recorded: e.Recorded, event: e.ToolUnknown) -> ThreadState:
    content = UNKNOWN_OUTCOME.format(reason=event.reason)
    return close_turn(with_call(state, recorded, event.call, status="done", content=content, is_error=True, unknown=True))


def _tool_suspended(state: ThreadState, recorded: e.Recorded, event: e.ToolSuspended) -> ThreadState:
    if event.call:
        return with_call(state, recorded, event.call, status="suspended")
    return replace(state, active=replace(active(state, recorded), suspended=True, stalls=0))


def _approval_decided(state: ThreadState, recorded: e.Recorded, event: e.ApprovalDecided) -> ThreadState:
    return with_call(state, recorded, event.call, approval=event.required)


def _hook_decided(state: ThreadState, recorded: e.Recorded, event: e.HookDecided) -> ThreadState:
    """Hooks of model and tool calls are told by what is recorded beside them; those of the task, and of a call that has not
    started, move it on.
    """
    task = active(state, recorded)
    if event.point == "before_tool":
        return _before_tool(state, recorded, event)
    if event.point == "after_model" and event.action == "veto":
        return replace(state, active=replace(task, usage=task.usage + _spent(event)))
    if event.point not in ("before_task", "after_task"):
        return state
    if event.point not in task.hooked:  # each hook that decided has said so
        task = replace(task, hooked=(*task.hooked, event.point), stalls=0)
    if event.message is None:
        return replace(state, active=task)
    if event.point == "before_task":  # with "end" the message is the answer, which comes beside it
        state = replace(state, active=task)
        return replace_last(state, event.message) if event.action == "edit" else state
    in_conversation = task.answer is not None and bool(task.answer.parts)
    state = replace(state, active=replace(task, answer=event.message))
    return (replace_last if in_conversation else add_message)(state, event.message)


def _before_tool(state: ThreadState, recorded: e.Recorded, event: e.HookDecided) -> ThreadState:
    """A tool that started gets what its hooks make of its call each time it runs; whoever else is called gets it once."""
    task = active(state, recorded)
    call = next((call for call in task.calls if call.part.call == event.call and call.status == "requested"), None)
    if call is None:
        return state
    state = with_call(state, recorded, event.call, hooked=True)
    if event.action != "edit":
        return state
    arguments = msgspec.json.encode(event.data["arguments"]).decode()
    return with_call(state, recorded, event.call, part=replace(call.part, arguments=arguments), edited=True)


def _spent(event: e.HookDecided) -> Usage:
    """The tokens of a model call whose message was vetoed."""
    return msgspec.convert(event.data["usage"], Usage) if isinstance(event.data, dict) and "usage" in event.data else Usage()


def with_call(state: ThreadState, recorded: e.Recorded, call_id: str, **changes: Any) -> ThreadState:
    """The state with an open call changed."""
    task = active(state, recorded)
    calls = list(task.calls)
    for index, call in enumerate(calls):
        if call.part.call == call_id and call.status != "done":
            calls[index] = replace(call, **changes)
            done = calls[index].status == "done"
            stalls = task.stalls if calls[index].status == "started" else 0
            state = replace(state, active=replace(task, calls=tuple(calls), stalls=stalls))
            return let_go(state, call_id, "the call it was for has ended") if done else state
    raise ChainBroken(f"{recorded.event.type} for call {call_id!r} of task {task.id!r}, which is not open: the log was altered")


def with_elapsed(state: ThreadState, elapsed_ms: int) -> ThreadState:
    """The state with at least so much working time of the task."""
    task = state.active
    if task is None or elapsed_ms <= task.elapsed_ms:
        return state
    return replace(state, active=replace(task, elapsed_ms=elapsed_ms))


def close_turn(state: ThreadState) -> ThreadState:
    """Once every call of a model's turn is answered, the answers join the conversation in the order of the calls."""
    task = state.active
    if task is None or task.answer is None or any(call.status != "done" for call in task.calls):
        return state
    parts = tuple(ToolResultPart(c.part.call, c.part.name, c.content, c.is_error) for c in task.calls)
    return add_message(state, Message("tool", parts))


TURN_RULES: Rules = {
    e.ModelRequested: _model_requested,
    e.ModelCompleted: _model_completed,
    e.ModelFailed: _model_failed,
    e.ToolStarted: _tool_started,
    e.ToolSuspended: _tool_suspended,
    e.ToolCompleted: _tool_completed,
    e.ToolFailed: _tool_failed,
    e.ToolUnknown: _tool_unknown,
    e.ApprovalDecided: _approval_decided,
    e.HookDecided: _hook_decided,
}
