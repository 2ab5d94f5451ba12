"""Use of a memory that all participants of a session share: look at it when others were at work, add what was found out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from busagents.adapters.offline.brief import Brief
from busagents.adapters.offline.planned import PlannedCall
from busagents.adapters.offline.reading import Reading
from busagents.adapters.offline.results import Finding, passages, plain_text
from busagents.adapters.offline.words import content_words, hits, most_relevant, shorten, words
from busagents.ports.model import ToolSpec

MEMORY = "memory"
MAX_FACTS = 4  # sentences of one tool's result that are kept

_YEARS = re.compile(r"((?:1[5-9]|20)\d\d) - ((?:1[5-9]|20)\d\d)")
_REMEMBER = re.compile(r"^(?:please )?(?:remember|note|store|keep in mind)\b", re.IGNORECASE)
_FORGET = re.compile(r"^(?:please )?(?:forget|delete) (?:about |the |what you know about )?(.+?)[.!?]*$", re.IGNORECASE)
_RECALL = re.compile(
    r"\b(?:what (?:do|did) (?:you|we) (?:know|remember|store)|your memory|list the (?:facts|notes))\b", re.IGNORECASE
)


def is_memory(tool: ToolSpec) -> bool:
    """True for the tool `memory`, or one like it."""
    fields = tool.parameters.get("properties", {})
    return tool.name == MEMORY and {"action", "title", "content"} <= set(fields)


def lookups(brief: Brief, reading: Reading) -> list[PlannedCall]:
    """What to look up first: what the members before left, or what the user asks for."""
    asked = _RECALL.search(reading.prose)
    return [PlannedCall(MEMORY, {"action": "list"})] if brief.path or asked else []


def notes(brief: Brief, reading: Reading, facts: Sequence[str], source: str) -> list[PlannedCall]:
    """What to remember: in a swarm what was found out and where, else what the user says to remember."""
    if brief.in_swarm:
        title = f"{shorten(reading.topic[:1].upper() + reading.topic[1:], 60)}: {source}"
        return [PlannedCall(MEMORY, {"action": "store", "title": title, "content": "\n\n".join(facts)})] if facts else []
    if forget := _FORGET.match(reading.document):
        return [PlannedCall(MEMORY, {"action": "delete", "title": forget[1]})]
    if not _REMEMBER.match(reading.document):
        return []
    stored = {"action": "store", "title": shorten(reading.topic, 60), "content": reading.statement}
    return [PlannedCall(MEMORY, stored)]


def facts_of(reading: Reading, findings: Sequence[Finding]) -> list[str]:
    """What the tools found out that is new to the others, each a sentence or a passage with its source."""
    found = [fact for one in findings if not one.is_error and one.name != MEMORY for fact in _facts(reading, one)]
    return list(dict.fromkeys(found))


def _facts(reading: Reading, found: Finding) -> list[str]:
    expression = found.arguments.get("expression")
    if isinstance(expression, str):
        span = _YEARS.fullmatch(expression)
        return [
            f"{f'From {span[2]} to {span[1]}: ' if span else ''}{expression} = {found.content.strip()}{' years' if span else ''}."
        ]
    if cited := passages(found.content, reading.topic):
        return cited
    text = plain_text(found.content)
    wanted = content_words(reading.topic)
    fitting = [sentence for sentence in most_relevant(text, reading.topic, MAX_FACTS) if hits(wanted, words(sentence))]
    return [shorten(sentence, 300) for sentence in fitting or most_relevant(text, reading.topic, 2)]
