"""A ToolContext without a bus, for unit tests of tools."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from busagents.domain.messages import Message
from busagents.domain.participant import Participant
from busagents.errors import InvalidInput


class LocalState:
    """A `State` that lives in this process. Values go through JSON, as they do on the bus."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}

    def get(self, key: str, default: Any = None) -> Any:
        """The value under `key`, or `default`."""
        return msgspec.json.decode(self._values[key]) if key in self._values else default

    def set(self, key: str, value: Any) -> None:
        """Put a JSON value under `key`.

        Raises:
            InvalidInput: the value is not JSON.
        """
        try:
            self._values[key] = msgspec.json.encode(value)
        except (TypeError, UnicodeError, RecursionError) as problem:
            raise InvalidInput(
                f"state {key!r} cannot hold a {type(value).__name__} ({problem}); store JSON: text, numbers, lists, dicts"
            ) from None

    def delete(self, key: str) -> None:
        """Remove `key`; nothing happens when it is absent."""
        self._values.pop(key, None)

    def keys(self) -> list[str]:
        """The keys, sorted."""
        return sorted(self._values)


@dataclass
class LocalToolContext:
    """Pass one to a tool that takes a `ToolContext`, then look at `state`, `session` and `emitted`."""

    participant: str = "agent"
    session_id: str = "session"
    task_id: str = "task"
    call_id: str = "call"
    attempt: int = 1
    idempotency_key: str = "key"
    cancelled: bool = False
    state: LocalState = field(default_factory=LocalState)
    session: LocalState = field(default_factory=LocalState)
    emitted: list[str | dict[str, Any]] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    """What `ask` and `call` give, in order."""
    sync: bool = False
    """True for a tool that is no coroutine: it gets the answers as they are; an async one awaits them."""
    asked: list[str] = field(default_factory=list)
    answer: str | None = None

    def emit(self, progress: str | dict[str, Any]) -> None:
        """Keep the progress in `emitted`."""
        self.emitted.append(progress)

    def ask(self, question: str, *, schema: Any = None, timeout: float | None = None, default: Any = None) -> Any:
        """Note the question; the next of `answers`."""
        self.asked.append(question)
        return self._next()

    def call(self, participant: Participant | str, message: str | Message, *, output_type: Any = None) -> Any:
        """Note what was called with what; the next of `answers`."""
        name = participant if isinstance(participant, str) else participant.name
        self.asked.append(f"{name}: {message if isinstance(message, str) else message.text}")
        return self._next()

    def end_task(self, text: str) -> None:
        """Keep the text in `answer`."""
        self.answer = text

    def _next(self) -> Any:
        if not self.answers:
            raise InvalidInput(f"nobody answers {self.asked[-1]!r} here: pass LocalToolContext(answers=[…])")
        answer = self.answers.pop(0)
        return answer if self.sync else _given(answer)


async def _given(answer: Any) -> Any:
    return answer
