"""What a model asks of a participant that it calls as a tool."""

from __future__ import annotations

from typing import Any

import msgspec

from busagents.domain.messages import Message, TextPart, user
from busagents.errors import ToolArgumentsInvalid


def read_input(tool: str, arguments: str) -> str:
    """What a model asks of a participant.

    Raises:
        ToolArgumentsInvalid: in words for the model.
    """
    try:
        value = msgspec.json.decode(arguments, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ToolArgumentsInvalid(f'{tool} takes a JSON object such as {{"input": "what to do"}}: {error}') from None
    said = value.get("input")
    if not isinstance(said, str) or not said.strip():
        raise ToolArgumentsInvalid(f'{tool} needs "input": a text that says what it shall do; it got {sorted(value)}')
    return said


def with_conversation(request: str, messages: list[Message]) -> Message:
    """The request as a message, behind what was said before."""
    lines = [f"{message.role}: {message.text}" for message in messages if message.text and message.role != "tool"]
    if not lines:
        return user(request)
    return Message("user", (TextPart("The conversation so far:\n" + "\n".join(lines) + f"\n\nYour task: {request}"),))
