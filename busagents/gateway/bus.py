"""What the gateway needs of the bus, and no more: give tasks, answer and cancel them, read their facts, and follow them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, Protocol

import msgspec

from busagents.domain.events import Event, TaskInput, TaskSubmitted
from busagents.domain.subjects import Kind, ThreadRef


class Fact(msgspec.Struct, frozen=True, gc=False):
    """One event of a task's own thread. `position` is its entry's place in the log, `entry` the entry's id, `time` RFC 3339 UTC.

    An entry may hold several: they have the same position, and come in order.
    """

    position: int
    kind: Kind
    entry: str
    time: str
    task: str
    turn: int
    attempt: int
    event: Event


class Piece(msgspec.Struct, frozen=True, gc=False):
    """Something live, which no log has: text of an attempt, which begins at character `at` of it, or progress."""

    turn: int
    attempt: int
    text: str = ""
    at: int = 0
    progress: Any = None


class Submission(msgspec.Struct, frozen=True):
    """A task to be given. `entry` is the id under which it is stored: the same id again stores nothing new."""

    ref: ThreadRef
    task: str
    entry: str
    event: TaskSubmitted


class OnBus(msgspec.Struct, frozen=True):
    """A participant that is live now. `skills` are pairs of name and description."""

    name: str
    description: str
    version: str
    kind: str
    skills: tuple[tuple[str, str], ...] = ()


class Watch(Protocol):
    """A task that is followed. Behind `past`, `items` gives what its thread's owner records, each fact once and in the log's
    order, and between them what is written right now; without end. It holds a place in the log, not a queue: who is slow is
    fed from the log.
    """

    @property
    def past(self) -> Sequence[Fact]:
        """What was stored when the watch began, what others wrote included."""
        ...

    def items(self) -> AsyncGenerator[Fact | Piece, None]:
        """What comes. Iterate over it once."""
        ...

    async def close(self) -> None:
        """Stop. The task goes on."""
        ...


class GatewayBus(Protocol):
    """The bus as the gateway sees it. Any method raises BusError when the bus is away, LogError for a log nobody can trust."""

    async def known(self, participant: str) -> bool:
        """Whether the participant is or was on the bus."""
        ...

    async def participants(self) -> Sequence[OnBus]:
        """Who is live now, by name; of several processes one."""
        ...

    async def submit(self, submission: Submission) -> Watch:
        """Store a task and follow it. Its `past` is the submission alone, as stored if it was stored for the first time.

        Raises:
            InvalidInput: it cannot be stored as it is. Nothing was.
        """
        ...

    async def answer(self, ref: ThreadRef, task: str, answer: TaskInput, *, entry: str) -> None:
        """Store an answer to a question of the task."""
        ...

    async def cancel(self, ref: ThreadRef, task: str, reason: str) -> None:
        """Store that somebody wants the task to end."""
        ...

    async def read(self, ref: ThreadRef, task: str) -> Sequence[Fact]:
        """Every fact of the task that is stored now."""
        ...

    async def watch(self, ref: ThreadRef, task: str) -> Watch:
        """Read the task and follow it."""
        ...

    async def began(self, session: str) -> str | None:
        """The sender of the session's first task; None: there is no such session."""
        ...

    def session(self, session: str) -> AsyncIterator[tuple[ThreadRef, str, Fact | Piece]]:
        """Everything in a session from its beginning, and what comes: whose thread, which task, what. Without end."""
        ...

    def scan(self, *, after: int) -> AsyncIterator[tuple[int, ThreadRef, Fact | None]]:
        """The whole log behind a position, up to its tip: positions, and of each entry the facts that say where a task is."""
        ...


INDEXED = ("task.submitted", "task.started", "input.required", "input.answered", "task.completed", "task.failed", "task.canceled")
