"""A2A's parts and the bus's, both ways. What the bus's parts cannot hold is kept beside the message, so that it comes back as sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from busagents.domain import messages as m
from busagents.gateway.errors import ContentTypeNotSupported, InvalidParams
from busagents.gateway.types import Part

_BYTES = "application/octet-stream"


def to_bus(part: Part) -> m.Part:
    """The bus's form of a caller's part.

    Raises:
        ContentTypeNotSupported: a part of no kind that the bus has.
    """
    if part.text is not None:
        return m.TextPart(part.text)
    if part.has_data:
        return m.DataPart(part.data)
    if part.raw is not None:
        return m.FilePart(part.media_type or _BYTES, part.filename, base64=part.raw)
    if part.url is not None:
        return m.FilePart(part.media_type or _BYTES, part.filename, uri=part.url)
    raise ContentTypeNotSupported("a part holds nothing this bus can carry: send text, data, raw or url")


def user_message(parts: Sequence[Part]) -> m.Message:
    """What a caller says, as the bus's message.

    Raises:
        InvalidParams: it says nothing.
        ContentTypeNotSupported: see to_bus.
    """
    message = m.Message("user", tuple(to_bus(part) for part in parts))
    if not any(not isinstance(part, m.TextPart) or part.text.strip() for part in message.parts):
        raise InvalidParams("the message is empty: say what shall be done", (("message.parts", "needs text, data or a file"),))
    return message


def extras(parts: Sequence[Part]) -> list[dict[str, Any]] | None:
    """What the bus's parts cannot hold of these: media types and names of text and data, metadata. None if there is nothing."""
    found = [
        {
            key: value
            for key, value in (("mediaType", part.media_type), ("filename", part.filename), ("metadata", part.metadata))
            if value and (key == "metadata" or part.text is not None or part.has_data)
        }
        for part in parts
    ]
    return found if any(found) else None


def from_bus(part: m.Part) -> Part | None:
    """A2A's form of a part; None for what is not said to a caller (reasoning, tool calls and their results)."""
    match part:
        case m.TextPart(text):
            return Part(text=text)
        case m.DataPart(data):
            return Part(data=data, has_data=True)
        case m.FilePart(media_type, name, base64, uri):
            return Part(raw=base64, url=uri if base64 is None else None, media_type=media_type, filename=name)
    return None


def shown(parts: Sequence[m.Part], kept: Sequence[dict[str, Any]] | None = None) -> tuple[Part, ...]:
    """The parts a caller sees; `kept` is what extras() gave. At least one: an empty text if there is nothing to see."""
    found = [from_bus(part) for part in parts]
    if kept is not None and len(kept) == len(found):
        found = [_with(part, more) if part is not None else None for part, more in zip(found, kept, strict=True)]
    return tuple(part for part in found if part is not None) or (Part(text=""),)


def _with(part: Part, more: dict[str, Any]) -> Part:
    if not more:
        return part
    return Part(
        text=part.text,
        raw=part.raw,
        url=part.url,
        data=part.data,
        has_data=part.has_data,
        media_type=str(more.get("mediaType", part.media_type)),
        filename=str(more.get("filename", part.filename)),
        metadata=more.get("metadata"),
    )
