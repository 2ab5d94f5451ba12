"""The server's side of OpenAI's chat completions stream: scripted turns as server-sent events. Pure.

Source: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from busagents.testing.scripted_model import Say

FaultKind = Literal["status", "error_in_stream", "cut", "truncated", "malformed", "event", "hang"]


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """What goes wrong with one request.

    - `status`: an error answer of that `status`, with `code` and `retry_after` (seconds or an HTTP date) if given
    - `error_in_stream`: an error object of type `code` after `after` events, then the end
    - `cut`: the connection is reset after `after` events
    - `truncated`: the body ends well-formed after `after` events, without a finish_reason
    - `malformed`: an event that is no JSON after `after` events
    - `event`: an event whose data is `message` after `after` events, then the end
    - `hang`: nothing more after `after` events, until the client leaves; 0 means not even a status line

    `after` None means in the middle.
    """

    kind: FaultKind
    status: int = 500
    code: str = ""
    message: str = "scripted fault"
    retry_after: str = ""
    after: int | None = None


class Wire(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the stream looks: the shapes of other providers and of bad networks.

    `chunk_bytes` splits the body at every so many bytes; `delay` is seconds before each event.
    """

    text_chars: int = 8
    chunk_bytes: int = 0
    delay: float = 0.0
    index: bool = True
    ids: bool = True
    repeat_names: bool = False
    whole_calls: bool = False
    finish_stop_with_calls: bool = False
    usage: bool = True
    done: bool = True
    comments: bool = False


def position_of(messages: Sequence[Mapping[str, Any]]) -> int:
    """The place in a script: how many assistant messages follow the last user message."""
    count = 0
    for message in reversed(messages):
        if message.get("role") == "user":
            break
        count += message.get("role") == "assistant"
    return count


def events(turn: Say, *, position: int, model: str, wire: Wire, ask_usage: bool) -> list[bytes]:
    """The turn as server-sent events, `[DONE]` included."""
    deltas = [
        {"role": "assistant", "content": ""},
        *_text_deltas(turn.text, wire.text_chars),
        *_call_deltas(turn, position, wire),
    ]
    stop = {"length": "length", "refused": "content_filter"}.get(turn.stop_reason or "")
    finish = stop or ("tool_calls" if turn.calls and not wire.finish_stop_with_calls else "stop")
    chunks = [_chunk(model, {"index": 0, "delta": delta, "finish_reason": None}) for delta in deltas]
    chunks.append(_chunk(model, {"index": 0, "delta": {}, "finish_reason": finish}))
    if wire.usage and ask_usage:
        chunks.append(_chunk(model, None) | {"usage": _usage(turn)})
    encoded = [sse(chunk) for chunk in chunks]
    if wire.comments:
        encoded = [b": keep-alive\n\n" + event for event in encoded]
    return [*encoded, b"data: [DONE]\n\n"] if wire.done else encoded


def sse(value: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def error_object(code: str, message: str, kind: str = "") -> dict[str, Any]:
    """The body of an error answer."""
    return {"error": {"message": message, "type": kind or code or "server_error", "param": None, "code": code or None}}


def _chunk(model: str, choice: dict[str, Any] | None) -> dict[str, Any]:
    choices = [] if choice is None else [choice]
    return {"id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 0, "model": model, "choices": choices}


def _text_deltas(text: str, size: int) -> Iterator[dict[str, Any]]:
    for start in range(0, len(text), size):
        yield {"content": text[start : start + size]}


def _call_deltas(turn: Say, position: int, wire: Wire) -> Iterator[dict[str, Any]]:
    for number, (name, arguments) in enumerate(turn.calls):
        text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
        index = {"index": number} if wire.index else {}
        head = {**index, "id": f"call_{position}_{number}", "type": "function"}
        if not wire.ids:
            del head["id"]
        if wire.whole_calls:
            yield {"tool_calls": [{**head, "function": {"name": name, "arguments": text}}]}
            continue
        yield {"tool_calls": [{**head, "function": {"name": name, "arguments": ""}}]}
        for start in range(0, len(text), wire.text_chars):
            piece = {"arguments": text[start : start + wire.text_chars]}
            repeated = {**head, "function": {"name": name, **piece}}
            yield {"tool_calls": [repeated if wire.repeat_names else {**index, "function": piece}]}


def _usage(turn: Say) -> dict[str, Any]:
    usage = turn.usage
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
