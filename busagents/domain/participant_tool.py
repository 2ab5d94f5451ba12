"""A participant as a tool: a call of it is a task in a thread of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from busagents.domain.messages import Message, TextPart, user
from busagents.domain.participant import Participant
from busagents.domain.tool import Approval, check_tool_name
from busagents.errors import DefinitionError, ToolArgumentsInvalid

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "What it shall do, with everything it needs to know."}},
    "required": ["input"],
    "additionalProperties": False,
}


@dataclass(frozen=True, eq=False)
class ParticipantTool:
    """Made by `Participant.as_tool`; see there."""

    name: str
    description: str
    participant: Participant
    share_context: bool
    preserve_context: bool
    delegate: bool
    approval: Approval

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON Schema of the arguments object."""
        return _SCHEMA


def participant_tool(
    participant: Participant,
    name: str,
    description: str,
    *,
    share_context: bool,
    preserve_context: bool,
    delegate: bool,
    approval: Approval,
) -> ParticipantTool:
    """See Participant.as_tool."""
    check_tool_name(name)
    if not description.strip():
        raise DefinitionError(
            f"{participant!r} has no description, so no model could tell when to use it: "
            "give it description=…, or pass one to as_tool(description=…)"
        )
    return ParticipantTool(name, description, participant, share_context, preserve_context, delegate, approval)


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
