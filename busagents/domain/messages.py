"""What participants say to each other and to models: messages made of typed parts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

Role = Literal["user", "assistant", "tool", "system"]


class BlobRef(msgspec.Struct, frozen=True, gc=False):
    """A payload kept in the object store. `key` is its sha256, `size` in bytes."""

    key: str
    sha256: str
    size: int


class TextPart(msgspec.Struct, frozen=True, gc=False, tag="text"):
    """Plain text."""

    text: str


class DataPart(msgspec.Struct, frozen=True, gc=False, tag="data"):
    """A JSON value."""

    data: Any


class FilePart(msgspec.Struct, frozen=True, gc=False, tag="file", omit_defaults=True):
    """A file: its bytes as base64, or where they are (`uri`)."""

    media_type: str
    name: str = ""
    base64: str | None = None
    uri: str | None = None


class ReasoningPart(msgspec.Struct, frozen=True, gc=False, tag="reasoning", omit_defaults=True):
    """A model's reasoning. `extra` holds what only its own provider understands (signatures, ids)."""

    text: str = ""
    extra: dict[str, Any] = {}


class ToolCallPart(msgspec.Struct, frozen=True, gc=False, tag="tool_call", omit_defaults=True):
    """A model asks for a tool. `arguments` is the JSON text as the model wrote it: it may be invalid."""

    call: str
    name: str
    arguments: str = "{}"
    extra: dict[str, Any] = {}


class ToolResultPart(msgspec.Struct, frozen=True, gc=False, tag="tool_result", omit_defaults=True):
    """The answer to a tool call, in words or JSON for the model."""

    call: str
    name: str
    content: str
    is_error: bool = False


Part = TextPart | DataPart | FilePart | ReasoningPart | ToolCallPart | ToolResultPart


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message of a conversation."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """All text parts joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def tool_calls(self) -> tuple[ToolCallPart, ...]:
        """The tool calls in the order the model made them."""
        return tuple(part for part in self.parts if isinstance(part, ToolCallPart))


class Artifact(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Something a task produced beside its answer."""

    name: str
    parts: tuple[Part, ...]
    description: str = ""


class Usage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Tokens of one or several model calls, as the provider counted them; `estimated` if it did not."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False

    @property
    def total_tokens(self) -> int:
        """Input plus output."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.estimated or other.estimated,
        )


def user(text: str) -> Message:
    """A user's message of one text part."""
    return Message("user", (TextPart(text),))


def assistant(text: str, calls: Iterable[ToolCallPart] = ()) -> Message:
    """An assistant's message: text, if any, then tool calls."""
    head: tuple[Part, ...] = (TextPart(text),) if text else ()
    return Message("assistant", head + tuple(calls))
