"""A2A 1.0 on the wire, outwards: our objects as ProtoJSON (specification 1.0.1, sections 4 and 5.5). Pure.

Empty fields are left out; an object's type is told by the member that holds it; enums go by their full names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from busagents.gateway.calls import Call, Reader, Result, Send
from busagents.gateway.errors import A2AError, InvalidParams
from busagents.gateway.types import (
    Artifact,
    ArtifactUpdate,
    Message,
    Part,
    PushConfig,
    Status,
    StatusUpdate,
    Task,
    TaskPage,
    Update,
)
from busagents.gateway.wire_v1_read import METHODS, ROLES, STATES, find_path

JSON = dict[str, Any]

ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
DOMAIN = "a2a-protocol.org"


def part_json(part: Part) -> JSON:
    """One of text, raw, url and data."""
    out: JSON
    if part.text is not None:
        out = {"text": part.text}
    elif part.raw is not None:
        out = {"raw": part.raw}
    elif part.url is not None:
        out = {"url": part.url}
    else:
        out = {"data": part.data}
    if part.media_type:
        out["mediaType"] = part.media_type
    if part.filename:
        out["filename"] = part.filename
    if part.metadata:
        out["metadata"] = part.metadata
    return out


def message_json(message: Message) -> JSON:
    """Something said."""
    out: JSON = {
        "messageId": message.message_id,
        "role": ROLES[message.role],
        "parts": [part_json(part) for part in message.parts],
    }
    if message.context_id:
        out["contextId"] = message.context_id
    if message.task_id:
        out["taskId"] = message.task_id
    if message.reference_task_ids:
        out["referenceTaskIds"] = message.reference_task_ids
    if message.extensions:
        out["extensions"] = message.extensions
    if message.metadata:
        out["metadata"] = message.metadata
    return out


def artifact_json(artifact: Artifact) -> JSON:
    """A result."""
    out: JSON = {"artifactId": artifact.artifact_id, "parts": [part_json(part) for part in artifact.parts]}
    if artifact.name:
        out["name"] = artifact.name
    if artifact.description:
        out["description"] = artifact.description
    if artifact.extensions:
        out["extensions"] = artifact.extensions
    if artifact.metadata:
        out["metadata"] = artifact.metadata
    return out


def status_json(status: Status) -> JSON:
    """Where a task is."""
    out: JSON = {"state": STATES[status.state]}
    if status.message is not None:
        out["message"] = message_json(status.message)
    if status.timestamp:
        out["timestamp"] = status.timestamp
    return out


def task_json(task: Task) -> JSON:
    """A task; artifacts and history that are None are left out."""
    out: JSON = {"id": task.id, "contextId": task.context_id, "status": status_json(task.status)}
    if task.artifacts is not None:
        out["artifacts"] = [artifact_json(artifact) for artifact in task.artifacts]
    if task.history is not None:
        out["history"] = [message_json(message) for message in task.history]
    if task.metadata:
        out["metadata"] = task.metadata
    return out


def status_update_json(update: StatusUpdate) -> JSON:
    """A change of state."""
    out: JSON = {"taskId": update.task_id, "contextId": update.context_id, "status": status_json(update.status)}
    if update.metadata:
        out["metadata"] = update.metadata
    return out


def artifact_update_json(update: ArtifactUpdate) -> JSON:
    """A piece of a result."""
    out: JSON = {"taskId": update.task_id, "contextId": update.context_id, "artifact": artifact_json(update.artifact)}
    if update.append:
        out["append"] = True
    if update.last_chunk:
        out["lastChunk"] = True
    if update.metadata:
        out["metadata"] = update.metadata
    return out


def stream_response(update: Update) -> JSON:
    """A StreamResponse; push notifications have the same."""
    if isinstance(update, ArtifactUpdate):
        return {"artifactUpdate": artifact_update_json(update)}
    if isinstance(update, StatusUpdate):
        return {"statusUpdate": status_update_json(update)}
    if isinstance(update, Task):
        return {"task": task_json(update)}
    return {"message": message_json(update)}


def push_json(config: PushConfig) -> JSON:
    """A push configuration, without its secrets: they are never shown."""
    out: JSON = {"id": config.id, "taskId": config.task_id, "url": config.url}
    if config.scheme:
        out["authentication"] = {"scheme": config.scheme}
    return out


def page_json(page: TaskPage) -> JSON:
    """All four are always there."""
    return {
        "tasks": [task_json(task) for task in page.tasks],
        "nextPageToken": page.next_page_token,
        "pageSize": page.page_size,
        "totalSize": page.total_size,
    }


def error_details(error: A2AError) -> list[JSON]:
    """`error.data` in JSON-RPC, `error.details` in HTTP+JSON: first the reason, by which clients tell errors, then wrong fields."""
    reason = "INVALID_PARAMS" if isinstance(error, InvalidParams) else error.reason or "INTERNAL_ERROR"
    info = {"@type": ERROR_INFO, "reason": reason, "domain": DOMAIN, "metadata": {}}
    if isinstance(error, InvalidParams) and error.violations:
        violations = [{"field": path, "description": why} for path, why in error.violations]
        return [info, {"@type": BAD_REQUEST, "fieldViolations": violations}]
    return [info]


class WireV1:
    """Both bindings of 1.0."""

    methods: Mapping[str, Reader] = METHODS

    def find(self, segments: tuple[str, ...]) -> Mapping[str, Reader] | None:
        """The readers of an HTTP+JSON path."""
        return find_path(segments)

    def item(self, update: Update) -> JSON:
        """One item of a stream."""
        return stream_response(update)

    def result(self, call: Call, result: Result) -> Any:
        """What a call gives; `{}` where the operation gives nothing."""
        if isinstance(result, Task):
            return {"task": task_json(result)} if isinstance(call, Send) else task_json(result)
        if isinstance(result, Message):
            return {"message": message_json(result)}
        if isinstance(result, TaskPage):
            return page_json(result)
        if isinstance(result, PushConfig):
            return push_json(result)
        if isinstance(result, Sequence) and not isinstance(result, bytes):
            return {"configs": [push_json(config) for config in result], "nextPageToken": ""}
        return {}
