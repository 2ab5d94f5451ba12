"""A task's life, and how it waits for others and for people."""

from __future__ import annotations

from typing import Any, Literal

from busagents.domain.events.base import Event, StateScope
from busagents.domain.events.incoming import Handoff, Member
from busagents.domain.limits import Limits
from busagents.domain.messages import Artifact, Message, Usage
from busagents.domain.subjects import ThreadRef


class TaskStarted(Event, frozen=True, omit_defaults=True):
    """A process took the task on; again, with the next attempt, when another takes it over. Absent: still queued.

    `limits` are the ones in force for the task and `definition` the hash of the participant's definition, so that the log
    folds without the user's code. `coordinator` says that a swarm or a graph works on it; `timeout` seconds later, by the bus's clock,
    such a task is given up.
    """

    type = "task.started"

    owner: str
    definition: str = ""
    limits: Limits = Limits()
    coordinator: Literal["", "swarm", "graph"] = ""
    timeout: float | None = None


class TaskDelegated(Event, frozen=True, omit_defaults=True):
    """Intent to give a task to another participant; its `task.submitted` follows under an id derived from this.

    `call` is what it is for: a tool call of the turn, a node's run, a member's stint. `child` is the new task's id. With
    `ends_task` the child's answer ends this task as it is.
    """

    type = "task.delegated"

    call: str
    target: ThreadRef
    message: Message
    child: str = ""
    limits: Limits | None = None
    output_schema: dict[str, Any] | None = None
    handoffs: tuple[Member, ...] = ()
    ends_task: bool = False


class TaskUndeliverable(Event, frozen=True, omit_defaults=True):
    """A delegated task could not be given to anybody: no participant of that name was ever on the bus. It counts as failed."""

    type = "task.undeliverable"

    call: str
    reason: str


class InputRequired(Event, frozen=True, omit_defaults=True):
    """The task waits for an answer; nothing runs or is held meanwhile. Absent: nothing was asked.

    `call` is the tool call that asks, or the child's call if a child does (`child` is then its thread and `child_task` its
    task); `asker` the participant who asks. `purpose` "approval": the answer says whether the call may run. After
    `expires_in` seconds without an answer `default` is the answer.
    """

    type = "input.required"

    request: str
    message: Message
    answer_schema: dict[str, Any] | None = None
    call: str = ""
    purpose: Literal["question", "approval", "authorization"] = "question"
    asker: str = ""
    child: ThreadRef | None = None
    child_task: str = ""
    expires_in: float | None = None
    default: Any = None


class InputAnswered(Event, frozen=True, omit_defaults=True):
    """A question has its answer. `answer` is the id of the `in` entry that won; empty: the deadline passed, or it was closed."""

    type = "input.answered"

    request: str
    answer: str = ""


class InputRefused(Event, frozen=True, omit_defaults=True):
    """An answer that does not count: too late, to no question, or not of the form asked for. `answer` is its entry's id."""

    type = "input.refused"

    request: str
    answer: str
    reason: str


class StateSet(Event, frozen=True, omit_defaults=True):
    """A tool or function set (`value`) or deleted (`deleted`) a key of the agent's or the session's state."""

    type = "state.set"

    key: str
    value: Any = None
    scope: StateScope = "agent"
    deleted: bool = False


class TaskCompleted(Event, frozen=True, omit_defaults=True):
    """The task's answer. One of `task.completed`, `task.failed`, `task.canceled` ends each task, once.

    `handoff`: instead of an answer, somebody else shall go on. `elapsed_ms` is the working time, as far as no other event tells.
    """

    type = "task.completed"

    message: Message
    usage: Usage = Usage()
    output: Any = None
    artifacts: tuple[Artifact, ...] = ()
    handoff: Handoff | None = None
    elapsed_ms: int = 0


class TaskFailed(Event, frozen=True, omit_defaults=True):
    """The task ended without an answer: `reason` is a stable word, `message` says what happened and what to do."""

    type = "task.failed"

    reason: str
    message: str
    usage: Usage = Usage()
    elapsed_ms: int = 0


class TaskCanceled(Event, frozen=True, omit_defaults=True):
    """The task was canceled. Every call that was open is answered in the same entry."""

    type = "task.canceled"

    reason: str = ""
    usage: Usage = Usage()
