"""OfflineModel: a Model without a language model, so that everything else can be tried with no key and no network.

It reads the last user message, chooses tools by matching its words with their names, descriptions and parameters, fills
the arguments, and answers from the results. It decides from the request alone: the same request, the same turn.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence

import msgspec

from busagents.adapters.offline.answer import NOTICE, answer_text, body_of, prose_of
from busagents.adapters.offline.choice import PlannedCall, acting_calls, gathering_calls
from busagents.adapters.offline.memory import recalled
from busagents.adapters.offline.reading import Reading
from busagents.adapters.offline.results import Finding, finding
from busagents.adapters.offline.structured import structured_answer
from busagents.domain.messages import Message, ToolCallPart, ToolResultPart, Usage, assistant
from busagents.errors import ModelUnavailable
from busagents.ports.model import Chunk, ModelRequest, TextDelta, TurnCompleted

SPEEDS = {"demo": 0.008, "slow": 0.15, "instant": 0.0}
"""Seconds between two words of an answer, by the model's name. `slow` leaves time to kill something."""

MAX_CALLS_PER_TASK = 8
_WORD = re.compile(r"\s*\S+\s*?(?=\s|$)|\s+$")


class OfflineModel:
    """Implements `ports.model.Model`.

    Args:
        model: `demo`, `slow` or `instant`; the name after `offline:`.
        word_delay: seconds between two words; by default what the name stands for.

    Raises:
        ModelUnavailable: another name.
    """

    def __init__(self, model: str = "demo", *, word_delay: float | None = None) -> None:
        if model not in SPEEDS:
            known = ", ".join(f"offline:{name}" for name in SPEEDS)
            raise ModelUnavailable(f"there is no model 'offline:{model}': use one of {known}", code="unknown_model")
        self._model = model
        self._word_delay = SPEEDS[model] if word_delay is None else word_delay

    @property
    def name(self) -> str:
        """See Model."""
        return f"offline:{self._model}"

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        """See Model. Never fails."""
        done = _turns_of_task(request.messages)
        reading = Reading(_prompt(request.messages))
        findings = _findings(done)
        read = len(reading.text) + sum(len(found.content) for found in findings)
        calls = _next_calls(request, reading, done, findings)
        if calls:
            message = assistant("", calls)
            yield TurnCompleted(message, _usage(read, "".join(call.arguments for call in calls)), "tool_calls")
            return
        text = _answer(request, reading, findings)
        for piece in _WORD.findall(text):
            yield TextDelta(piece)
            await asyncio.sleep(self._word_delay)
        yield TurnCompleted(assistant(text), _usage(read, text), "stop")


def _answer(request: ModelRequest, reading: Reading, findings: Sequence[Finding]) -> str:
    if request.output_schema is not None:
        return structured_answer(request.output_schema, reading, prose_of(findings))
    return f"{answer_text(request, reading, findings)}\n\n{NOTICE}"


def _next_calls(
    request: ModelRequest, reading: Reading, done: Sequence[Message], findings: Sequence[Finding]
) -> list[ToolCallPart]:
    """First all that finds something out, at once; then what changes something, with what was found; then none."""
    made = [call for message in done for call in message.tool_calls]
    if not request.tools or len(made) >= MAX_CALLS_PER_TASK or (not made and recalled(reading.prose, request.messages)):
        return []
    planned = gathering_calls(reading, request.tools)
    known = {(call.name, call.arguments) for call in made}
    left = [call for call in planned if (call.name, _json(call)) not in known]
    if not left or any(message.tool_calls for message in done):
        names = {call.name for call in made}  # an act's arguments may hold what was found, so its name decides
        left = [call for call in acting_calls(reading, request.tools, body_of(reading, findings)) if call.name not in names]
    turn = sum(message.role == "assistant" for message in done)
    return [ToolCallPart(f"call_{turn}_{number}", call.name, _json(call)) for number, call in enumerate(left)]


def _json(call: PlannedCall) -> str:
    return msgspec.json.encode(call.arguments).decode()


def _prompt(messages: Sequence[Message]) -> str:
    return next((message.text for message in reversed(messages) if message.role == "user"), "")


def _turns_of_task(messages: Sequence[Message]) -> list[Message]:
    """The messages after the last user message, in order."""
    found: list[Message] = []
    for message in reversed(messages):
        if message.role == "user":
            break
        found.append(message)
    return found[::-1]


def _findings(done: Sequence[Message]) -> list[Finding]:
    calls = {call.call: call for message in done for call in message.tool_calls}
    results = (part for message in done for part in message.parts if isinstance(part, ToolResultPart))
    return [finding(calls[result.call], result) for result in results if result.call in calls]


def _usage(read: int, written: str) -> Usage:
    return Usage(read // 4, max(1, len(written) // 4), estimated=True)
