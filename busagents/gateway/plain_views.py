"""A2A's objects as plain HTTP shows them. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from msgspec import UNSET

from busagents.gateway import plain_types as p
from busagents.gateway.live_answer import ANSWER
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


def plain_part(part: Part) -> p.PlainPart:
    """One of the four."""
    return p.PlainPart(
        text=UNSET if part.text is None else part.text,
        data=part.data if part.has_data else UNSET,
        base64=UNSET if part.raw is None else part.raw,
        url=UNSET if part.url is None else part.url,
        media_type=part.media_type or UNSET,
        filename=part.filename or UNSET,
    )


def plain_message(message: Message) -> p.PlainMessage:
    """Something said."""
    return p.PlainMessage(message.message_id, message.role, [plain_part(part) for part in message.parts])


def plain_artifact(artifact: Artifact) -> p.PlainArtifact:
    """A result."""
    parts = [plain_part(part) for part in artifact.parts]
    return p.PlainArtifact(artifact.artifact_id, artifact.name, artifact.description, parts)


def plain_task(task: Task, *, messages: bool = False) -> p.PlainTask:
    """A task. `messages`: with what was said in it."""
    ours = (task.metadata or {}).get(OURS, {})
    status = task.status
    artifacts = task.artifacts or ()
    answer = next((item for item in artifacts if item.artifact_id == ANSWER), None)
    return p.PlainTask(
        id=task.id,
        session=task.context_id,
        agent=ours.get("participant", "") or task.id.partition(".")[0],
        state=status.state,
        ended=status.state in TERMINAL,
        updated_at=status.timestamp,
        answer=p.Answer(*_said(answer.parts)) if answer is not None else None,
        question=_question(status.state, status.message),
        error=_error(status.state, status.message),
        artifacts=[plain_artifact(item) for item in artifacts if item is not answer],
        usage=ours.get("usage"),
        messages=[plain_message(item) for item in task.history or ()] if messages else UNSET,
    )


def plain_page(page: TaskPage) -> p.PlainPage:
    """A page."""
    return p.PlainPage([plain_task(task) for task in page.tasks], page.next_page_token or None, page.total_size)


def plain_agents(exposed: Iterable[Exposed]) -> p.Agents:
    """Who can be called."""
    return p.Agents(
        [
            p.PlainAgent(item.name, item.description, item.kind, item.version, list(itertools.starmap(p.Skill, item.skills)))
            for item in exposed
        ]
    )


def plain_event(update: Update) -> p.Event:
    """One event of a stream."""
    match update:
        case Task():
            return p.TaskEvent(plain_task(update))
        case ArtifactUpdate(task_id, context_id, artifact, append, last):
            return p.ArtifactEvent(task_id, context_id, plain_artifact(artifact), append, last)
        case StatusUpdate(task_id, context_id, status):
            state, said = status.state, status.message
            return p.StatusEvent(
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
            return p.MessageEvent(plain_message(update))


def _said(parts: Iterable[Part]) -> tuple[str, Any, list[p.PlainPart]]:
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


def _question(state: TaskState, said: Message | None) -> p.Question | None:
    if state not in ("input-required", "auth-required"):
        return None
    ours = _ours(said)
    text, data, _ = _said(said.parts if said is not None else ())
    return p.Question(str(ours.get("request", "")), text, str(ours.get("purpose", "")), data, ours.get("answerSchema"))


def _error(state: TaskState, said: Message | None) -> p.TaskError | None:
    if state not in ("failed", "rejected", "canceled"):
        return None
    return p.TaskError(str(_ours(said).get("reason", state)), _said(said.parts if said is not None else ())[0])


def _ours(said: Message | None) -> dict[str, Any]:
    found = ((said.metadata if said is not None else None) or {}).get(OURS)
    return found if isinstance(found, dict) else {}
