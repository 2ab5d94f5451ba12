"""What a participant can do, as it announces it: the tools of an agent, in one short line each."""

from __future__ import annotations

import msgspec

from busagents.domain.agent import Agent
from busagents.domain.participant import Participant

_SKILLS = 32  # announced at most
_WORDS = 160  # characters of a description

Skill = tuple[str, str]
"""Name and description."""


def skills_of(participant: Participant) -> tuple[Skill, ...]:
    """The tools of an agent, and the parts of a swarm or graph."""
    if isinstance(participant, Agent):
        named = [(tool.name, tool.description) for tool in participant.tools.values()]
    else:
        named = [(part.name, part.description) for part in participant.parts()]
    return tuple((name, " ".join(text.split())[:_WORDS]) for name, text in named[:_SKILLS])


def announced(skills: tuple[Skill, ...]) -> dict[str, str]:
    """As part of an announcement; nothing if there are none."""
    return {"skills": msgspec.json.encode(skills).decode()} if skills else {}


def read_skills(text: str) -> tuple[Skill, ...]:
    """The skills of an announcement; none if it is something else: anybody may announce anything."""
    try:
        return msgspec.json.decode(text, type=tuple[Skill, ...]) if text else ()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ()
