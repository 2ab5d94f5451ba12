"""A model that says what a test wrote down. No network, and no memory: its answer is a function of the request.

Any process may continue a task after a crash, so the place in the script cannot be a counter. It is read from the
conversation: how many assistant messages follow the last user message.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from busagents.domain.messages import Message, ToolCallPart, Usage, assistant
from busagents.errors import ModelError, ModelTransient
from busagents.ports.model import Chunk, ModelRequest, StopReason, TextDelta, TurnCompleted

DEFAULT_USAGE = Usage(input_tokens=10, output_tokens=5)


class Say(msgspec.Struct, frozen=True):
    """A turn that answers: made by `say` and `call_tools`. `calls` are pairs of a tool's name and its arguments."""

    text: str
    calls: tuple[tuple[str, Any], ...] = ()
    usage: Usage = DEFAULT_USAGE
    stop_reason: StopReason | None = None


class Fail(msgspec.Struct, frozen=True):
    """A turn that raises: made by `fail`. `times` None means every time."""

    code: str
    error: type[ModelError]
    retry_after: float | None
    times: int | None


Turn = Say | Fail
Script = Sequence[Turn] | Callable[[ModelRequest], Turn]


def say(text: str, *, usage: Usage = DEFAULT_USAGE, stop_reason: StopReason = "stop") -> Say:
    """A turn that answers with text. An empty text gives a message without parts."""
    return Say(text, usage=usage, stop_reason=stop_reason)


def call_tools(*calls: tuple[str, Any], text: str = "", usage: Usage = DEFAULT_USAGE) -> Say:
    """A turn that calls tools: pairs of name and arguments. A str is sent as it is, so that it may be invalid JSON."""
    return Say(text, calls, usage, "tool_calls")


def fail(code: str, *, retry_after: float | None = None, times: int | None = 1, error: type[ModelError] = ModelTransient) -> Fail:
    """A turn that raises `error` with `code`, `times` times; then the turn after it in the script answers.

    It takes no place in the script. At the end of the script, where nothing follows, it raises every time.
    `retry_after` is in seconds and goes with ModelTransient only.
    """
    return Fail(code, error, retry_after, times)


class ScriptedModel:
    """Implements `ports.model.Model` from a script.

    Args:
        turns: the script, or a function from the request to a turn. A list's last turn answers whatever comes after it.
        latency: seconds before the first chunk.
        chunk_chars: characters of each text chunk; None sends the text as one chunk.
        chunk_delay: seconds before each chunk after the first.
        calls_file: gets one line per call (process id, place in the script, digest of the prompt), appended by O_APPEND:
            the real calls over any number of processes and crashes. With it, `fail(times=…)` counts over processes too.
        name: as recorded in `model.requested`.
    """

    def __init__(
        self,
        turns: Script,
        *,
        latency: float = 0.0,
        chunk_chars: int | None = None,
        chunk_delay: float = 0.0,
        calls_file: Path | None = None,
        name: str = "scripted:test",
    ) -> None:
        self._choose: Callable[[ModelRequest], Turn] | None = turns if callable(turns) else None
        self._steps = [] if callable(turns) else _steps(turns)
        self._latency = latency
        self._chunk_chars = chunk_chars
        self._chunk_delay = chunk_delay
        self._calls_file = calls_file
        self._calls: dict[str, int] = {}
        self._name = name

    @property
    def name(self) -> str:
        """See Model."""
        return self._name

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        """See Model. Raises the scripted failures."""
        position = _position(request.messages)
        turn = self._turn(request, position)
        if self._latency:
            await asyncio.sleep(self._latency)
        if isinstance(turn, Fail):
            raise _error(turn)
        size = self._chunk_chars or len(turn.text)
        for start in range(0, len(turn.text), size or 1):
            if start and self._chunk_delay:
                await asyncio.sleep(self._chunk_delay)
            yield TextDelta(turn.text[start : start + size])
        yield TurnCompleted(_message(turn, position), turn.usage, _stop_reason(turn))

    def _turn(self, request: ModelRequest, position: int) -> Turn:
        if self._choose is not None:
            self._count(request, position, always=False)
            return self._choose(request)
        step = self._steps[min(position, len(self._steps) - 1)]
        earlier = self._count(request, position, always=bool(step.fails))
        for planned in step.fails:
            if planned.times is None or earlier < planned.times:
                return planned
            earlier -= planned.times
        return step.answer if step.answer is not None else step.fails[-1]

    def _count(self, request: ModelRequest, position: int, *, always: bool) -> int:
        """Note this call; return how many there were before it for the same prompt at the same place (if `always`)."""
        if self._calls_file is None and not always:
            return 0
        key = f"{position} {_digest(request.messages)}"
        if self._calls_file is None:
            self._calls[key] = self._calls.get(key, 0) + 1
            return self._calls[key] - 1
        earlier = 0
        if always and self._calls_file.exists():
            earlier = sum(line.partition(" ")[2] == key for line in self._calls_file.read_text().splitlines())
        descriptor = os.open(self._calls_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, f"{os.getpid()} {key}\n".encode())
        finally:
            os.close(descriptor)
        return earlier


class _Step(msgspec.Struct, frozen=True):
    """One place in the script: what fails there first, and what then answers."""

    fails: tuple[Fail, ...]
    answer: Say | None


def _steps(turns: Sequence[Turn]) -> list[_Step]:
    steps: list[_Step] = []
    fails: list[Fail] = []
    for turn in turns:
        if isinstance(turn, Fail):
            fails.append(turn)
        else:
            steps.append(_Step(tuple(fails), turn))
            fails = []
    if fails:
        steps.append(_Step(tuple(fails), None))
    if not steps:
        raise ValueError('a script needs at least one turn: ScriptedModel([say("hello")])')
    return steps


def _position(messages: Sequence[Message]) -> int:
    """How many assistant messages follow the last user message; looks at no message before that."""
    count = 0
    for message in reversed(messages):
        if message.role == "user":
            break
        count += message.role == "assistant"
    return count


def _digest(messages: Sequence[Message]) -> str:
    """Of the conversation's length up to the last user message, and that message's text."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].role == "user":
            return hashlib.sha256(f"{index} {messages[index].text}".encode()).hexdigest()[:16]
    return "-"


def _message(turn: Say, position: int) -> Message:
    return assistant(
        turn.text,
        (
            ToolCallPart(f"call_{position}_{number}", name, arguments if isinstance(arguments, str) else _json(arguments))
            for number, (name, arguments) in enumerate(turn.calls)
        ),
    )


def _stop_reason(turn: Say) -> StopReason:
    return turn.stop_reason or ("tool_calls" if turn.calls else "stop")


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _error(turn: Fail) -> ModelError:
    text = f"scripted failure {turn.code!r}"
    if issubclass(turn.error, ModelTransient):
        return turn.error(text, code=turn.code, retry_after=turn.retry_after)
    return turn.error(text, code=turn.code)
