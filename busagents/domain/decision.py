"""What deciding yields: facts to record first, then effects to perform. A closed set, the same for every kind of participant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from busagents.domain import events as e
from busagents.domain.limits import Limits
from busagents.domain.messages import ToolCallPart
from busagents.domain.questions import settle_questions
from busagents.domain.state import Task, ThreadState

MAX_STALLS = 5  # processes that may end, one after the other, in the same step of a task before it is given up


class CallModel(msgspec.Struct, frozen=True):
    """Call the model for a turn whose `model.requested` is stored."""

    task: str
    turn: int
    attempt: int


class WaitRetry(msgspec.Struct, frozen=True):
    """Wait `seconds`, then request the model again as `attempt`."""

    task: str
    turn: int
    attempt: int
    seconds: float


class RunTool(msgspec.Struct, frozen=True):
    """Run a tool whose `tool.started` is stored. `edited`: a person changed the arguments."""

    task: str
    turn: int
    attempt: int
    part: ToolCallPart
    edited: bool = False


class RunFunction(msgspec.Struct, frozen=True):
    """Run a function participant for a task whose `task.started` is stored."""

    task: str
    attempt: int


class CheckApproval(msgspec.Struct, frozen=True):
    """Ask the tool's own function whether a person must approve the call. Ends in `approval.decided`."""

    task: str
    turn: int
    part: ToolCallPart


class ChooseEdges(msgspec.Struct, frozen=True):
    """Evaluate the conditions on the edges out of a node that ended. Ends in `edges.chosen`."""

    task: str
    node: str
    run: int


class ChooseInputs(msgspec.Struct, frozen=True):
    """Let the user's function make what a node is asked. Ends in `inputs.chosen`."""

    task: str
    node: str
    run: int


class ReduceOutputs(msgspec.Struct, frozen=True):
    """Let the user's reducer make one result of the many of a node. Ends in `outputs.reduced`."""

    task: str
    node: str
    run: int


class RunHooks(msgspec.Struct, frozen=True):
    """Run hooks that decide before anything else is recorded: `point` is before_task or after_task, or before_tool for a `call`
    that is given to a participant. Ends in `hook.decided`.
    """

    task: str
    turn: int
    point: str
    call: str = ""


Command = CallModel | WaitRetry | RunTool | RunFunction | CheckApproval | ChooseEdges | ChooseInputs | ReduceOutputs | RunHooks


class Decision(msgspec.Struct, frozen=True):
    """Record these facts, decide again; once there are none to record, these effects are outstanding."""

    record: tuple[e.Recorded, ...] = ()
    perform: tuple[Command, ...] = ()


def command_key(command: Command) -> tuple[str, str, int, int, str]:
    """What makes a command the same command: a worker that performs it already does not start it again."""
    match command:
        case CallModel(task, turn, attempt):
            return ("model", task, turn, attempt, "")
        case WaitRetry(task, turn, attempt, _):
            return ("wait", task, turn, attempt, "")
        case RunTool(task, turn, attempt, part, _):
            return ("tool", task, turn, attempt, part.call)
        case RunFunction(task, attempt):
            return ("function", task, 0, attempt, "")
        case CheckApproval(task, turn, part):
            return ("approval", task, turn, 0, part.call)
        case ChooseEdges(task, node, run):
            return ("edges", task, 0, run, node)
        case ChooseInputs(task, node, run):
            return ("inputs", task, 0, run, node)
        case ReduceOutputs(task, node, run):
            return ("reduce", task, 0, run, node)
        case RunHooks(task, turn, point, call):
            return ("hooks", task, turn, 0, f"{point} {call}")


def settle_first(state: ThreadState) -> Decision | None:
    """What every kind of participant records before anything else: canceled tasks of the queue end, whatever is at work before
    them; answers are taken or refused; questions of children are passed on.
    """
    record = [e.Recorded(e.TaskCanceled(queued.cancel), queued.id) for queued in state.queue if queued.cancel is not None]
    record += settle_questions(state)
    return Decision(tuple(record)) if record else None


def start_next(
    state: ThreadState,
    *,
    owner: str,
    definition: str,
    limits: Limits,
    coordinator: Literal["", "swarm", "graph"] = "",
    timeout: float | None = None,
) -> Decision:
    """Start the first task of the queue. Shared by all deciders. `timeout` in seconds is a coordinator's."""
    if not state.queue:
        return Decision()
    task = state.queue[0]
    started = e.TaskStarted(owner, definition, limits.tightened(task.submitted.limits), coordinator, timeout)
    return Decision((e.Recorded(started, task.id, attempt=1),))


def cancel_task(task: Task) -> Decision:
    """Answer every open call, then end the task."""
    record = close_calls(task, "the task was canceled while the tool ran")
    record.append(e.Recorded(e.TaskCanceled(task.cancel or "", task.usage), task.id, task.turn, task.attempt))
    return Decision(tuple(record))


def close_calls(task: Task, why: str) -> list[e.Recorded]:
    """Answer every open call of a task that ends. Which calls may have taken effect is said, not guessed."""
    record: list[e.Recorded] = []
    for call in task.calls:
        if call.status == "done":
            continue
        event: e.Event
        if call.status == "started" and call.recovery == "at_most_once":
            event = e.ToolUnknown(call.part.call, why)
        else:
            event = e.ToolFailed(call.part.call, "canceled", "The task ended before this call had a result.", task.elapsed_ms)
        record.append(e.Recorded(event, task.id, task.turn, max(call.attempt, 1)))
    return record


def fail_task(task: Task, reason: str, message: str) -> e.Recorded:
    """The terminal fact of a task that cannot be answered."""
    return e.Recorded(e.TaskFailed(reason, message, task.usage), task.id, task.turn, task.attempt)


def recover(
    state: ThreadState, *, owner: str, definition: str, model: str = "", settings: Mapping[str, Any] | None = None
) -> tuple[e.Recorded, ...]:
    """What a process records when it takes over a thread whose task another process had at work.

    An open model call is made again as the next attempt; a started tool runs again if it is repeatable, else its outcome
    is unknown; calls that were not started are left to `decide`.
    """
    task = state.active
    if task is None:
        return ()
    if task.stalls >= MAX_STALLS:
        text = (
            f"{task.stalls} processes in a row ended at this step (turn {task.turn}): see their logs, mend the cause, redrive it"
        )
        return (*close_calls(task, "the process that ran it ended"), fail_task(task, "dead_letter", text))
    record = [e.Recorded(e.TaskStarted(owner, definition, task.limits), task.id, attempt=task.attempt + 1)]
    if task.model is not None and task.model.retry_in is None and not task.model.failed_code:
        requested = e.ModelRequested(model, state.seq, state.digest, dict(settings or {}))
        record.append(e.Recorded(requested, task.id, task.turn, task.model.attempt + 1))
    for call in task.calls:
        if call.status != "started":
            continue
        event: e.Event
        if call.recovery == "at_most_once":
            event = e.ToolUnknown(call.part.call, "the process that ran it stopped before it recorded a result")
            record.append(e.Recorded(event, task.id, task.turn, call.attempt))
        else:
            event = e.ToolStarted(call.part.call, call.part.name, call.recovery)
            record.append(e.Recorded(event, task.id, task.turn, call.attempt + 1))
    return tuple(record)
