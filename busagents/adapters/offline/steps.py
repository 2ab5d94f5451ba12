"""What a model does next: ask the person, find out, act on what was found and hand over; when none is left, it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from busagents.adapters.offline.answer import body_of, spoken
from busagents.adapters.offline.arithmetic import year_span
from busagents.adapters.offline.asking import ASK_TOOL, question
from busagents.adapters.offline.brief import Brief
from busagents.adapters.offline.choice import acting_calls, gathering_calls
from busagents.adapters.offline.delegation import delegations, is_participant
from busagents.adapters.offline.handing import HANDOFF_TOOL, handoff
from busagents.adapters.offline.instructed import instructed_acts, instructed_lookups
from busagents.adapters.offline.memory import recalled
from busagents.adapters.offline.notes import MEMORY, facts_of, is_memory, lookups, notes
from busagents.adapters.offline.planned import PlannedCall
from busagents.adapters.offline.reading import Reading
from busagents.adapters.offline.results import Finding
from busagents.domain.messages import Message, ToolCallPart
from busagents.ports.model import ModelRequest, ToolSpec

MAX_CALLS_PER_TASK = 8


def next_calls(
    request: ModelRequest, brief: Brief, reading: Reading, done: Sequence[Message], findings: Sequence[Finding]
) -> list[ToolCallPart]:
    """The calls of the next turn. First all that finds something out, at once; then what acts on it; then none."""
    made = [call for message in done for call in message.tool_calls]
    if not request.tools or len(made) >= MAX_CALLS_PER_TASK or (not made and recalled(reading.prose, request.messages)):
        return []
    names = {call.name for call in made}
    planned = [] if ASK_TOOL in names else question(reading, request.tools)
    if not planned and not names - {ASK_TOOL}:
        planned = _finding_out(request, brief, reading)
    if not planned:  # an act's arguments may hold what was found, so its name decides whether it was done
        acted = {_act(found.name, found.arguments) for found in findings}
        planned = [call for call in _acting(request, brief, reading, findings) if _act(call.name, call.arguments) not in acted]
    turn = sum(message.role == "assistant" for message in done)
    return [ToolCallPart(f"call_{turn}_{number}", call.name, call.json) for number, call in enumerate(_once(planned))]


def _finding_out(request: ModelRequest, brief: Brief, reading: Reading) -> list[PlannedCall]:
    tools = _plain(request.tools)
    classes = request.output_schema is not None  # a form must be filled, whatever was said
    calls = [*gathering_calls(reading, tools), *instructed_lookups(request.system, reading, tools, always=classes)]
    if any(is_memory(tool) for tool in request.tools):
        calls += lookups(brief, reading)
    if brief.material and not reading.expressions:
        calls += [PlannedCall(name, {"expression": span}) for name in _calculators(tools) for span in year_span(brief.material)]
    alone = not calls and not acting_calls(reading, tools, "")
    return calls + delegations(brief, reading, request.tools, alone=alone)


def _acting(request: ModelRequest, brief: Brief, reading: Reading, findings: Sequence[Finding]) -> list[PlannedCall]:
    tools = _plain(request.tools)
    body = body_of(reading, findings) or brief.material
    facts = facts_of(reading, findings)
    calls = [*acting_calls(reading, tools, body), *instructed_acts(request.system, reading, tools, spoken(reading, findings))]
    if any(is_memory(tool) for tool in request.tools):
        source = ", ".join(dict.fromkeys(found.name for found in findings if found.name != MEMORY))
        calls += notes(brief, reading, facts, source)
    return calls + handoff(brief, reading, facts, request.tools)


def _act(name: str, arguments: Mapping[str, Any]) -> tuple[str, str]:
    """A tool, and which of its actions if it has several."""
    return name, str(arguments.get("action", ""))


def _plain(tools: Sequence[ToolSpec]) -> list[ToolSpec]:
    """The tools that are chosen by their words alone."""
    special = (ASK_TOOL, HANDOFF_TOOL)
    return [tool for tool in tools if tool.name not in special and not is_memory(tool) and not is_participant(tool)]


def _calculators(tools: Sequence[ToolSpec]) -> list[str]:
    return [tool.name for tool in tools if "expression" in tool.parameters.get("properties", {})][:1]


def _once(calls: Sequence[PlannedCall]) -> list[PlannedCall]:
    return list({(call.name, call.json): call for call in calls}.values())
