"""Which tools a prompt asks for, and with which arguments. Matching of words and types; the same input, the same choice."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from busagents.adapters.offline.memory import is_introduction
from busagents.adapters.offline.planned import MAX_CALLS, PlannedCall
from busagents.adapters.offline.reading import Reading
from busagents.adapters.offline.values import CODE, EXPRESSIONS, LONG, NOTHING, PATHS, QUERIES, Values, from_to
from busagents.adapters.offline.verbs import acts_of, asks_for, same_act
from busagents.adapters.offline.words import content_words, hits, shorten, words
from busagents.ports.model import ToolSpec

# Said of most tools, so they tell nothing about which one is meant.
_COMMON = frozenset(
    [
        "tool",
        "use",
        "used",
        "return",
        "returns",
        "result",
        "results",
        "given",
        "example",
        "text",
        "name",
        "value",
        "number",
        "list",
        "file",
        "files",
        "whole",
        "string",
        "default",
        "optional",
        "maximum",
        "minimum",
        "most",
        "work",
        "one",
        "line",
        "word",
        "words",
        "find",
        "what",
    ]
)


def gathering_calls(reading: Reading, tools: Sequence[ToolSpec]) -> list[PlannedCall]:
    """The calls that find something out; they do not depend on each other."""
    if reading.is_greeting:
        return []
    calls: list[PlannedCall] = []
    for tool in tools:
        rule = _rule_for(tool)
        if rule is _writing:
            continue
        if rule is not None:
            calls += rule(reading, tool)
        elif not acts(tool) and _fits(reading, tool, tools):
            calls += filled(reading, tool)
    calls = _one_way_to_compute(reading, tools, calls)
    return _searches(reading, tools, calls)[:MAX_CALLS]


def acting_calls(reading: Reading, tools: Sequence[ToolSpec], body: str) -> list[PlannedCall]:
    """The calls that change something, made once all is gathered. `body` is what was gathered, as text."""
    if reading.is_greeting:
        return []
    calls: list[PlannedCall] = []
    for tool in tools:
        if _rule_for(tool) is _writing:
            calls += _writing(reading, tool, body)
        elif _rule_for(tool) is None and acts(tool) and _fits(reading, tool, tools):
            calls += filled(reading, tool)
    return calls[:MAX_CALLS]


def _rule_for(tool: ToolSpec) -> Callable[..., list[PlannedCall]] | None:
    """Tools known by their parameters: an expression, code, a file and its content, a query."""
    fields = {word for name in tool.parameters.get("properties", {}) for word in words(name)}
    if fields & EXPRESSIONS:
        return _computing
    if fields & CODE:
        return _coding
    if fields & PATHS and fields & LONG:
        return _writing
    if fields & QUERIES and not acts_of(words(tool.name)):
        return _searching
    return None


def _rule_of(name: str, tools: Sequence[ToolSpec]) -> Callable[..., list[PlannedCall]] | None:
    return next((_rule_for(tool) for tool in tools if tool.name == name), None)


def _computing(reading: Reading, tool: ToolSpec) -> list[PlannedCall]:
    field = _field(tool, EXPRESSIONS)
    return [PlannedCall(tool.name, {field: expression}) for expression in reading.expressions[:3]]


def _coding(reading: Reading, tool: ToolSpec) -> list[PlannedCall]:
    asked = {"python", "run", "execute", "code", "script"} & set(reading.words)
    code = reading.code or (reading.inline_code if asked else "")
    if not code and reading.expressions and asked:
        functions = any("(" in one and one[0].isalpha() for one in reading.expressions)
        code = ("from math import *\n" if functions else "") + "\n".join(f"print({one})" for one in reading.expressions[:3])
    return [PlannedCall(tool.name, {_field(tool, CODE): code})] if code else []


def _searching(reading: Reading, tool: ToolSpec) -> list[PlannedCall]:
    if not reading.wants_search:
        return []
    field = _field(tool, QUERIES)
    return [PlannedCall(tool.name, _filled_with(reading, tool, {field: topic})) for topic in reading.topics]


def _writing(reading: Reading, tool: ToolSpec, body: str = "") -> list[PlannedCall]:
    if not reading.wants_file:
        return []
    path = reading.files[0] if reading.files else f"{_slug(reading.topic)}.md"
    if reading.quoted:
        text = reading.quoted[0]
    elif reading.code:
        text = reading.code + "\n"
    else:
        text = f"# {reading.topic[:1].upper()}{reading.topic[1:]}\n\n{body or _dictated(reading)}\n"
    return [PlannedCall(tool.name, _filled_with(reading, tool, {_field(tool, PATHS): path, _field(tool, LONG): text}))]


def _one_way_to_compute(reading: Reading, tools: Sequence[ToolSpec], calls: list[PlannedCall]) -> list[PlannedCall]:
    """A sum goes to Python if the prompt says so, else to the calculator; not to both."""
    rules = [_rule_of(call.name, tools) for call in calls]
    if _coding not in rules or _computing not in rules or reading.code:
        return calls
    unwanted = _computing if "python" in reading.words else _coding
    return [call for call, rule in zip(calls, rules, strict=True) if rule is not unwanted]


def _searches(reading: Reading, tools: Sequence[ToolSpec], calls: list[PlannedCall]) -> list[PlannedCall]:
    """A search is not needed beside a tool that fits by name; and it is the last resort where nothing fits."""
    searchers = [tool for tool in tools if _rule_for(tool) is _searching]
    searching = {tool.name for tool in searchers}
    by_name = [call for call in calls if call.name not in searching and _rule_of(call.name, tools) is None]
    named = any(hits(words(tool.name), reading.words) for tool in searchers)
    if by_name and not named and not _more_to_find(reading, by_name, tools):
        return [call for call in calls if call.name not in searching]
    if calls or not searchers or len(reading.meaning) < 2 or reading.code or is_introduction(reading.prose):
        return calls
    if acting_calls(reading, tools, ""):
        return calls
    first = searchers[0]
    return [PlannedCall(first.name, _filled_with(reading, first, {_field(first, QUERIES): reading.topics[0]}))]


def _more_to_find(reading: Reading, calls: list[PlannedCall], tools: Sequence[ToolSpec]) -> bool:
    """True if the prompt has meaning that the chosen tools do not cover, such as a place beside a weekend."""
    known = {word for tool in tools if any(tool.name == call.name for call in calls) for word in content_words(_described(tool))}
    given = {word for call in calls for value in call.arguments.values() for word in words(str(value))}
    left = [word for word in reading.meaning if word not in given and not any(same_act(word, other) for other in known)]
    return len(left) >= 2


def acts(tool: ToolSpec) -> bool:
    """True if the tool's name says that it changes something. Reading and listing change nothing."""
    return any(not group & {"read", "list"} for group in acts_of(words(tool.name)))


def _fits(reading: Reading, tool: ToolSpec, tools: Sequence[ToolSpec]) -> bool:
    """True if the prompt asks for the tool: by its name, by an option it offers, or by two words of its description."""
    groups = acts_of(words(tool.name))
    if reading.wants_file and any("read" in group for group in groups):
        groups = [*groups, frozenset({"read"})]  # "save a summary to x.md" is no wish to read x.md
    present = [*reading.words, *reading.operations, *(["file"] if reading.files else [])]
    if not asks_for(groups, present):
        return False
    if {"from", "to"} <= {word for name in tool.parameters.get("properties", {}) for word in words(name)}:
        return from_to(reading) is not None
    acting = set().union(*groups)
    nouns = [word for word in words(tool.name) if word not in acting and word not in ("get", "fetch", "check", "system")]
    if nouns and not any(same_act(noun, word) for noun in nouns for word in present):
        return not groups and _described_hits(reading, tool, tools) >= 2
    return bool(nouns) or bool(groups)


def _described_hits(reading: Reading, tool: ToolSpec, tools: Sequence[ToolSpec]) -> int:
    others = {word for other in tools if other.name != tool.name for word in content_words(_described(other))}
    own = [word for word in content_words(_described(tool)) if word not in _COMMON and word not in others]
    return hits(own, reading.meaning)


def _described(tool: ToolSpec) -> str:
    options = [str(option) for field in tool.parameters.get("properties", {}).values() for option in field.get("enum", ())]
    return " ".join([tool.name, tool.description, *options])


def filled(reading: Reading, tool: ToolSpec, body: str = "") -> list[PlannedCall]:
    """A call of the tool, or none if a required argument is nowhere to be found. `body` is for long texts."""
    arguments = _filled_with(reading, tool, {}, body)
    missing = [name for name in tool.parameters.get("required", ()) if name not in arguments]
    return [] if missing else [PlannedCall(tool.name, arguments)]


def _filled_with(reading: Reading, tool: ToolSpec, known: dict[str, Any], body: str = "") -> dict[str, Any]:
    """The arguments found in the prompt, in the schema's order."""
    values = Values(reading, tool.parameters, body)
    required = tool.parameters.get("required", ())
    arguments: dict[str, Any] = {}
    for name, field in tool.parameters.get("properties", {}).items():
        value = known[name] if name in known else values.find(name, field, required=name in required)
        if value is not NOTHING:
            arguments[name] = value
    return arguments


def _field(tool: ToolSpec, kind: frozenset[str]) -> str:
    """The parameter whose name is of a kind; a required one first."""
    named: list[str] = [name for name in tool.parameters.get("properties", {}) if kind & set(words(name))]
    return next((name for name in named if name in tool.parameters.get("required", ())), named[0])


def _slug(topic: str) -> str:
    return "-".join(content_words(topic)[:5]) or "report"


def _dictated(reading: Reading) -> str:
    """What to write, said after a colon; else the prompt's own sentence."""
    return re.sub(r"\s+", " ", reading.document.partition(": ")[2]) or shorten(reading.document, 2_000)
