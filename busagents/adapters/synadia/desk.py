"""What the facade needs of our bus: who is there, a task, and what becomes of it. Put on a client by `bootstrap.synadia`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Protocol

import msgspec

from busagents.domain.messages import Message, Part


class Listed(msgspec.Struct, frozen=True, order=True):
    """A participant that is live now."""

    name: str
    description: str = ""
    version: str = "0.0.0"
    kind: str = ""


class Text(msgspec.Struct, frozen=True):
    """The next piece of the answer's text."""

    text: str


class Question(msgspec.Struct, frozen=True):
    """The task waits for an answer."""

    request: str
    message: Message


class Settled(msgspec.Struct, frozen=True):
    """A question needs no answer any more: it has one, whoever gave it."""

    request: str


class Done(msgspec.Struct, frozen=True):
    """The task has its answer. `parts` are those that are no text of the answer: files, data, artifacts."""

    parts: tuple[Part, ...] = ()


class Ended(msgspec.Struct, frozen=True):
    """The task ended without an answer, or can be followed no further. `code` is the protocol's."""

    code: int
    reason: str
    text: str


Update = Text | Question | Settled | Done | Ended


class Work(Protocol):
    """A task that was sent. It goes on whether anybody follows it or not."""

    @property
    def task(self) -> str:
        """Its id."""
        ...

    def updates(self) -> AsyncGenerator[Update, None]:
        """What becomes of it; ends behind a Done or an Ended."""
        ...

    async def answer(self, request: str, message: Message) -> str | None:
        """Answer a question. None once that is recorded; else why the answer does not count."""
        ...


class Desk(Protocol):
    """Takes tasks for participants, and follows them."""

    async def participants(self) -> Sequence[Listed]:
        """Who is live now, each once, sorted by name."""
        ...

    async def submit(self, participant: str, session: str, message: Message, metadata: dict[str, Any], *, fresh: bool) -> Work:
        """Send a task; returns when it is stored. Unless the session is a `fresh` one, what an earlier task in it asks is told too:
        the new one waits for that.

        Raises:
            NotFound: no participant of that name was ever on the bus.
            UsageError: a request that cannot be accepted.
            BusError: the bus cannot take it now.
        """
        ...
