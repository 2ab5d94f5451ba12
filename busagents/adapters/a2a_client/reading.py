"""From A2A's JSON to the port's types. One tolerant reader for 1.0, for 0.3 and for 0.3 over HTTP+JSON: camelCase and snake_case,
with `kind` or without, unknown fields ignored.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from busagents.domain.messages import DataPart, FilePart, Message, Part, TextPart
from busagents.ports.remote import (
    RemoteArtifact,
    RemoteChunk,
    RemoteInvalid,
    RemoteReply,
    RemoteState,
    RemoteStatus,
    RemoteTask,
    RemoteUpdate,
)

Json = dict[str, Any]

_STATES: dict[str, RemoteState] = {
    "submitted": "submitted",
    "working": "working",
    "input-required": "input-required",
    "auth-required": "auth-required",
    "completed": "completed",
    "failed": "failed",
    "canceled": "canceled",
    "cancelled": "canceled",
    "rejected": "rejected",
}
_NUMBERS: tuple[RemoteState, ...] = (
    "unknown", "submitted", "working", "completed", "failed", "canceled", "input-required", "rejected", "auth-required",
)  # fmt: skip
_HUMP = re.compile(r"(?<!^)(?=[A-Z])")


def field(value: Json, name: str, default: Any = None) -> Any:
    """A field by its camelCase name, however it is written."""
    found = value[name] if name in value else value.get(_snake(name))
    return default if found is None else found


@functools.cache
def _snake(name: str) -> str:
    return _HUMP.sub("_", name).lower()


def read_state(value: Any) -> RemoteState:
    """A state by its name of any version, or its number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _NUMBERS[value] if 0 <= value < len(_NUMBERS) else "unknown"
    word = str(value).removeprefix("TASK_STATE_").lower().replace("_", "-")
    return _STATES.get(word, "unknown")


def read_update(value: Any) -> RemoteUpdate:
    """An event of a stream, or the answer to a message.

    Raises:
        RemoteInvalid: it is none.
    """
    value = _object(value, "an update")
    match value.get("kind"):
        case "task":
            return read_task(value)
        case "message":
            return _reply(value)
        case "status-update":
            return _status(value)
        case "artifact-update":
            return _chunk(value)
    for name, read in (
        ("task", read_task),
        ("statusUpdate", _status),
        ("artifactUpdate", _chunk),
        ("message", _reply),
        ("msg", _reply),
    ):
        inner = field(value, name)
        if isinstance(inner, dict):
            return read(inner)
    if "id" in value and "status" in value:
        return read_task(value)
    raise RemoteInvalid(f"the remote agent sent something that is no task, message or update: it has {_names(value)}")


def read_task(value: Any) -> RemoteTask:
    """A task. Raises as read_update."""
    value = _object(value, "a task")
    if not isinstance(value.get("id"), str) or not value["id"]:
        raise RemoteInvalid("the remote agent sent a task without an id")
    state, message, mark = _read_status(field(value, "status", {}))
    artifacts = tuple(_artifact(item) for item in _array(field(value, "artifacts", [])))
    received = tuple(str(field(item, "messageId", "")) for item in _array(field(value, "history", [])) if isinstance(item, dict))
    return RemoteTask(value["id"], str(field(value, "contextId", "")), state, message, artifacts, mark, received)


def _status(value: Json) -> RemoteStatus:
    state, message, mark = _read_status(field(value, "status", {}))
    return RemoteStatus(str(field(value, "taskId", "")), str(field(value, "contextId", "")), state, message, mark)


def _read_status(value: Any) -> tuple[RemoteState, Message | None, str]:
    if not isinstance(value, dict):
        return "unknown", None, ""
    said = field(value, "message", field(value, "update"))
    message = _message(said) if isinstance(said, dict) else None
    marks = (str(value.get("timestamp") or ""), str(field(said, "messageId", "")) if isinstance(said, dict) else "")
    return read_state(value.get("state")), message, " ".join(filter(None, marks))


def _chunk(value: Json) -> RemoteChunk:
    artifact = _artifact(field(value, "artifact", {}))
    return RemoteChunk(
        str(field(value, "taskId", "")), str(field(value, "contextId", "")), artifact, bool(field(value, "append", False))
    )


def _reply(value: Json) -> RemoteReply:
    return RemoteReply(_message(value), str(field(value, "contextId", "")))


def _message(value: Json) -> Message:
    parts = field(value, "parts", field(value, "content", []))
    return Message("assistant", tuple(_part(item) for item in _array(parts)))


def _artifact(value: Any) -> RemoteArtifact:
    value = _object(value, "an artifact")
    return RemoteArtifact(
        str(field(value, "artifactId", "")),
        tuple(_part(item) for item in _array(field(value, "parts", []))),
        str(value.get("name") or ""),
        str(value.get("description") or ""),
    )


def _part(value: Any) -> Part:
    value = _object(value, "a part")
    file = value.get("file")
    if isinstance(file, dict):  # 0.3
        media = field(file, "mimeType", field(file, "mediaType", "application/octet-stream"))
        data = field(file, "bytes", field(file, "fileWithBytes"))
        uri = field(file, "uri", field(file, "fileWithUri"))
        return _file(str(media), str(file.get("name") or ""), data, uri)
    if isinstance(value.get("text"), str):
        return TextPart(value["text"])
    if "raw" in value or "url" in value:
        media = field(value, "mediaType", "application/octet-stream")
        return _file(str(media), str(field(value, "filename", "")), value.get("raw"), value.get("url"))
    if "data" in value:
        data = value["data"]
        of_rest_03 = isinstance(data, dict) and set(data) == {"data"} and isinstance(data["data"], dict) and "kind" not in value
        return DataPart(data["data"] if of_rest_03 else data)
    return TextPart("")


def _file(media: str, name: str, data: Any, uri: Any) -> FilePart:
    if isinstance(data, str):
        standard = data.replace("-", "+").replace("_", "/")
        return FilePart(media, name, standard + "=" * (-len(standard) % 4))
    return FilePart(media, name, uri=str(uri or ""))


def _object(value: Any, what: str) -> Json:
    if not isinstance(value, dict):
        raise RemoteInvalid(f"the remote agent sent {type(value).__name__} where {what} was due")
    return value


def _array(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _names(value: Json) -> str:
    return ", ".join(repr(name) for name in list(value)[:8]) or "no field"
