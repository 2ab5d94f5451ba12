"""Deltas to whoever watches: coalesced to 30 ms, numbered, best effort; and to who joins late, the text so far."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from busagents.domain.subjects import ThreadRef
from busagents.errors import BlobMissing, ChainBroken, LogError, LogRegressed, UnreadableEntry
from busagents.ports.log import Bus
from busagents.runtime.performer import Delta

_PERIOD = 0.03  # seconds
_CHUNK = 50_000  # characters of a text told again in one message: below the server's limit however they are escaped


class Refusal(msgspec.Struct, frozen=True):
    """The owner cannot trust or understand the thread's log: nothing can be recorded in it. `error` is the error's class name."""

    error: str
    message: str

    def as_error(self) -> LogError:
        """What the owner raised."""
        kinds = (ChainBroken, UnreadableEntry, BlobMissing, LogRegressed)
        return next((kind for kind in kinds if kind.__name__ == self.error), LogError)(self.message)


class LiveMessageBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a watcher receives beside stored entries: `n` counts the messages of one process."""

    n: int = 0
    deltas: tuple[Delta, ...] = ()
    refused: Refusal | None = None


class _Written:
    """What one attempt has written until now, kept while the effect that writes it runs."""

    def __init__(self, first: Delta) -> None:
        self.first = first
        self.pieces = [first.text]
        self.length = len(first.text)

    def add(self, text: str) -> None:
        self.pieces.append(text)
        self.length += len(text)

    def deltas(self) -> Iterator[Delta]:
        text = "".join(self.pieces)
        for at in range(0, len(text), _CHUNK):
            yield replace(self.first, text=text[at : at + _CHUNK], at=at)


class LiveFeed:
    """Collects deltas and publishes them."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: dict[ThreadRef, list[Delta]] = {}
        self._written: dict[ThreadRef, _Written] = {}
        self._asked: set[ThreadRef] = set()
        self._count = 0
        self._flush: asyncio.Task[None] | None = None

    async def open(self, participant: str) -> None:
        """From here on, tell the text so far of the participant's threads at work here to whoever asks."""
        await self._bus.hear_catch_ups(participant, self._catch_up)

    def add(self, ref: ThreadRef, delta: Delta) -> None:
        """Queue a delta; text of one attempt is joined."""
        if delta.text:
            self._keep(ref, delta)
        waiting = self._waiting.setdefault(ref, [])
        if waiting and _continues(waiting[-1], delta):
            waiting[-1] = replace(waiting[-1], text=waiting[-1].text + delta.text)
        else:
            waiting.append(delta)
        self._soon()

    def turn_ended(self, ref: ThreadRef, task: str, turn: int) -> None:
        """See Feed.turn_ended."""
        written = self._written.get(ref)
        if written is not None and (written.first.task, written.first.turn) == (task, turn):
            del self._written[ref]
        waiting = [d for d in self._waiting.pop(ref, ()) if not d.text or (d.task, d.turn) != (task, turn)]
        if waiting:
            self._waiting[ref] = waiting

    async def close(self) -> None:
        """Publish what waits, before the bus is closed."""
        if self._flush is not None:
            self._flush.cancel()
        await self._publish()

    def _keep(self, ref: ThreadRef, delta: Delta) -> None:
        written = self._written.get(ref)
        if written is not None and _attempt(written.first) == _attempt(delta) and written.length == delta.at:
            written.add(delta.text)
            return
        writer = asyncio.current_task()
        if delta.at or writer is None:  # its beginning is not known here
            return
        self._written[ref] = kept = _Written(delta)

        def over(_: object) -> None:  # however it ended: nothing is kept of a thread that is not at work
            if self._written.get(ref) is kept:
                del self._written[ref]

        writer.add_done_callback(over)

    def _catch_up(self, ref: ThreadRef) -> None:
        if ref in self._written:
            self._asked.add(ref)
            self._soon()

    def _soon(self) -> None:
        if self._flush is None or self._flush.done():
            self._flush = asyncio.create_task(self._later())

    async def _later(self) -> None:
        await asyncio.sleep(_PERIOD)
        await self._publish()

    async def _publish(self) -> None:
        waiting, self._waiting = self._waiting, {}
        asked, self._asked = self._asked, set()  # several that ask at once have one answer
        again = [(ref, list(self._written[ref].deltas())) for ref in sorted(asked) if ref in self._written]
        for ref, deltas in waiting.items():
            await self._tell(ref, deltas)
        for ref, deltas in again:  # behind what waits, so that to those who heard all of it nothing of this is new
            for delta in deltas:
                await self._tell(ref, [delta])

    async def _tell(self, ref: ThreadRef, deltas: list[Delta]) -> None:
        self._count += 1
        await self._bus.publish_live(ref, msgspec.json.encode(LiveMessageBody(self._count, tuple(deltas))))


def _attempt(delta: Delta) -> tuple[str, int, int]:
    return delta.task, delta.turn, delta.attempt


def _continues(before: Delta, delta: Delta) -> bool:
    """One text goes on; a function that begins again tells its text from the beginning, in the same attempt."""
    both = bool(before.text and delta.text)
    return both and _attempt(before) == _attempt(delta) and before.at + len(before.text) == delta.at
