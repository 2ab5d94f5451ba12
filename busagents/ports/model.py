"""The model port: a request goes in, chunks come out, and one completed turn is folded from them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from busagents.domain.messages import Message, Usage

StopReason = Literal["stop", "tool_calls", "length", "refused"]


class ToolSpec(msgspec.Struct, frozen=True):
    """A tool as a model sees it. `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: dict[str, Any]


class ModelRequest(msgspec.Struct, frozen=True):
    """One model call, derived from the log. `messages` may be a view of a long conversation: do not copy it needlessly.

    `settings` are provider parameters (`temperature`, `max_tokens` …); `output_schema` asks for JSON of that schema.
    """

    model: str
    system: str
    messages: Sequence[Message]
    tools: tuple[ToolSpec, ...] = ()
    settings: Mapping[str, Any] = {}
    output_schema: dict[str, Any] | None = None


class TextDelta(msgspec.Struct, frozen=True):
    """A piece of the answer's text."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True):
    """A piece of the model's reasoning."""

    text: str


class TurnCompleted(msgspec.Struct, frozen=True):
    """The last chunk of a stream and its terminal mark. A stream that ends without it has failed.

    `message` is the whole assistant message (text, reasoning, tool calls); every tool call has a `call` id unique in it.
    """

    message: Message
    usage: Usage
    stop_reason: StopReason
    response_id: str = ""


Chunk = TextDelta | ReasoningDelta | TurnCompleted


class Model(Protocol):
    """A provider's model. Implementations keep SDK types inside and raise only errors of `busagents.errors.ModelError`."""

    @property
    def name(self) -> str:
        """`provider:model`, as recorded in `model.requested`."""
        ...

    def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        """Make the call. Yields deltas and, last, exactly one TurnCompleted.

        Raises:
            ModelTransient: worth another attempt; `retry_after` in seconds when the provider said so.
            ModelRefused, ContextTooLong, ModelUnavailable: the same request would fail again.
        """
        ...
