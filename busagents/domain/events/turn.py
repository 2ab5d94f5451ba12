"""An agent's turns: model calls, tool calls, and the decisions about them."""

from __future__ import annotations

from typing import Any, Literal

from busagents.domain.events.base import Event, RecoveryClass
from busagents.domain.messages import Message, Usage


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
    """The tool's result, as the model is told it. Absent after `tool.started`: see there.

    `ends_task`: the result is the task's answer; the model is not asked again.
    """

    type = "tool.completed"

    call: str
    content: str
    elapsed_ms: int = 0
    ends_task: bool = False


class ToolFailed(Event, frozen=True, omit_defaults=True):
    """The tool ended without a result: it raised, timed out, got bad arguments, was canceled, does not exist, a person rejected the
    call, a hook vetoed it, or the participant that was called failed or could not be handed over to (`code`).
    """

    type = "tool.failed"

    call: str
    code: Literal[
        "error",
        "timeout",
        "invalid_arguments",
        "unknown_tool",
        "canceled",
        "result_invalid",
        "rejected",
        "vetoed",
        "handoff",
        "depth",
    ]
    message: str
    elapsed_ms: int = 0


class ToolUnknown(Event, frozen=True, omit_defaults=True):
    """A tool that must not run twice was started and its outcome was never recorded. It may have taken effect."""

    type = "tool.unknown"

    call: str
    reason: str


class ToolSuspended(Event, frozen=True, omit_defaults=True):
    """The tool (`call` empty: the function participant) stopped where it asks somebody or calls a participant; it starts again
    from its beginning once all it waits for is there. Absent: it runs to its end.
    """

    type = "tool.suspended"

    call: str = ""


class ApprovalDecided(Event, frozen=True, omit_defaults=True):
    """Whether a person must approve this call. The condition ran user code: it is recorded, never run again."""

    type = "approval.decided"

    call: str
    required: bool


class HookDecided(Event, frozen=True, omit_defaults=True):
    """A hook changed what happens: `point` is where (before_task, before_model, after_tool …), `action` what it did. What it
    changed is in `data`. With `pass` the hooks of a task have run and left it as it is. Absent: the hooks, if there are any, let it pass.
    """

    type = "hook.decided"

    point: str
    hook: str
    action: Literal["edit", "veto", "end", "pass"]
    call: str = ""
    reason: str = ""
    message: Message | None = None
    data: Any = None


class ContextCompacted(Event, frozen=True, omit_defaults=True):
    """The conversation before `position` is shown to the model as `summary` from here on; the log keeps it whole."""

    type = "context.compacted"

    position: int
    summary: str
