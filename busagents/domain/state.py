"""What a thread's log folds to. Immutable; built only by `busagents.domain.fold`."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from busagents.domain.chain import Chain, Ledger
from busagents.domain.events import RecoveryClass, TaskSubmitted
from busagents.domain.limits import Limits
from busagents.domain.messages import Artifact, Message, ToolCallPart, Usage

CallStatus = Literal["requested", "started", "done"]
TaskState = Literal["submitted", "working", "input-required", "completed", "failed", "canceled"]


class Call(msgspec.Struct, frozen=True, gc=False):
    """One tool call of the current turn, or one step of a function."""

    part: ToolCallPart
    status: CallStatus = "requested"
    attempt: int = 0
    recovery: RecoveryClass = "at_most_once"
    content: str = ""
    is_error: bool = False
    unknown: bool = False


class ModelCall(msgspec.Struct, frozen=True, gc=False):
    """The current turn's model call while it has no answer. `retry_in` (seconds) is set between a failure and the next attempt."""

    attempt: int
    failures: int = 0
    retry_in: float | None = None
    failed_code: str = ""
    failed_message: str = ""


class Outcome(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """How a task ended."""

    state: Literal["completed", "failed", "canceled"]
    message: Message | None = None
    reason: str = ""
    text: str = ""
    usage: Usage = Usage()
    output: Any = None
    artifacts: tuple[Artifact, ...] = ()


class Task(msgspec.Struct, frozen=True, gc=False):
    """A task that has not ended."""

    id: str
    submitted: TaskSubmitted
    attempt: int = 0
    owner: str = ""
    limits: Limits = Limits()
    turn: int = 0
    model: ModelCall | None = None
    calls: tuple[Call, ...] = ()
    answer: Message | None = None  # the current turn's message, once the model gave it
    stop_reason: str = ""
    notes: int = 0  # corrections asked for in a row
    usage: Usage = Usage()
    elapsed_ms: int = 0
    cancel: str | None = None
    stalls: int = 0  # processes in a row that took it over and recorded nothing further

    @property
    def started(self) -> bool:
        """A process has taken it on."""
        return self.attempt > 0


class ThreadState(msgspec.Struct, frozen=True, gc=False):
    """A thread: its conversation, the task at work, the tasks queued behind it, and how the others ended.

    `seq` counts the thread's `ev` entries and `head` is the sha256 of the last one. `digest` runs over `messages`.
    `seen` has the id of each consumed `in` or `stop` entry.
    """

    seq: int = 0
    head: str = ""
    digest: str = ""
    messages: Chain[Message] = msgspec.field(default_factory=Chain)
    seen: Ledger[str, str] = msgspec.field(default_factory=Ledger)
    active: Task | None = None
    queue: tuple[Task, ...] = ()
    finished: Ledger[str, Outcome] = msgspec.field(default_factory=Ledger)
    values: dict[str, Any] = {}
    session_values: dict[str, Any] = {}

    @property
    def idle(self) -> bool:
        """Nothing is at work or queued."""
        return self.active is None and not self.queue

    def task_state(self, task: str) -> TaskState | None:
        """A2A's word for where a task is, or None if the thread does not know it."""
        outcome = self.finished.get(task)
        if outcome is not None:
            return outcome.state
        if self.active is not None and self.active.id == task:
            return "working" if self.active.started else "submitted"
        return "submitted" if any(queued.id == task for queued in self.queue) else None
