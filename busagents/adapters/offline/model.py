"""OfflineModel: a Model without a language model, so that everything else can be tried with no key and no network.

It reads the last user message, chooses tools by matching its words with their names, descriptions and parameters, fills
the arguments, and answers from the results. In a swarm it hands over to the next member who was not yet at work. It decides
from the request alone: the same request, the same turn.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence

from busagents.adapters.offline.answer import answer_text, prose_of
from busagents.adapters.offline.asking import reply
from busagents.adapters.offline.brief import Brief, read_brief
from busagents.adapters.offline.notice import NOTICE
from busagents.adapters.offline.reading import Reading
from busagents.adapters.offline.results import Finding, fields_of, finding
from busagents.adapters.offline.review import is_review, review
from busagents.adapters.offline.steps import next_calls
from busagents.adapters.offline.structured import structured_answer
from busagents.domain.messages import Message, ToolResultPart, Usage, assistant
from busagents.errors import ModelUnavailable
from busagents.ports.model import Chunk, ModelRequest, TextDelta, TurnCompleted

SPEEDS = {"demo": 0.008, "slow": 0.15, "instant": 0.0}
"""Seconds between two words of an answer, by the model's name. `slow` leaves time to kill something."""

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
        prompt = _prompt(request.messages)
        brief = read_brief(prompt)
        findings = _findings(done)
        reading = _reading(request, brief, findings)
        read = len(prompt) + sum(len(found.content) for found in findings)
        calls = next_calls(request, brief, reading, done, findings)
        if calls:
            message = assistant("", calls)
            yield TurnCompleted(message, _usage(read, "".join(call.arguments for call in calls)), "tool_calls")
            return
        text = _answer(request, brief, reading, findings)
        for piece in _WORD.findall(text):
            yield TextDelta(piece)
            await asyncio.sleep(self._word_delay)
        yield TurnCompleted(assistant(text), _usage(read, text), "stop")


def _answer(request: ModelRequest, brief: Brief, reading: Reading, findings: Sequence[Finding]) -> str:
    if request.output_schema is not None:
        known = {name: value for found in findings if not found.is_error for name, value in fields_of(found.content).items()}
        reviewed = review(brief) if is_review(brief, request.system) else {}
        return structured_answer(request.output_schema, reading, prose_of(findings), {**reviewed, **known})
    return f"{answer_text(request, brief, reading, findings)}\n\n{NOTICE}"


def _reading(request: ModelRequest, brief: Brief, findings: Sequence[Finding]) -> Reading:
    """What to work on: the request, or what the person said when asked. After others, the instructions are a wish too."""
    follows = bool(brief.path or brief.given)
    return Reading(reply(findings) or brief.request, told_to_write=follows and Reading(request.system).wants_file)


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
