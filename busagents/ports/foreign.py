"""Agents of another system on the same NATS, as a participant prompts them: found by name, answered in pieces, not resumable."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

import msgspec

from busagents.domain.messages import FilePart, Message


class Said(msgspec.Struct, frozen=True):
    """A piece of the answer: text, and files that come with it."""

    text: str
    files: tuple[FilePart, ...] = ()


class Asked(msgspec.Struct, frozen=True):
    """A question in the middle of the answer. `reply_to` is where its one answer goes; the answer's stream stays open meanwhile."""

    id: str
    reply_to: str
    message: Message


class Alive(msgspec.Struct, frozen=True):
    """The prompt was sent, or the other side says that it works on it."""


class Refused(msgspec.Struct, frozen=True):
    """There will be no answer. `reason` is a stable word; `unknown`: it may have done the work all the same."""

    reason: str
    text: str
    unknown: bool = False


ForeignItem = Said | Asked | Alive | Refused


class ForeignAgent(Protocol):
    """One agent of the other system."""

    def prompt(self, message: Message) -> AsyncGenerator[ForeignItem, None]:
        """Send a prompt once, and yield what comes back, an Alive as soon as it is sent; ends with the answer, or behind a Refused. Closing it hangs up: the
        other side is not told.
        """
        ...

    async def answer(self, question: Asked, message: Message) -> None:
        """Answer a question of the stream that is open."""
        ...
