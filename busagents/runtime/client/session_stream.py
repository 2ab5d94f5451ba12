"""A session as it happens: what every participant records, in the log's order, and between that what is written right now.

The log is the truth and gives the order; the live feed is the hurry. A live message only says that there is something to read.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncGenerator

import msgspec

from busagents.domain.codec import decode_entry
from busagents.domain.events import TERMINAL
from busagents.domain.subjects import ThreadRef
from busagents.errors import InvalidInput, UnreadableEntry
from busagents.ports.log import Bus, LiveMessage, StoredMessage
from busagents.runtime.client.follow import decoded
from busagents.runtime.client.live_session import LiveQueue, LiveSessions
from busagents.runtime.client.live_text import LiveText, OpenTurn
from busagents.runtime.client.task_event import TaskEvent, read_events, task_of_entry
from busagents.runtime.journal import given_id
from busagents.runtime.performer import Delta

_LOOK_AGAIN = 2.0  # seconds: messages to participants are not announced live
_TERMINAL = {event.type for event in TERMINAL}


class SessionDelta(msgspec.Struct, frozen=True):
    """A piece of text or progress, live, and whose it is."""

    ref: ThreadRef
    delta: Delta


class Place(msgspec.Struct, frozen=True, order=True):
    """How far a reader is: it was shown everything before `position` of the log, and of the entry there the first `events`
    events (None: all of it). As text `57`, or `57.2`.
    """

    position: int = 0
    events: int | None = None

    def __str__(self) -> str:
        return str(self.position) if self.events is None else f"{self.position}.{self.events}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """The inverse of str().

        Raises:
            InvalidInput: the text is no place.
        """
        position, dot, events = text.partition(".")
        parts = [position, events] if dot else [position]
        if not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts):
            raise InvalidInput(f"{text[:80]!r} is no place in the log: use what `str(stream.place)` gave, such as '57' or '57.2'")
        return cls(int(position), int(events) if dot else None)


class SessionStream:
    """Made by `Client.stream`; iterate over it once. Entries are yielded in the log's order, each event once; live deltas come
    between them, each character of an attempt once and in order, and none of a turn whose text is recorded.

    Canceling the wait for the next item (a timeout around it) ends the stream: go on with another one behind `place`.
    """

    def __init__(self, bus: Bus, sessions: LiveSessions, session: str, after: int | Place, until: str | None) -> None:
        self._bus = bus
        self._sessions = sessions
        self._session = session
        self._place = after if isinstance(after, Place) else Place(after)
        if self._place.position < 0:
            raise InvalidInput(
                f"after={self._place} is no position of the log: positions begin at 1, and 0 is before all of them"
            )
        self._until = until
        self._until_ref: ThreadRef | None = None
        self._over = False
        self._start = self._place
        self._read_to = 0
        self._read_at = 0.0
        self._turns: defaultdict[ThreadRef, OpenTurn] = defaultdict(OpenTurn)
        self._texts: dict[ThreadRef, LiveText] = {}
        self._items = self._run()

    @property
    def place(self) -> Place:
        """Where to go on behind what was yielded: give it to another `Client.stream` as `after`."""
        return self._place

    def __aiter__(self) -> SessionStream:
        return self

    async def __anext__(self) -> TaskEvent | SessionDelta:
        return await anext(self._items)

    async def aclose(self) -> None:
        """Stop watching."""
        await self._items.aclose()

    async def _run(self) -> AsyncGenerator[TaskEvent | SessionDelta, None]:
        live = await self._sessions.get(self._session)
        queue = live.open(None)
        try:
            async with contextlib.aclosing(self._stored()) as stored:
                async for event in stored:
                    yield event
            await self._ask_open()
            while not self._over:
                batch = await self._heard(queue)
                deltas = self._deltas(batch)
                if self._behind(batch, deltas):
                    async with contextlib.aclosing(self._stored()) as stored:
                        async for event in stored:
                            yield event
                for item in deltas:
                    piece = None if self._over else await self._piece(item)
                    if piece is not None:
                        yield piece
        finally:
            live.leave(None, queue)

    async def _heard(self, queue: LiveQueue) -> list[LiveMessage]:
        """All that waits, at least one message unless nothing comes before it is time to look again."""
        if queue.empty():
            patience = self._read_at + _LOOK_AGAIN - asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(max(0.0, patience)):
                    return [await queue.get()]
            except TimeoutError:
                return []
        return [queue.get_nowait() for _ in range(queue.qsize())]

    def _deltas(self, batch: list[LiveMessage]) -> list[SessionDelta]:
        """Raises the owner's LogError if the thread of the task that is waited for cannot go on."""
        deltas: list[SessionDelta] = []
        for message in batch:
            body = None if message.position else decoded(message.body)
            if body is None:
                continue
            if body.refused is not None and message.ref == self._until_ref:
                raise body.refused.as_error()
            deltas.extend(SessionDelta(message.ref, delta) for delta in body.deltas)
        return deltas

    def _behind(self, batch: list[LiveMessage], deltas: list[SessionDelta]) -> bool:
        """The log has, or may have, something that was not read."""
        if asyncio.get_running_loop().time() >= self._read_at + _LOOK_AGAIN:
            return True
        if any(message.position > self._read_to for message in batch):
            return True
        return any(self._turns[item.ref].place(item.delta) == "unknown" for item in deltas)

    async def _piece(self, item: SessionDelta) -> SessionDelta | None:
        if self._turns[item.ref].place(item.delta) != "now":
            return None
        piece = await self._text(item.ref).new(item.delta)
        return SessionDelta(item.ref, piece) if piece is not None else None

    async def _ask_open(self) -> None:
        """Who is in the middle of a text shall tell it from its beginning."""
        for ref in [ref for ref, turn in self._turns.items() if turn.writing]:
            await self._text(ref).ask()

    def _text(self, ref: ThreadRef) -> LiveText:
        if ref not in self._texts:
            self._texts[ref] = LiveText(self._bus, ref)
        return self._texts[ref]

    async def _stored(self) -> AsyncGenerator[TaskEvent, None]:
        """What is stored behind what was read. The first time that is all, to know which turns are open; what the reader was
        shown before is not yielded.
        """
        self._read_at = asyncio.get_running_loop().time()
        async for stored in self._bus.log.read_session(self._session, after=self._read_to):
            self._read_to = stored.position
            start, shown = self._start, 0
            if stored.position < start.position or (stored.position == start.position and start.events is None):
                self._note_shown(stored)
                if self._over:
                    return
                continue
            if stored.position == start.position:
                shown = start.events or 0
            events = await read_events(self._bus, stored)
            for number, event in enumerate(events, start=1):
                self._note(stored, event.type, event.task, event.turn, event.attempt)
                if number > shown:
                    self._place = Place(stored.position, number if number < len(events) else None)
                    yield event
                if self._over:
                    return
        self._read_at = asyncio.get_running_loop().time()

    def _note_shown(self, stored: StoredMessage) -> None:
        """An entry that is not yielded: its payloads are not fetched, and it need not be readable."""
        fallback = "" if stored.kind == "ev" else given_id(stored)
        try:
            entry = decode_entry(stored.body, where=f"position {stored.position}", fallback_id=fallback)
        except UnreadableEntry:
            return
        for record in entry.events:
            task = record.task or (task_of_entry(entry.id) if stored.kind == "in" else "")
            self._note(stored, record.type, task, record.turn, record.attempt)

    def _note(self, stored: StoredMessage, kind: str, task: str, turn: int, attempt: int) -> None:
        if self._until is not None and task == self._until:
            self._until_ref = stored.ref
        if stored.kind == "ev":
            self._turns[stored.ref].note(kind, task, turn, attempt)
            self._over = self._over or (task == self._until and kind in _TERMINAL)
