"""From the chunks of a stream to one completed turn. Pure: no SDK type and no I/O.

Providers shape tool-call deltas differently (no `index`, names or ids repeated in every delta, a whole call in one chunk),
so this is an accumulator of its own and trusts none of these fields to be there.
Source: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

from typing import Any

import msgspec

from busagents.domain.messages import Message, Part, ReasoningPart, TextPart, ToolCallPart, Usage
from busagents.domain.storable_text import storable
from busagents.errors import ModelTransient
from busagents.ports.model import Chunk, ReasoningDelta, StopReason, TextDelta, TurnCompleted

_STOP_REASONS: dict[str, StopReason] = {"length": "length", "max_tokens": "length", "content_filter": "refused"}


class _OpenCall:
    """A tool call whose pieces are still arriving."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []
        self.extra: dict[str, Any] = {}

    def feed(self, delta: dict[str, Any]) -> None:
        function = _object(delta.get("function"))
        self.id = self.id or str(delta.get("id") or "")
        name = function.get("name") or ""
        if name != self.name:  # some servers repeat the name in every delta, a few send it in pieces
            self.name += name
        self.arguments.append(_text(function.get("arguments")))
        self.extra.update({k: v for k, v in delta.items() if k not in ("index", "id", "type", "function")})
        unknown = {k: v for k, v in function.items() if k not in ("name", "arguments")}
        if unknown:
            self.extra["function"] = {**self.extra.get("function", {}), **unknown}

    def is_whole(self) -> bool:
        """False if the arguments were cut."""
        try:
            msgspec.json.decode("".join(self.arguments) or "{}")
        except msgspec.DecodeError:
            return False
        return True


class TurnAccumulator:
    """Folds the chunks of one stream.

    Parameters: `provider` is the key under which fields we do not know are kept in `ToolCallPart.extra`.
    """

    def __init__(self, provider: str = "openai") -> None:
        self._provider = provider
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[_OpenCall] = []
        self._usage: Usage | None = None
        self._finish_reason = ""
        self._refused = False
        self._response_id = ""

    @property
    def ended(self) -> bool:
        """True once the provider said why it stopped: the answer is whole, only usage may still follow."""
        return self._finish_reason != ""

    @property
    def has_usage(self) -> bool:
        """True once the provider reported tokens."""
        return self._usage is not None

    def feed(self, chunk: dict[str, Any]) -> list[Chunk]:
        """Take one decoded chunk; return the deltas in it.

        Raises:
            ValueError: the chunk has another shape than the protocol's.
        """
        self._response_id = self._response_id or str(chunk.get("id") or "")
        usage = chunk.get("usage")
        if isinstance(usage, dict):  # the last one wins: some providers send a running total in every chunk
            self._usage = _usage(usage)
        deltas: list[Chunk] = []
        for choice in _objects(chunk.get("choices"))[:1]:
            deltas.extend(self._feed_delta(_object(choice.get("delta"))))
            self._finish_reason = self._finish_reason or str(choice.get("finish_reason") or "")
        return deltas

    def _feed_delta(self, delta: dict[str, Any]) -> list[Chunk]:
        chunks: list[Chunk] = []
        reasoning = _text(delta.get("reasoning_content")) or _text(delta.get("reasoning"))
        if reasoning:
            self._reasoning.append(reasoning)
            chunks.append(ReasoningDelta(storable(reasoning)))
        refusal = _text(delta.get("refusal"))
        self._refused = self._refused or bool(refusal)
        text = _text(delta.get("content")) + refusal
        if text:
            self._text.append(text)
            chunks.append(TextDelta(storable(text)))
        for piece in _objects(delta.get("tool_calls")):
            self._call_for(piece).feed(piece)
        return chunks

    def _call_for(self, delta: dict[str, Any]) -> _OpenCall:
        """The call a delta belongs to: by index, else by id, else the last one, else a new one."""
        index, call_id = delta.get("index"), delta.get("id")
        if isinstance(index, int):
            found = next((call for call in self._calls if call.index == index), None)
        elif call_id:
            found = next((call for call in self._calls if call.id == call_id), None)
        else:
            found = self._calls[-1] if self._calls else None
        if found is None:
            found = _OpenCall(index if isinstance(index, int) else len(self._calls))
            self._calls.append(found)
        return found

    def finish(self, *, input_tokens: int = 0) -> TurnCompleted:
        """The completed turn, once the stream has ended.

        Parameters: `input_tokens` is the caller's estimate, used only when the provider reported no usage.

        Raises:
            ModelTransient: code `truncated` (no finish_reason: the body ended early though well-formed), `provider_error`
                (the provider gave up in the middle) or `empty_answer` (neither text nor a tool call).
        """
        if not self._finish_reason:
            raise ModelTransient(
                "the model's stream ended before it said why (no finish_reason): the answer is not whole. Ask again",
                code="truncated",
            )
        if self._finish_reason == "error":
            raise ModelTransient("the provider gave up in the middle of the answer. Ask again", code="provider_error")
        text, reasoning = storable("".join(self._text)), storable("".join(self._reasoning))
        calls = self._calls
        stop = "refused" if self._refused else _STOP_REASONS.get(self._finish_reason)
        if stop is None:  # some providers finish with "stop" although they made tool calls
            stop = "tool_calls" if calls else "stop"
            if not calls and not text.strip():
                raise ModelTransient("the model answered with neither text nor a tool call. Ask again", code="empty_answer")
        else:
            calls = [call for call in calls if call.is_whole()]
        parts: list[Part] = [ReasoningPart(reasoning)] if reasoning else []
        parts += [TextPart(text)] if text else []
        parts += self._call_parts(calls)
        usage = self._usage or Usage(input_tokens, self._estimated_output(), estimated=True)
        return TurnCompleted(Message("assistant", tuple(parts)), usage, stop, self._response_id)

    def _call_parts(self, calls: list[_OpenCall]) -> list[ToolCallPart]:
        """Ids unique in the message: the provider's where it gave one of its own, else made from the position."""
        given = [call.id for call in calls]
        taken: set[str] = set()
        parts: list[ToolCallPart] = []
        for position, call in enumerate(calls):
            call_id = call.id
            suffix = position
            while not call_id or call_id in taken:
                call_id = f"call_{suffix}"
                suffix += 1
                if call_id in given:  # never take what the provider gave to another call
                    call_id = ""
            taken.add(call_id)
            extra = {self._provider: call.extra} if call.extra else {}
            parts.append(ToolCallPart(call_id, call.name, storable("".join(call.arguments)) or "{}", extra))
        return parts

    def _estimated_output(self) -> int:
        written = [*self._text, *self._reasoning, *(piece for call in self._calls for piece in call.arguments)]
        return sum(map(len, written)) // 4


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _object(value: Any) -> dict[str, Any]:
    """The JSON object, empty when there is none."""
    if value is None or isinstance(value, dict):
        return value or {}
    raise ValueError(f"a chunk holds {type(value).__name__} where an object belongs")


def _objects(value: Any) -> list[dict[str, Any]]:
    """The list of JSON objects, empty when there is none."""
    if value is None or isinstance(value, list):
        return [_object(item) for item in value or ()]
    raise ValueError(f"a chunk holds {type(value).__name__} where a list belongs")


def _usage(reported: dict[str, Any]) -> Usage:
    prompt = _object(reported.get("prompt_tokens_details"))
    completion = _object(reported.get("completion_tokens_details"))
    return Usage(
        input_tokens=_count(reported.get("prompt_tokens")),
        output_tokens=_count(reported.get("completion_tokens")),
        cached_tokens=_count(prompt.get("cached_tokens")),
        reasoning_tokens=_count(completion.get("reasoning_tokens")),
    )


def _count(value: Any) -> int:
    try:
        return int(value or 0)
    except (TypeError, OverflowError):
        raise ValueError(f"a chunk counts tokens with {type(value).__name__}") from None
