"""A2A 0.3 over HTTP+JSON, below `/v1`: ProtoJSON of the 0.3 proto, which is another shape than 0.3's JSON-RPC.

Full enum names (`TASK_STATE_CANCELLED` has two L), `content` instead of parts, `fileWithUri` and `fileWithBytes`. Some clients
send the proto's own names, so `request` is read as `message`, and snake_case everywhere. Pure; readers raise InvalidParams.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

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
from busagents.gateway.types import Artifact, Message, Part, PushConfig, SendRequest, Status, StatusUpdate, Task, Update
from busagents.gateway.wire_v03 import JSON, data_json, flags, history_length, push_json, read_data, read_push
from busagents.gateway.wire_v1_read import ROLE_OF, ROLES, STATES

_STATES = {**STATES, "canceled": "TASK_STATE_CANCELLED"}


def _part_json(part: Part) -> JSON:
    if part.text is not None:
        out: JSON = {"text": part.text}
    elif part.raw is not None or part.url is not None:
        file = {"fileWithBytes": part.raw} if part.raw is not None else {"fileWithUri": part.url}
        if part.media_type:
            file["mimeType"] = part.media_type
        if part.filename:
            file["name"] = part.filename
        out = {"file": file}
    else:
        data = data_json(part)
        out = {"data": {"data": data["data"]}}
        return {**out, "metadata": data["metadata"]} if "metadata" in data else out
    if part.metadata:
        out["metadata"] = part.metadata
    return out


def _message_json(message: Message) -> JSON:
    out: JSON = {
        "messageId": message.message_id,
        "role": ROLES[message.role],
        "content": [_part_json(part) for part in message.parts],
    }
    for name, value in (
        ("contextId", message.context_id),
        ("taskId", message.task_id),
        ("extensions", message.extensions),
        ("metadata", message.metadata),
    ):
        if value:
            out[name] = value
    return out


def _artifact_json(artifact: Artifact) -> JSON:
    out: JSON = {"artifactId": artifact.artifact_id, "parts": [_part_json(part) for part in artifact.parts]}
    for name, value in (
        ("name", artifact.name),
        ("description", artifact.description),
        ("extensions", artifact.extensions),
        ("metadata", artifact.metadata),
    ):
        if value:
            out[name] = value
    return out


def _status_json(status: Status) -> JSON:
    out: JSON = {"state": _STATES[status.state]}
    if status.message is not None:
        out["message"] = _message_json(status.message)
    if status.timestamp:
        out["timestamp"] = status.timestamp
    return out


def _task_json(task: Task) -> JSON:
    out: JSON = {"id": task.id, "contextId": task.context_id, "status": _status_json(task.status)}
    if task.artifacts is not None:
        out["artifacts"] = [_artifact_json(artifact) for artifact in task.artifacts]
    if task.history is not None:
        out["history"] = [_message_json(message) for message in task.history]
    if task.metadata:
        out["metadata"] = task.metadata
    return out


def _stream_response(update: Update) -> JSON:
    if isinstance(update, Task):
        return {"task": _task_json(update)}
    if isinstance(update, Message):
        return {"message": _message_json(update)}
    out: JSON = {"taskId": update.task_id, "contextId": update.context_id}
    if update.metadata:
        out["metadata"] = update.metadata
    if isinstance(update, StatusUpdate):
        return {"statusUpdate": {**out, "status": _status_json(update.status), "final": update.final}}
    return {"artifactUpdate": {**out, "artifact": _artifact_json(update.artifact), **flags(update)}}


def _push_json(config: PushConfig) -> JSON:
    name = f"tasks/{config.task_id}/pushNotificationConfigs/{config.id}"
    return {"name": name, "pushNotificationConfig": push_json(config)}


def _read_part(fields: Fields) -> Part:
    metadata = fields.object("metadata")
    file, data = fields.inner("file"), fields.inner("data")
    if fields.has("text") + (file is not None) + (data is not None) != 1:
        raise wrong(fields.path, "must have exactly one of text, file and data")
    if file is not None:
        raw, url = file.base64("fileWithBytes"), file.text("fileWithUri")
        if (raw is not None) + bool(url) != 1:
            raise wrong(file.path, "must have exactly one of fileWithBytes and fileWithUri")
        return Part(raw=raw, url=url or None, media_type=file.text("mimeType"), filename=file.text("name"), metadata=metadata)
    if data is not None:
        return read_data(data.object("data") or {}, metadata)
    return Part(text=fields.text("text"), metadata=metadata)


def _read_message(fields: Fields) -> Message:
    role = fields.one_of("role", ROLE_OF)
    if role is None:
        raise wrong(fields.at("role"), "is required: ROLE_USER")
    return Message(
        message_id=fields.needed("messageId"),
        role=role,
        parts=tuple(_read_part(part) for part in fields.items("content")),
        context_id=fields.text("contextId"),
        task_id=fields.text("taskId"),
        extensions=fields.texts("extensions"),
        metadata=fields.object("metadata"),
    )


def _read_request(fields: Fields) -> SendRequest:
    message = fields.inner("message") or fields.inner("request")
    if message is None:
        raise wrong(fields.at("message"), "is required")
    said, metadata = _read_message(message), fields.object("metadata")
    configuration = fields.inner("configuration")
    if configuration is None or fields.get("configuration") == {}:  # clients that configure nothing send it empty
        return SendRequest(said, metadata=metadata)
    push = configuration.inner("pushNotification")
    return SendRequest(
        said,
        accepted_output_modes=configuration.texts("acceptedOutputModes"),
        history_length=history_length(configuration),
        return_immediately=not configuration.flag("blocking"),  # proto 3: what is not there is false
        push=read_push(push) if push else None,
        metadata=metadata,
    )


def _read_create_push(fields: Fields, task_id: str) -> Call:
    outer = fields.inner("config") or fields
    config = outer.inner("pushNotificationConfig")
    if config is None:
        raise wrong(fields.at("config.pushNotificationConfig"), "is required")
    return CreatePush(task_id, read_push(config, task_id))


def _find_task(name: str) -> Mapping[str, Reader] | None:
    task_id, colon, verb = name.rpartition(":")
    if colon and task_id and verb == "cancel":
        return {"POST": lambda fields: Cancel(task_id)}
    if colon and task_id and verb == "subscribe":
        return {"GET": lambda fields: Subscribe(task_id), "POST": lambda fields: Subscribe(task_id)}
    return {"GET": lambda fields: Get(name, history_length(fields))} if name else None


class RestWireV03:
    """The dialect; see gateway.calls.RestDialect."""

    def find(self, segments: tuple[str, ...]) -> Mapping[str, Reader] | None:
        """The readers of a path below `/v1`."""
        match segments:
            case ("message:send",):
                return {"POST": lambda fields: Send(_read_request(fields))}
            case ("message:stream",):
                return {"POST": lambda fields: SendStream(_read_request(fields))}
            case ("tasks", name):
                return _find_task(name)
            case ("tasks", task_id, "pushNotificationConfigs"):
                return {"GET": lambda fields: ListPush(task_id), "POST": partial(_read_create_push, task_id=task_id)}
            case ("tasks", task_id, "pushNotificationConfigs", config_id):
                return {
                    "GET": lambda fields: GetPush(task_id, config_id),
                    "DELETE": lambda fields: DeletePush(task_id, config_id),
                }
            case ("card",):
                return {"GET": lambda fields: ExtendedCard()}
        return None

    def item(self, update: Update) -> JSON:
        """One item of a stream."""
        return _stream_response(update)

    def result(self, call: Call, result: Result) -> Any:
        """What a call gives; `{}` where the operation gives nothing."""
        if isinstance(result, Task):
            return {"task": _task_json(result)} if isinstance(call, Send) else _task_json(result)
        if isinstance(result, Message):
            return {"message": _message_json(result)}
        if isinstance(result, PushConfig):
            return _push_json(result)
        if isinstance(result, Sequence) and not isinstance(result, bytes):
            return {"configs": [_push_json(config) for config in result]}
        return {}
