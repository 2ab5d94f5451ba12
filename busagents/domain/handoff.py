"""The tool by which a member of a swarm hands its task over, as a model sees it, and what a call of it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from busagents.domain.events import Handoff, Member
from busagents.domain.messages import ToolCallPart

HANDOFF_TOOL = "handoff_to_agent"


class _Arguments(msgspec.Struct):
    agent_name: str
    message: str
    context: dict[str, Any] = {}


def handoff_description(members: Sequence[Member]) -> str:
    """What the model reads."""
    listed = "\n".join(f"- {member.name}: {member.description}".rstrip(": ") for member in members)
    return (
        "Hand the task over to another member, who goes on in your place. Do it when the next step is theirs; "
        f"if you do not, your answer ends the work. Members:\n{listed}"
    )


def handoff_parameters(members: Sequence[Member]) -> dict[str, Any]:
    """The JSON Schema of its arguments."""
    return {
        "type": "object",
        "properties": {
            "agent_name": {
                "type": "string",
                "enum": [member.name for member in members],
                "description": "The name of the member who goes on.",
            },
            "message": {"type": "string", "description": "What they shall do, and what they need to know for it."},
            "context": {"type": "object", "description": "Facts that every later member should see, by name."},
        },
        "required": ["agent_name", "message"],
        "additionalProperties": False,
    }


def read_handoff(part: ToolCallPart, members: Sequence[Member]) -> tuple[Handoff | None, str]:
    """The handoff a call asks for and "", or None and what is wrong with it, in words for the model."""
    try:
        asked = msgspec.json.decode(part.arguments, type=_Arguments)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return None, f"The handoff was not made: {error}. It needs agent_name and message."
    names = [member.name for member in members]
    if asked.agent_name not in names:
        return None, f"The handoff was not made: there is no member {asked.agent_name!r}. The members are: {', '.join(names)}."
    return Handoff(asked.agent_name, asked.message, asked.context), ""
