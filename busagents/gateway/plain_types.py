"""Plain HTTP's objects: a task and what it says, in snake_case JSON for people who have no A2A client. Made from A2A's; pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from busagents.gateway.projection import OURS
from busagents.gateway.types import (
    TERMINAL,
    Artifact,
    ArtifactUpdate,
    Exposed,
    Message,
    Part,
    StatusUpdate,
    Task,
    TaskPage,
    TaskState,
    Update,
)

ANSWER = "answer"  # the id of the artifact that is the task's answer

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


def plain_part(part: Part) -> PlainPart:
    """One of the four."""
    return PlainPart(
        text=UNSET if part.text is None else part.text,
        data=part.data if part.has_data else UNSET,
        base64=UNSET if part.raw is None else part.raw,
        url=UNSET if part.url is None else part.url,
        media_type=part.media_type or UNSET,
        filename=part.filename or UNSET,
    )


def plain_message(message: Message) -> PlainMessage:
    """Something said."""
    return PlainMessage(message.message_id, message.role, [plain_part(part) for part in message.parts])


def plain_artifact(artifact: Artifact) -> PlainArtifact:
    """A result."""
    parts = [plain_part(part) for part in artifact.parts]
    return PlainArtifact(artifact.artifact_id, artifact.name, artifact.description, parts)


def plain_task(task: Task, *, messages: bool = False) -> PlainTask:
    """A task. `messages`: with what was said in it."""
    ours = (task.metadata or {}).get(OURS, {})
    status = task.status
    artifacts = task.artifacts or ()
    answer = next((item for item in artifacts if item.artifact_id == ANSWER), None)
    return PlainTask(
        id=task.id,
        session=task.context_id,
        agent=ours.get("participant", "") or task.id.partition(".")[0],
        state=status.state,
        ended=status.state in TERMINAL,
        updated_at=status.timestamp,
        answer=Answer(*_said(answer.parts)) if answer is not None else None,
        question=_question(status.state, status.message),
        error=_error(status.state, status.message),
        artifacts=[plain_artifact(item) for item in artifacts if item is not answer],
        usage=ours.get("usage"),
        messages=[plain_message(item) for item in task.history or ()] if messages else UNSET,
    )


def plain_page(page: TaskPage) -> PlainPage:
    """A page."""
    return PlainPage([plain_task(task) for task in page.tasks], page.next_page_token or None, page.total_size)


def plain_agents(exposed: Iterable[Exposed]) -> Agents:
    """Who can be called."""
    return Agents(
        [
            PlainAgent(item.name, item.description, item.kind, item.version, list(itertools.starmap(Skill, item.skills)))
            for item in exposed
        ]
    )


def plain_event(update: Update) -> Event:
    """One event of a stream."""
    match update:
        case Task():
            return TaskEvent(plain_task(update))
        case ArtifactUpdate(task_id, context_id, artifact, append, last):
            return ArtifactEvent(task_id, context_id, plain_artifact(artifact), append, last)
        case StatusUpdate(task_id, context_id, status):
            state, said = status.state, status.message
            return StatusEvent(
                task_id=task_id,
                session=context_id,
                state=state,
                ended=state in TERMINAL,
                updated_at=status.timestamp,
                message=plain_message(said) if said is not None else None,
                question=_question(state, said),
                error=_error(state, said),
            )
        case _:
            return MessageEvent(plain_message(update))


def _said(parts: Iterable[Part]) -> tuple[str, Any, list[PlainPart]]:
    """The text, the last data and the files of parts."""
    text, data, files = [], None, []
    for part in parts:
        if part.text is not None:
            text.append(part.text)
        elif part.has_data:
            data = part.data
        else:
            files.append(plain_part(part))
    return "".join(text), data, files


def _question(state: TaskState, said: Message | None) -> Question | None:
    if state not in ("input-required", "auth-required"):
        return None
    ours = _ours(said)
    text, data, _ = _said(said.parts if said is not None else ())
    return Question(str(ours.get("request", "")), text, str(ours.get("purpose", "")), data, ours.get("answerSchema"))


def _error(state: TaskState, said: Message | None) -> TaskError | None:
    if state not in ("failed", "rejected", "canceled"):
        return None
    return TaskError(str(_ours(said).get("reason", state)), _said(said.parts if said is not None else ())[0])


def _ours(said: Message | None) -> dict[str, Any]:
    found = ((said.metadata if said is not None else None) or {}).get(OURS)
    return found if isinstance(found, dict) else {}
