"""What a thread's log folds to. Immutable; built only by `busagents.domain.fold`."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from busagents.domain.chain import Chain, Ledger
from busagents.domain.events import Handoff, InputRequired, RecoveryClass, TaskDelegated, TaskOutcome, TaskSubmitted
from busagents.domain.graph_run import GraphRun
from busagents.domain.limits import Limits
from busagents.domain.messages import Artifact, Message, ToolCallPart, Usage
from busagents.domain.subjects import ThreadRef
from busagents.domain.swarm_run import SwarmRun

CallStatus = Literal["requested", "started", "suspended", "delegated", "done"]
TaskState = Literal["submitted", "working", "input-required", "completed", "failed", "canceled"]


class Call(msgspec.Struct, frozen=True, gc=False):
    """One tool call of the current turn, or one step of a function.

    `approval` is whether a person must approve it: None until that was asked for or decided. With `ends_task` its content is
    the task's answer. Of a call that is given to a participant: `hooked`, the hooks before it have decided; `edited`, its arguments
    are theirs.
    """

    part: ToolCallPart
    status: CallStatus = "requested"
    attempt: int = 0
    recovery: RecoveryClass = "at_most_once"
    content: str = ""
    is_error: bool = False
    unknown: bool = False
    approval: bool | None = None
    ends_task: bool = False
    hooked: bool = False
    edited: bool = False


class Child(msgspec.Struct, frozen=True, gc=False):
    """A task given to another participant that counts for this one. `outcome` once it ended; `began_ms` is when it was given,
    in this task's working time; `seq` the entry that gave it.
    """

    delegated: TaskDelegated
    began_ms: int = 0
    seq: int = 0
    outcome: TaskOutcome | None = None

    @property
    def open(self) -> bool:
        """It has not ended."""
        return self.outcome is None


class Ask(msgspec.Struct, frozen=True, gc=False):
    """A question that was asked. `given` is the answer that came, `by` the entry that brought it; `answered` once that is
    recorded as the answer. `expired`: its deadline passed; `closed`: the child that asked needs no answer any more. `seq` is the entry that asked, then the one that answered.
    """

    required: InputRequired
    given: Message | None = None
    by: str = ""
    answered: bool = False
    expired: bool = False
    closed: bool = False
    seq: int = 0

    @property
    def open(self) -> bool:
        """It has no answer."""
        return not self.answered


class Orphan(msgspec.Struct, frozen=True, gc=False):
    """A child nobody waits for any more: it is told to end. `seq` is the entry that left it alone."""

    target: ThreadRef
    task: str
    reason: str
    seq: int


class Closing(msgspec.Struct, frozen=True, gc=False):
    """A question that was passed on to `asked` and needs no answer from there any more. `seq` is the entry that settled it."""

    asked: ThreadRef
    task: str
    call: str
    request: str
    seq: int


class LateAnswer(msgspec.Struct, frozen=True, gc=False):
    """An answer to no open question: its sender is to be told."""

    task: str
    request: str
    entry: str


class ModelCall(msgspec.Struct, frozen=True, gc=False):
    """The current turn's model call while it has no answer. `retry_in` (seconds) is set between a failure and the next attempt."""

    attempt: int
    failures: int = 0
    retry_in: float | None = None
    failed_code: str = ""
    failed_message: str = ""


class Outcome(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """How a task ended.

    `submitted` says who waits for it; `seq` is the entry that ended it; `run` is what a swarm or graph did.
    """

    state: Literal["completed", "failed", "canceled"]
    message: Message | None = None
    reason: str = ""
    text: str = ""
    usage: Usage = Usage()
    output: Any = None
    artifacts: tuple[Artifact, ...] = ()
    handoff: Handoff | None = None
    submitted: TaskSubmitted | None = None
    seq: int = 0
    elapsed_ms: int = 0
    run: SwarmRun | GraphRun | None = None


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
    suspended: bool = False  # a function that waits for others
    children: dict[str, Child] = {}  # by call; those whose end was taken in are gone
    asks: dict[str, Ask] = {}  # by request
    heard: tuple[InputRequired, ...] = ()  # questions of children that are not yet passed on
    timeout: float | None = None  # seconds a coordinator gave itself
    timeouts: dict[str, float] = {}  # seconds it gives to nodes, by their call
    expired: tuple[str, ...] = ()  # the calls of nodes whose time is up; "" is the task's own
    hooked: tuple[str, ...] = ()  # task hooks that have run
    run: SwarmRun | GraphRun | None = None

    @property
    def started(self) -> bool:
        """A process has taken it on."""
        return self.attempt > 0

    @property
    def asking(self) -> bool:
        """It waits for a person, here or further down."""
        return any(ask.open for ask in self.asks.values())


class ThreadState(msgspec.Struct, frozen=True, gc=False):
    """A thread: its conversation, the task at work, the tasks queued behind it, and how the others ended.

    `seq` counts the thread's `ev` entries and `head` is the sha256 of the last one. `digest` runs over `messages`.
    `ref` is which thread it is. `seen` has the id of each consumed `in` or `stop` entry, and the `seq` of the entry that consumed it.
    """

    ref: ThreadRef = ThreadRef("", "", "")
    seq: int = 0
    head: str = ""
    digest: str = ""
    messages: Chain[Message] = msgspec.field(default_factory=Chain)
    seen: Ledger[str, int] = msgspec.field(default_factory=Ledger)
    active: Task | None = None
    queue: tuple[Task, ...] = ()
    finished: Ledger[str, Outcome] = msgspec.field(default_factory=Ledger)
    values: dict[str, Any] = {}
    session_values: dict[str, Any] = {}
    canceled_ahead: dict[str, str] = {}  # tasks that were canceled before they arrived, with the reason
    late: tuple[LateAnswer, ...] = ()
    orphans: Chain[Orphan] = msgspec.field(default_factory=Chain)
    closings: Chain[Closing] = msgspec.field(default_factory=Chain)

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
            return "input-required" if self.active.asking else "working"
        return "submitted" if any(queued.id == task for queued in self.queue) else None
