"""To whom a member of a swarm hands over: to the next one in the list who was not yet at work. So it always ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from busagents.adapters.offline.brief import Brief
from busagents.adapters.offline.memory import is_introduction
from busagents.adapters.offline.planned import PlannedCall
from busagents.adapters.offline.reading import Reading
from busagents.ports.model import ToolSpec

HANDOFF_TOOL = "handoff_to_agent"


def handoff(brief: Brief, reading: Reading, facts: Sequence[str], tools: Sequence[ToolSpec]) -> list[PlannedCall]:
    """The handoff, with the facts that were found; none if all were at work, or there is nothing to pass on."""
    if reading.is_greeting or is_introduction(reading.prose) or (reading.only_arithmetic and facts):
        return []
    done = {*brief.path, brief.gone}
    following = next((name for name in _members(tools) if name not in done), None)
    if following is None:
        return []
    found = "what I found is in the shared knowledge" if facts else "I have nothing to add"
    message = f"On “{reading.topic}” {found}. The next step is yours."
    context = {"context": {"facts": list(facts)}} if facts else {}
    return [PlannedCall(HANDOFF_TOOL, {"agent_name": following, "message": message, **context})]


def _members(tools: Sequence[ToolSpec]) -> list[str]:
    """Those whom the tool names, in its order."""
    fields: dict[str, Any] = next((tool.parameters.get("properties", {}) for tool in tools if tool.name == HANDOFF_TOOL), {})
    return [str(name) for name in fields.get("agent_name", {}).get("enum", ())]
