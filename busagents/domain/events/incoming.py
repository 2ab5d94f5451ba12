"""What others write into a thread: tasks, answers, cancels, the ends and questions of its children, timers."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from busagents.domain.events.base import Event
from busagents.domain.limits import Limits
from busagents.domain.messages import Artifact, Message, Usage, user
from busagents.domain.subjects import ThreadRef


class Member(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Somebody the task may be handed over to."""

    name: str
    description: str = ""


class Handoff(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Who shall go on, what they are told, and facts for all (JSON values by name)."""

    target: str
    message: str = ""
    context: dict[str, Any] = {}


class TaskSubmitted(Event, frozen=True, omit_defaults=True):
    """A task for the participant, appended by a client or another participant. Without it there is no task.

    Either `message` or the shorthand `text` holds the request. `reply_to`, `parent` (its task) and `call` are set by a
    participant that waits for the outcome; `chain` names the participants above, the root first. `handoffs` are those to
    whom the task may be handed over instead of being answered.
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
    parent: str = ""
    chain: tuple[str, ...] = ()
    handoffs: tuple[Member, ...] = ()

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
    """A child task's end, sent to the thread that delegated it. Absent: the child has not ended.

    `call` is what the child was asked under; `elapsed_ms` how long it worked; `handoff` whom it handed over to, if it did.
    """

    type = "task.outcome"
    kind = "in"

    child: ThreadRef
    state: Literal["completed", "failed", "canceled", "rejected"]
    message: Message | None = None
    reason: str = ""
    usage: Usage = Usage()
    call: str = ""
    output: Any = None
    artifacts: tuple[Artifact, ...] = ()
    elapsed_ms: int = 0
    handoff: Handoff | None = None


class TaskQuestion(Event, frozen=True, omit_defaults=True):
    """A child task waits for an answer, sent up to the thread that delegated it. Absent: it asks nothing.

    `request` names the question all the way up; `asker` is the participant who asks; `call` is the child's.
    """

    type = "task.question"
    kind = "in"

    child: ThreadRef
    child_task: str
    call: str
    request: str
    message: Message
    asker: str = ""
    purpose: Literal["question", "approval", "authorization"] = "question"
    answer_schema: dict[str, Any] | None = None


class QuestionClosed(Event, frozen=True, omit_defaults=True):
    """A child's question needs no answer any more: its deadline passed, or it was answered further down. Absent: it stands."""

    type = "task.question_closed"
    kind = "in"

    call: str
    request: str


class TimerFired(Event, frozen=True, omit_defaults=True):
    """A timer the thread had armed fired. Absent: it has not, or the store still holds it."""

    type = "timer.fired"
    kind = "in"

    timer: str
