"""What carries out a command, what it is given for that, and what it shows while it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from busagents.domain.decision import Command
from busagents.domain.events import Recorded
from busagents.domain.state import ThreadState
from busagents.domain.subjects import ThreadRef


class Delta(msgspec.Struct, frozen=True, omit_defaults=True):
    """A live message: a piece of text or progress of one attempt. Never needed for recovery.

    `at` is where the text begins in the turn's whole text, in characters: a watcher sees whether it missed a piece.
    """

    task: str
    turn: int
    attempt: int
    text: str = ""
    at: int = 0
    progress: Any = None
    call: str = ""


Show = Callable[[ThreadRef, Delta], None]


class Feed(Protocol):
    """Where a model call's text goes."""

    def add(self, ref: ThreadRef, delta: Delta) -> None:
        """Show it to whoever watches, soon."""
        ...

    def turn_ended(self, ref: ThreadRef, task: str, turn: int) -> None:
        """The turn is whole and will be recorded, which shows all of its text: what waits of it is not needed."""
        ...


class Work(Protocol):
    """The thread that a command is carried out for."""

    @property
    def ref(self) -> ThreadRef:
        """Which thread."""
        ...

    @property
    def state(self) -> ThreadState:
        """As it is recorded now."""
        ...

    def elapsed(self) -> int:
        """The task's working time so far, in ms."""
        ...

    async def record(self, records: Sequence[Recorded]) -> None:
        """Store facts before going on. Returns when they are stored."""
        ...


class Performer(Protocol):
    """Carries out commands: the only place with effects."""

    async def perform(self, work: Work, command: Command) -> list[Recorded]:
        """The events the command ends in. A cancellation ends in none."""
        ...
