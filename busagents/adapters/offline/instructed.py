"""Tools that the instructions name, as in "use text_classifier on each message": they are called whatever the prompt says."""

from __future__ import annotations

import re
from collections.abc import Sequence

from busagents.adapters.offline.choice import acts, filled
from busagents.adapters.offline.planned import PlannedCall
from busagents.adapters.offline.reading import Reading
from busagents.ports.model import ToolSpec

FINISHED = frozenset(["answer", "reply", "response"])
"""Parameters that take the answer itself: what such a tool returns is the answer."""


def instructed_lookups(system: str, reading: Reading, tools: Sequence[ToolSpec], *, always: bool) -> list[PlannedCall]:
    """The named tools that find something out. `always`: of a greeting too."""
    if reading.is_greeting and not always:
        return []
    return [call for tool in _named(system, tools) if not _is_last(tool) for call in filled(reading, tool)]


def instructed_acts(system: str, reading: Reading, tools: Sequence[ToolSpec], body: str) -> list[PlannedCall]:
    """The named tools that change something, and those that take the answer: they get `body`, what was found out."""
    if reading.is_greeting:
        return []
    last = [tool for tool in _named(system, tools) if _is_last(tool)]
    return [call for tool in last for call in filled(reading, tool, body if _takes_answer(tool) else "")]


def _named(system: str, tools: Sequence[ToolSpec]) -> list[ToolSpec]:
    """Only names of two words: a plain word such as `memory` may stand for itself."""
    return [tool for tool in tools if "_" in tool.name and re.search(rf"\b{re.escape(tool.name)}\b", system)]


def _is_last(tool: ToolSpec) -> bool:
    return acts(tool) or _takes_answer(tool)


def _takes_answer(tool: ToolSpec) -> bool:
    return bool(FINISHED & set(tool.parameters.get("properties", {})))
