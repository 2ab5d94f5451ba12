"""From our request to the JSON body of `POST /chat/completions`. Pure.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from busagents.adapters.openai_chat.profile import ProviderProfile
from busagents.domain.messages import DataPart, FilePart, Message, Part, TextPart, ToolCallPart, ToolResultPart
from busagents.errors import ModelRefused
from busagents.ports.model import ModelRequest, ToolSpec

# Derived from the log or fixed by how the answer is read: a setting of that name would break one of the two.
_RESERVED = frozenset({"model", "messages", "tools", "stream", "stream_options", "response_format", "n"})


def to_request(request: ModelRequest, *, model: str, profile: ProviderProfile) -> dict[str, Any]:
    """The whole body of the call, `stream` included.

    Parameters: `model` is the provider's own name for it, without our prefix. `request.settings` go through unchanged,
    but for `max_tokens`, which takes the provider's spelling.

    Raises:
        ModelRefused: code `bad_settings`, a setting names a field that busagents fills itself.
    """
    messages: list[dict[str, Any]] = [{"role": "system", "content": request.system}] if request.system else []
    for message in request.messages:
        messages.extend(_wire_messages(message, profile))
    body: dict[str, Any] = {"model": model, "messages": messages, "stream": True}
    if profile.usage == "ask":
        body["stream_options"] = {"include_usage": True}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.output_schema is not None:
        body["response_format"] = _response_format(request.output_schema)
    for name, value in request.settings.items():
        if name in _RESERVED:
            raise ModelRefused(
                f"model setting {name!r} cannot be set: busagents fills that field of the request itself. "
                "Remove it from the agent's settings",
                code="bad_settings",
            )
        body[profile.max_tokens_field if name == "max_tokens" else name] = value
    return body


def estimated_input_tokens(body: dict[str, Any]) -> int:
    """Characters of the body's conversation and tools over four: for providers that report no usage."""
    return (len(msgspec.json.encode(body["messages"])) + len(msgspec.json.encode(body.get("tools", [])))) // 4


def _wire_messages(message: Message, profile: ProviderProfile) -> Iterator[dict[str, Any]]:
    """One of ours is several of theirs when it holds several tool results."""
    results = [part for part in message.parts if isinstance(part, ToolResultPart)]
    for result in results:
        yield {"role": "tool", "tool_call_id": result.call, "content": result.content}
    if message.role == "assistant":
        yield from _assistant(message, profile)
    elif message.role != "tool":
        content = _content([part for part in message.parts if not isinstance(part, ToolResultPart)])
        if content or not results:
            yield {"role": message.role, "content": content}


def _assistant(message: Message, profile: ProviderProfile) -> Iterator[dict[str, Any]]:
    text = "".join(_as_text(part) for part in message.parts if isinstance(part, (TextPart, DataPart)))
    calls = [_call(part, profile) for part in message.tool_calls]
    if calls:
        yield {"role": "assistant", "content": text or None, "tool_calls": calls}
    elif text:
        yield {"role": "assistant", "content": text}


def _call(part: ToolCallPart, profile: ProviderProfile) -> dict[str, Any]:
    """The call as the model made it. What only its own provider understands goes back to that provider alone."""
    extra = dict(part.extra.get(profile.name, {}))
    function = {"name": part.name, "arguments": part.arguments, **extra.pop("function", {})}
    return {"id": part.call, "type": "function", "function": function, **extra}


def _content(parts: list[Part]) -> str | list[dict[str, Any]]:
    """A string when all is text, which every provider accepts; typed items when there are files."""
    if any(isinstance(part, FilePart) for part in parts):
        return [_file(part) if isinstance(part, FilePart) else _text_item(part) for part in parts]
    return "\n".join(_as_text(part) for part in parts)


def _text_item(part: Part) -> dict[str, Any]:
    return {"type": "text", "text": _as_text(part)}


def _as_text(part: Part) -> str:
    if isinstance(part, TextPart):
        return part.text
    if isinstance(part, DataPart):
        return msgspec.json.encode(part.data).decode()
    return ""


def _file(part: FilePart) -> dict[str, Any]:
    if part.media_type.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": part.uri if part.base64 is None else _data_uri(part)}}
    if part.base64 is None:
        return {"type": "text", "text": f"[file {part.name or 'without a name'}, {part.media_type}: {part.uri}]"}
    if part.media_type.startswith("text/") or part.media_type == "application/json":
        text = base64.b64decode(part.base64).decode("utf-8", "replace")
        return {"type": "text", "text": f"[file {part.name}]\n{text}" if part.name else text}
    return {"type": "file", "file": {"filename": part.name or "file", "file_data": _data_uri(part)}}


def _data_uri(part: FilePart) -> str:
    return f"data:{part.media_type};base64,{part.base64}"


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    }


def _response_format(schema: dict[str, Any]) -> dict[str, Any]:
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", str(schema.get("title", "")))[:64] or "output"
    return {
        "type": "json_schema",
        "json_schema": {"name": name, "schema": schema, "strict": _strict(schema)},
    }


def _strict(schema: Any) -> bool:
    """Strict mode takes only objects that are closed and whose fields are all required; others would be a 400.

    Source: https://platform.openai.com/docs/guides/structured-outputs, "Supported schemas".
    """
    if isinstance(schema, list):
        return all(_strict(item) for item in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object":
        fields = schema.get("properties", {})
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(fields):
            return False
    return all(_strict(value) for value in schema.values())
