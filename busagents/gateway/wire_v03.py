"""A2A 0.3 over JSON-RPC: `kind` tells an object's type, roles and states are lowercase words, files and data have shapes of their own.

What 0.3 cannot say is said as near as it can: data that is no object as `{"value": …}`. Pure; readers raise InvalidParams.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from busagents.gateway.calls import (
    Call,
    Cancel,
    CreatePush,
    DeletePush,
    ExtendedCard,
    Get,
    GetPush,
    ListPush,
    Reader,
    Result,
    Send,
    SendStream,
    Subscribe,
)
from busagents.gateway.json_fields import Fields, wrong
from busagents.gateway.types import (
    Artifact,
    ArtifactUpdate,
    Message,
    Part,
    PushConfig,
    SendRequest,
    Status,
    StatusUpdate,
    Task,
    Update,
)

JSON = dict[str, Any]
WRAPPED = "data_part_compat"  # in a data part's metadata: its data was wrapped because it is no object
_ROLES: Mapping[str | int, Literal["user", "agent"]] = {"user": "user", "agent": "agent"}


def part_json(part: Part) -> JSON:
    """A text, file or data part."""
    if part.text is not None:
        out: JSON = {"kind": "text", "text": part.text}
    elif part.raw is not None or part.url is not None:
        file = {"bytes": part.raw} if part.raw is not None else {"uri": part.url}
        if part.media_type:
            file["mimeType"] = part.media_type
        if part.filename:
            file["name"] = part.filename
        out = {"kind": "file", "file": file}
    else:
        return {"kind": "data", **data_json(part)}
    if part.metadata:
        out["metadata"] = part.metadata
    return out


def data_json(part: Part) -> JSON:
    """`data`, which must be an object here, and `metadata`, which says if it was made one."""
    if isinstance(part.data, dict):
        return {"data": part.data, "metadata": part.metadata} if part.metadata else {"data": part.data}
    return {"data": {"value": part.data}, "metadata": {**(part.metadata or {}), WRAPPED: True}}


def message_json(message: Message) -> JSON:
    """Something said."""
    out: JSON = {
        "kind": "message",
        "messageId": message.message_id,
        "role": message.role,
        "parts": [part_json(part) for part in message.parts],
    }
    for name, value in (
        ("contextId", message.context_id),
        ("taskId", message.task_id),
        ("referenceTaskIds", message.reference_task_ids),
        ("extensions", message.extensions),
        ("metadata", message.metadata),
    ):
        if value:
            out[name] = value
    return out


def artifact_json(artifact: Artifact) -> JSON:
    """A result."""
    out: JSON = {"artifactId": artifact.artifact_id, "parts": [part_json(part) for part in artifact.parts]}
    for name, value in (
        ("name", artifact.name),
        ("description", artifact.description),
        ("extensions", artifact.extensions),
        ("metadata", artifact.metadata),
    ):
        if value:
            out[name] = value
    return out


def status_json(status: Status) -> JSON:
    """Where a task is. 0.3's words are ours."""
    out: JSON = {"state": status.state}
    if status.message is not None:
        out["message"] = message_json(status.message)
    if status.timestamp:
        out["timestamp"] = status.timestamp
    return out


def task_json(task: Task) -> JSON:
    """A task."""
    out: JSON = {"kind": "task", "id": task.id, "contextId": task.context_id, "status": status_json(task.status)}
    if task.artifacts is not None:
        out["artifacts"] = [artifact_json(artifact) for artifact in task.artifacts]
    if task.history is not None:
        out["history"] = [message_json(message) for message in task.history]
    if task.metadata:
        out["metadata"] = task.metadata
    return out


def update_json(update: Update) -> JSON:
    """A stream's item, or a result: the bare object."""
    if isinstance(update, Task):
        return task_json(update)
    if isinstance(update, Message):
        return message_json(update)
    out: JSON
    if isinstance(update, StatusUpdate):
        out = {"kind": "status-update", "status": status_json(update.status), "final": update.final}
    else:
        out = {"kind": "artifact-update", "artifact": artifact_json(update.artifact)}
        out |= flags(update)
    out["taskId"] = update.task_id
    out["contextId"] = update.context_id
    if update.metadata:
        out["metadata"] = update.metadata
    return out


def flags(update: ArtifactUpdate) -> JSON:
    """How a piece joins its artifact."""
    return {"append": update.append, "lastChunk": update.last_chunk}


def push_json(config: PushConfig) -> JSON:
    """A push configuration without its secrets: they are never shown."""
    inner: JSON = {"id": config.id, "url": config.url}
    if config.scheme:
        inner["authentication"] = {"schemes": [config.scheme]}
    return inner


def read_part(fields: Fields) -> Part:
    """A part by its kind; by the member that is there, if it names none."""
    kind = fields.text("kind") or next((name for name in ("text", "file", "data") if fields.has(name)), "")
    metadata = fields.object("metadata")
    if kind == "text" and fields.has("text"):
        return Part(text=fields.text("text"), metadata=metadata)
    file = fields.inner("file")
    if kind == "file" and file is not None:
        raw, url = file.base64("bytes"), file.text("uri")
        if (raw is not None) + bool(url) != 1:
            raise wrong(file.path, "must have exactly one of bytes and uri")
        return Part(raw=raw, url=url or None, media_type=file.text("mimeType"), filename=file.text("name"), metadata=metadata)
    data = fields.object("data")
    if kind == "data" and data is not None:
        return read_data(data, metadata)
    raise wrong(fields.path, "must be of kind text, file or data, and have that member")


def read_data(data: JSON, metadata: JSON | None) -> Part:
    """A data part; what was wrapped is unwrapped."""
    if metadata and metadata.get(WRAPPED) is True and data.keys() == {"value"}:
        rest = {name: value for name, value in metadata.items() if name != WRAPPED}
        return Part(data=data["value"], has_data=True, metadata=rest or None)
    return Part(data=data, has_data=True, metadata=metadata)


def read_message(fields: Fields) -> Message:
    """Something said by the client."""
    role = fields.one_of("role", _ROLES)
    if role is None:
        raise wrong(fields.at("role"), "is required: user")
    return Message(
        message_id=fields.needed("messageId"),
        role=role,
        parts=tuple(read_part(part) for part in fields.items("parts")),
        context_id=fields.text("contextId"),
        task_id=fields.text("taskId"),
        reference_task_ids=fields.texts("referenceTaskIds"),
        extensions=fields.texts("extensions"),
        metadata=fields.object("metadata"),
    )


def read_push(fields: Fields, task_id: str = "") -> PushConfig:
    """A push configuration. Without an id it is the task's one, as 0.3's servers have it: `get` may leave the id out too."""
    authentication = fields.inner("authentication")
    schemes = authentication.texts("schemes") if authentication else ()
    return PushConfig(
        url=fields.needed("url"),
        id=fields.text("id") or task_id,
        task_id=task_id,
        token=fields.text("token"),
        scheme=schemes[0] if schemes else "",
        credentials=authentication.text("credentials") if authentication else "",
    )


def history_length(fields: Fields) -> int | None:
    """How much history is asked for; in 0.3, 0 is all of it."""
    return fields.number("historyLength") or None


def read_request(fields: Fields) -> SendRequest:
    """What send and stream take. They block unless the caller says otherwise."""
    message = fields.inner("message")
    if message is None:
        raise wrong(fields.at("message"), "is required")
    said, metadata = read_message(message), fields.object("metadata")
    configuration = fields.inner("configuration")
    if configuration is None:
        return SendRequest(said, metadata=metadata)
    push = configuration.inner("pushNotificationConfig")
    return SendRequest(
        said,
        accepted_output_modes=configuration.texts("acceptedOutputModes"),
        history_length=history_length(configuration),
        return_immediately=configuration.get("blocking") is not None and not configuration.flag("blocking"),
        push=read_push(push) if push else None,
        metadata=metadata,
    )


def _read_create_push(fields: Fields) -> Call:
    task_id, config = fields.needed("taskId"), fields.inner("pushNotificationConfig")
    if config is None:
        raise wrong(fields.at("pushNotificationConfig"), "is required")
    return CreatePush(task_id, read_push(config, task_id))


def _read_get_push(fields: Fields) -> Call:
    task_id = fields.needed("id")
    return GetPush(task_id, fields.text("pushNotificationConfigId") or task_id)


METHODS: Mapping[str, Reader] = {
    "message/send": lambda fields: Send(read_request(fields)),
    "message/stream": lambda fields: SendStream(read_request(fields)),
    "tasks/get": lambda fields: Get(fields.needed("id"), history_length(fields)),
    "tasks/cancel": lambda fields: Cancel(fields.needed("id")),
    "tasks/resubscribe": lambda fields: Subscribe(fields.needed("id")),
    "tasks/pushNotificationConfig/set": _read_create_push,
    "tasks/pushNotificationConfig/get": _read_get_push,
    "tasks/pushNotificationConfig/list": lambda fields: ListPush(fields.needed("id")),
    "tasks/pushNotificationConfig/delete": lambda fields: DeletePush(
        fields.needed("id"), fields.needed("pushNotificationConfigId")
    ),
    "agent/getAuthenticatedExtendedCard": lambda fields: ExtendedCard(),
}


class WireV03:
    """The dialect; see gateway.calls.RpcDialect."""

    methods: Mapping[str, Reader] = METHODS

    def item(self, update: Update) -> JSON:
        """One item of a stream."""
        return update_json(update)

    def result(self, call: Call, result: Result) -> Any:
        """What a call gives; null where the operation gives nothing."""
        if isinstance(result, Task | Message):
            return update_json(result)
        if isinstance(result, PushConfig):
            return {"taskId": result.task_id, "pushNotificationConfig": push_json(result)}
        if isinstance(result, Sequence) and not isinstance(result, bytes):
            return [{"taskId": config.task_id, "pushNotificationConfig": push_json(config)} for config in result]
        return None
