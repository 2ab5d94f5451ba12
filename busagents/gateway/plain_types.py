"""Plain HTTP's objects: a task and what it says, in snake_case JSON for people who have no A2A client."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from busagents.gateway.types import TaskState

Seconds = Annotated[float, Meta(ge=0, le=3600, description="Seconds.")]
Wait = Annotated[
    bool | Seconds, Meta(description="Answer when the task has ended or asks: true, or after so many seconds at most.")
]
Text = Annotated[str, Meta(min_length=1, description="What is said.")]


class NewTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A task to be given. `text`, `data` or both."""

    agent: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$", description="Who does it: a name from `GET /v1/agents`.")]
    text: Text | UnsetType = UNSET
    data: Any | UnsetType = UNSET
    session: (
        Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$", description="The conversation it belongs to; a new one by default.")]
        | UnsetType
    ) = UNSET
    wait: Wait = False


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An answer to what a task asks. `text`, `data` or both."""

    text: Text | UnsetType = UNSET
    data: Any | UnsetType = UNSET
    question: Annotated[str, Meta(min_length=1, description="The id of the question; the oldest by default.")] | UnsetType = UNSET
    wait: Wait = False


class PlainPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of text, data, base64 (a file's bytes) and url (a file's place)."""

    text: str | UnsetType = UNSET
    data: Any | UnsetType = UNSET
    base64: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    media_type: str | UnsetType = UNSET
    filename: str | UnsetType = UNSET


class PlainMessage(msgspec.Struct, frozen=True):
    """Something said in a task."""

    id: str
    role: Literal["user", "agent"]
    parts: list[PlainPart]


class PlainArtifact(msgspec.Struct, frozen=True):
    """A result besides the answer."""

    id: str
    name: str
    description: str
    parts: list[PlainPart]


class Answer(msgspec.Struct, frozen=True):
    """What the task gave: its text, its data (null: none), and files."""

    text: str
    data: Any = None
    files: list[PlainPart] = []


class Question(msgspec.Struct, frozen=True):
    """What the task waits for. Answer it with `POST /v1/tasks/{id}/reply`. `answer_schema` is JSON Schema, if data is wanted."""

    id: str
    text: str
    purpose: str = ""
    data: Any = None
    answer_schema: dict[str, Any] | None = None


class TaskError(msgspec.Struct, frozen=True):
    """Why a task failed or was rejected or canceled. `reason` is a word for programs."""

    reason: str
    text: str


class PlainTask(msgspec.Struct, frozen=True):
    """A task. `answer` is there once it has completed, `question` while it waits for one, `error` when it ended otherwise."""

    id: str
    session: str
    agent: str
    state: TaskState
    ended: bool
    updated_at: str
    answer: Answer | None = None
    question: Question | None = None
    error: TaskError | None = None
    artifacts: list[PlainArtifact] = []
    usage: dict[str, Any] | None = None
    messages: list[PlainMessage] | UnsetType = UNSET


class PlainPage(msgspec.Struct, frozen=True):
    """A page of tasks, those that changed last first. `next_cursor` is null at the end; `total` counts all pages."""

    tasks: list[PlainTask]
    next_cursor: str | None
    total: int


class Skill(msgspec.Struct, frozen=True):
    """Something an agent can do."""

    name: str
    description: str


class PlainAgent(msgspec.Struct, frozen=True):
    """Somebody who takes tasks."""

    name: str
    description: str
    kind: str
    version: str
    skills: list[Skill]


class Agents(msgspec.Struct, frozen=True):
    """Everybody who takes tasks, by name."""

    agents: list[PlainAgent]


class TaskEvent(msgspec.Struct, frozen=True, tag_field="event", tag="task"):
    """The task as it is. The first event of a stream; what follows changes it."""

    task: PlainTask


class StatusEvent(msgspec.Struct, frozen=True, tag_field="event", tag="status"):
    """Its state changed, or it says something while it works."""

    task_id: str
    session: str
    state: TaskState
    ended: bool
    updated_at: str
    message: PlainMessage | None = None
    question: Question | None = None
    error: TaskError | None = None


class ArtifactEvent(msgspec.Struct, frozen=True, tag_field="event", tag="artifact"):
    """A piece of a result, the artifact `answer` included. `append`: it continues what came; else it replaces it."""

    task_id: str
    session: str
    artifact: PlainArtifact
    append: bool
    last: bool


class MessageEvent(msgspec.Struct, frozen=True, tag_field="event", tag="message"):
    """A bare message."""

    message: PlainMessage


class Wrong(msgspec.Struct, frozen=True):
    """A field and what is wrong with it."""

    field: str
    detail: str


class Problem(msgspec.Struct, frozen=True):
    """An error (RFC 9457). `code` is a word for programs."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[Wrong] = []


class RefusalBody(msgspec.Struct, frozen=True):
    """What a guard says."""

    code: int
    status: str
    message: str


class Refusal(msgspec.Struct, frozen=True):
    """A request that was turned away before it was looked at."""

    error: RefusalBody


Event = TaskEvent | StatusEvent | ArtifactEvent | MessageEvent
