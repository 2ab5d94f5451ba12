"""From the port's types to A2A's JSON: a message and its request, in 1.0, in 0.3, and in 0.3 over HTTP+JSON."""

from __future__ import annotations

from typing import Any, Literal

from busagents.domain.messages import DataPart, FilePart, Part, TextPart
from busagents.ports.remote import Outbound

Shape = Literal["1.0", "0.3", "0.3 rest"]
Json = dict[str, Any]


def write_send(shape: Shape, outbound: Outbound, *, wait: bool, tenant: str = "") -> Json:
    """The body of a send request. Unless it is to `wait`, the remote is asked to answer as soon as it has a task."""
    if shape == "1.0":
        body: Json = {"message": _message(shape, outbound), "configuration": {"returnImmediately": not wait}}
        return {"tenant": tenant, **body} if tenant else body
    return {"message": _message(shape, outbound), "configuration": {"blocking": wait}}


def _message(shape: Shape, outbound: Outbound) -> Json:
    parts = [_part(shape, part) for part in outbound.message.parts if isinstance(part, TextPart | DataPart | FilePart)]
    message: Json = {"messageId": outbound.id, "role": "user" if shape == "0.3" else "ROLE_USER"}
    message["content" if shape == "0.3 rest" else "parts"] = parts or [_part(shape, TextPart(""))]
    if shape == "0.3":
        message["kind"] = "message"
    if outbound.task:
        message["taskId"] = outbound.task
    if outbound.context:
        message["contextId"] = outbound.context
    return message


def _part(shape: Shape, part: TextPart | DataPart | FilePart) -> Json:
    if shape == "0.3":
        return _part_of_03(part)
    match part:
        case TextPart(text):
            return {"text": text}
        case DataPart(data):
            return {"data": {"data": _as_object(data)} if shape == "0.3 rest" else data}
        case FilePart(media_type, name, base64, uri) if shape == "0.3 rest":
            where = {"fileWithBytes": base64} if base64 is not None else {"fileWithUri": uri or ""}
            return {"file": {**where, "mimeType": media_type, "name": name}}
        case FilePart(media_type, name, base64, uri):
            where = {"raw": base64} if base64 is not None else {"url": uri or ""}
            return {**where, "mediaType": media_type, **({"filename": name} if name else {})}


def _part_of_03(part: Part) -> Json:
    match part:
        case DataPart(data):
            return {"kind": "data", "data": _as_object(data)}
        case FilePart(media_type, name, base64, uri):
            where = {"bytes": base64} if base64 is not None else {"uri": uri or ""}
            return {"kind": "file", "file": {**where, "mimeType": media_type, **({"name": name} if name else {})}}
        case TextPart(text):
            return {"kind": "text", "text": text}
        case _:
            return {"kind": "text", "text": ""}


def _as_object(data: Any) -> Json:
    """0.3 knows only objects as data."""
    return data if isinstance(data, dict) else {"value": data}
