"""Every event type. An event's docstring is its contract: when it is written, and what its absence means.

`type` and `tv` (the type's version) are the wire tag, pinned by a test. New fields have defaults; names and meanings never
change. docs/events.md is generated from this module.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from busagents.domain.limits import Limits
from busagents.domain.messages import Artifact, Message, Usage, user
from busagents.domain.subjects import Kind, ThreadRef

RecoveryClass = Literal["at_most_once", "idempotent", "read_only"]
StateScope = Literal["agent", "session"]


class Event(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Base of all events."""

    type: ClassVar[str] = ""
    tv: ClassVar[int] = 1
    kind: ClassVar[Kind] = "ev"


class TaskSubmitted(Event, frozen=True, omit_defaults=True):
    """A task for the participant, appended by a client or another participant. Without it there is no task.

    Either `message` or the shorthand `text` holds the request. `reply_to` and `call` are set by a participant that waits
    for the outcome.
    """

    type = "task.submitted"
    kind = "in"

    message: Message | None = None
    text: str = ""
    sender: str = "client"
    limits: Limits | None = None
    output_schema: dict[str, Any] | None = None
    reply_to: ThreadRef | None = None
    call: str = ""
    metadata: dict[str, Any] = {}

    @property
    def prompt(self) -> Message:
        """The request as a message."""
        return self.message if self.message is not None else user(self.text)


class TaskInput(Event, frozen=True, omit_defaults=True):
    """An answer to `input.required`, by a person or the caller. Absent: the task still waits."""

    type = "task.input"
    kind = "in"

    request: str
    message: Message


class TaskCancel(Event, frozen=True, omit_defaults=True):
    """Someone wants the task to end. Absent: nobody asked. A task that ended before is not changed by it."""

    type = "task.cancel"
    kind = "stop"

    reason: str = ""


class TaskOutcome(Event, frozen=True, omit_defaults=True):
    """A child task's end, sent to the thread that delegated it. Absent: the child has not ended."""

    type = "task.outcome"
    kind = "in"

    child: ThreadRef
    state: Literal["completed", "failed", "canceled", "rejected"]
    message: Message | None = None
    reason: str = ""
    usage: Usage = Usage()


class TimerFired(Event, frozen=True, omit_defaults=True):
    """A timer the thread had armed fired. Absent: it has not, or the store still holds it."""

    type = "timer.fired"
    kind = "in"

    timer: str


class TaskStarted(Event, frozen=True, omit_defaults=True):
    """A process took the task on; again, with the next attempt, when another takes it over. Absent: still queued.

    `limits` are the ones in force for the task and `definition` the hash of the participant's definition, so that the log
    folds without the user's code.
    """

    type = "task.started"

    owner: str
    definition: str = ""
    limits: Limits = Limits()


class ModelRequested(Event, frozen=True, omit_defaults=True):
    """Intent to call the model, written before the call. Followed by `model.completed`, `model.failed`, or a next attempt.

    The request itself is derived: the conversation up to `position` (the thread's `seq` before this entry) whose running
    sha256 is `digest`, and `settings`. `note` is text the runtime adds to the conversation for this call.
    """

    type = "model.requested"

    model: str
    position: int
    digest: str
    settings: dict[str, Any] = {}
    note: str = ""


class ModelCompleted(Event, frozen=True, omit_defaults=True):
    """A whole turn of the model, with its terminal mark. Absent after `model.requested`: the call is open and is made again."""

    type = "model.completed"

    message: Message
    usage: Usage
    stop_reason: Literal["stop", "tool_calls", "length", "refused"]
    response_id: str = ""
    elapsed_ms: int = 0


class ModelFailed(Event, frozen=True, omit_defaults=True):
    """The call failed. `retry_in` seconds later the next attempt is requested; None: the task fails with `code`."""

    type = "model.failed"

    code: str
    message: str
    retry_in: float | None = None
    elapsed_ms: int = 0


class ToolStarted(Event, frozen=True, omit_defaults=True):
    """Intent to run a tool, written before it runs. Absent: it has not run, and will be.

    `recovery` says what a next process does if no result follows: read_only and idempotent run again under the same key,
    at_most_once becomes `tool.unknown`.
    """

    type = "tool.started"

    call: str
    name: str
    recovery: RecoveryClass


class ToolCompleted(Event, frozen=True, omit_defaults=True):
    """The tool's result, as the model is told it. Absent after `tool.started`: see there."""

    type = "tool.completed"

    call: str
    content: str
    elapsed_ms: int = 0


class ToolFailed(Event, frozen=True, omit_defaults=True):
    """The tool ended without a result: it raised, timed out, got bad arguments, was canceled, or does not exist (`code`)."""

    type = "tool.failed"

    call: str
    code: Literal["error", "timeout", "invalid_arguments", "unknown_tool", "canceled", "result_invalid"]
    message: str
    elapsed_ms: int = 0


class ToolUnknown(Event, frozen=True, omit_defaults=True):
    """A tool that must not run twice was started and its outcome was never recorded. It may have taken effect."""

    type = "tool.unknown"

    call: str
    reason: str


class TaskDelegated(Event, frozen=True, omit_defaults=True):
    """Intent to give a task to another participant; its `task.submitted` follows under an id derived from this."""

    type = "task.delegated"

    call: str
    target: ThreadRef
    message: Message


class InputRequired(Event, frozen=True, omit_defaults=True):
    """The task waits for an answer; nothing runs or is held meanwhile. Absent: nothing was asked."""

    type = "input.required"

    request: str
    message: Message
    answer_schema: dict[str, Any] | None = None


class HandoffMade(Event, frozen=True, omit_defaults=True):
    """A swarm member handed over to another."""

    type = "handoff.made"

    source: str
    target: str
    message: str = ""
    context: dict[str, Any] = {}


class EdgesChosen(Event, frozen=True, omit_defaults=True):
    """Which edges out of a finished node are taken. The conditions ran user code: they are recorded, never run again."""

    type = "edges.chosen"

    node: str
    taken: tuple[str, ...] = ()


class NodeStarted(Event, frozen=True, omit_defaults=True):
    """Intent to run a node of a graph."""

    type = "node.started"

    node: str
    run: int
    target: ThreadRef


class NodeCompleted(Event, frozen=True, omit_defaults=True):
    """A node's outcome. Absent after `node.started`: it still runs."""

    type = "node.completed"

    node: str
    run: int
    state: Literal["completed", "failed", "canceled"]
    message: Message | None = None


class ContextCompacted(Event, frozen=True, omit_defaults=True):
    """The conversation before `position` is shown to the model as `summary` from here on; the log keeps it whole."""

    type = "context.compacted"

    position: int
    summary: str


class StateSet(Event, frozen=True, omit_defaults=True):
    """A tool or function set (`value`) or deleted (`deleted`) a key of the agent's or the session's state."""

    type = "state.set"

    key: str
    value: Any = None
    scope: StateScope = "agent"
    deleted: bool = False


class TaskCompleted(Event, frozen=True, omit_defaults=True):
    """The task's answer. One of `task.completed`, `task.failed`, `task.canceled` ends each task, once."""

    type = "task.completed"

    message: Message
    usage: Usage = Usage()
    output: Any = None
    artifacts: tuple[Artifact, ...] = ()


class TaskFailed(Event, frozen=True, omit_defaults=True):
    """The task ended without an answer: `reason` is a stable word, `message` says what happened and what to do."""

    type = "task.failed"

    reason: str
    message: str
    usage: Usage = Usage()


class TaskCanceled(Event, frozen=True, omit_defaults=True):
    """The task was canceled. Every call that was open is answered in the same entry."""

    type = "task.canceled"

    reason: str = ""
    usage: Usage = Usage()


class ThreadForked(Event, frozen=True, omit_defaults=True):
    """First entry of a fork: the thread begins as the other's prefix."""

    type = "thread.forked"

    source: ThreadRef
    position: int
    head: str


class ThreadArchived(Event, frozen=True, omit_defaults=True):
    """Entries up to `position` were read back from the archive and may be purged."""

    type = "thread.archived"

    position: int
    head: str
    segments: tuple[str, ...] = ()


class ThreadErased(Event, frozen=True, omit_defaults=True):
    """The thread's content was erased; only this tombstone remains."""

    type = "thread.erased"

    reason: str = ""


EVENT_TYPES: tuple[type[Event], ...] = (
    TaskSubmitted, TaskInput, TaskCancel, TaskOutcome, TimerFired,
    TaskStarted, ModelRequested, ModelCompleted, ModelFailed,
    ToolStarted, ToolCompleted, ToolFailed, ToolUnknown,
    TaskDelegated, InputRequired, HandoffMade, EdgesChosen, NodeStarted, NodeCompleted,
    ContextCompacted, StateSet, TaskCompleted, TaskFailed, TaskCanceled,
    ThreadForked, ThreadArchived, ThreadErased,
)  # fmt: skip

TERMINAL: tuple[type[Event], ...] = (TaskCompleted, TaskFailed, TaskCanceled)


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event with its place: whose task, which turn of it (0: none), which attempt."""

    event: Event
    task: str = ""
    turn: int = 0
    attempt: int = 0
