"""Which participants to ask that are there as tools, and for which part of a prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence

from busagents.adapters.offline.brief import Brief, with_material
from busagents.adapters.offline.memory import is_introduction
from busagents.adapters.offline.planned import MAX_CALLS, PlannedCall
from busagents.adapters.offline.reading import Reading
from busagents.adapters.offline.verbs import acts_of, asks_for, same_act
from busagents.adapters.offline.words import content_words, words
from busagents.ports.model import ToolSpec

MAX_MATERIAL = 4_000  # characters of what is known that are passed on

_CLAUSE = re.compile(
    r"(?<=[.?!])\s+|\n+|\s*;\s+|"
    r",?\s+(?:and|then|also)\s+(?=(?:suggest|find|tell|recommend|work out|calculate|compute|compare|check|plan|list|explain|"
    r"research|look|which|where|what|how|when|who|why)\b)|"
    r",\s+(?=(?:which|where|what|how|when|who|why|suggest|find|recommend)\b)",
    re.IGNORECASE,
)
_COMMON = frozenset(["agent", "participant", "answers", "helps", "help", "good", "things", "else"])
_FINDS_OUT = frozenset(["research", "search", "find", "investigate", "facts", "knowledge", "information", "look"])


def is_participant(tool: ToolSpec) -> bool:
    """True if the tool is somebody to give a task to: its only parameter is `input`, a text."""
    fields = tool.parameters.get("properties", {})
    return list(fields) == ["input"] and fields["input"].get("type") == "string"


def delegations(brief: Brief, reading: Reading, tools: Sequence[ToolSpec], *, alone: bool) -> list[PlannedCall]:
    """The tasks to give, all at once. `alone`: there is nothing else that could be done, so somebody must be asked."""
    asked = [tool for tool in tools if is_participant(tool) and asks_for(acts_of(words(tool.name)), reading.words)]
    if not asked or reading.is_greeting or is_introduction(reading.prose):
        return []
    material = brief.material[:MAX_MATERIAL]
    parts = _parts(reading, asked)
    if not any(parts) and (alone or brief.in_swarm):
        parts = [reading.text] * len(asked)
    elif reading.code or len(reading.document) > len(reading.prose):  # code and long texts are not torn apart
        parts = [reading.text if part else "" for part in parts]
    calls = [
        PlannedCall(tool.name, {"input": with_material(part, material)}) for tool, part in zip(asked, parts, strict=True) if part
    ]
    return calls[:MAX_CALLS]


def _parts(reading: Reading, asked: Sequence[ToolSpec]) -> list[str]:
    """For each of those who can be asked its part of the prompt; empty if none fits."""
    clauses = [clause.strip(" ,;") for clause in _CLAUSE.split(reading.prose) if clause and clause.strip(" ,;")]
    scores = [[_score(clause, tool, asked) for tool in asked] for clause in clauses]
    finders = [1 if _finds_out(tool) else 0 for tool in asked]
    scores = [
        row if any(row) or not Reading(clause).wants_search else finders for clause, row in zip(clauses, scores, strict=True)
    ]
    if not any(any(row) for row in scores):
        return [""] * len(asked)
    return [
        " ".join(
            _sentence(clause)
            for clause, row in zip(clauses, scores, strict=True)
            if not any(row) or _is_best(row, column)  # what fits nobody is there for all, such as the place and the time
        )
        if any(_is_best(row, column) for row in scores)
        else ""
        for column in range(len(asked))
    ]


def _is_best(row: Sequence[int], column: int) -> bool:
    return row[column] > 0 and row[column] == max(row)


def _score(clause: str, tool: ToolSpec, asked: Sequence[ToolSpec]) -> int:
    """How many words of its name and description that no other has are in the clause."""
    others = {word for other in asked if other is not tool for word in content_words(f"{other.name} {other.description}")}
    own = [word for word in content_words(f"{tool.name} {tool.description}") if word not in others | _COMMON]
    present = content_words(clause)
    numbers = bool(Reading(clause).expressions) and any(word in ("numbers", "calculates", "calculations") for word in own)
    return sum(any(same_act(word, other) for other in present) for word in own) + numbers


def _finds_out(tool: ToolSpec) -> bool:
    return any(same_act(word, known) for word in content_words(f"{tool.name} {tool.description}") for known in _FINDS_OUT)


def _sentence(clause: str) -> str:
    ended = clause if clause[-1] in ".?!:" else f"{clause}."
    return ended[:1].upper() + ended[1:]
