"""Deltas to whoever watches: coalesced to 30 ms, numbered, best effort."""

from __future__ import annotations

import asyncio

import msgspec
from msgspec.structs import replace

from busagents.domain.subjects import ThreadRef
from busagents.ports.log import Bus
from busagents.runtime.performer import Delta

_PERIOD = 0.03  # seconds


class Refusal(msgspec.Struct, frozen=True):
    """The owner cannot trust or understand the thread's log: nothing can be recorded in it. `error` is the error's class name."""

    error: str
    message: str


class LiveMessageBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a watcher receives beside stored entries: `n` counts the messages of one process."""

    n: int = 0
    deltas: tuple[Delta, ...] = ()
    refused: Refusal | None = None


class LiveFeed:
    """Collects deltas and publishes them."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: dict[ThreadRef, list[Delta]] = {}
        self._count = 0
        self._flush: asyncio.Task[None] | None = None

    def add(self, ref: ThreadRef, delta: Delta) -> None:
        """Queue a delta; text of one attempt is joined."""
        waiting = self._waiting.setdefault(ref, [])
        if (
            waiting
            and delta.text
            and waiting[-1].text
            and (waiting[-1].task, waiting[-1].turn, waiting[-1].attempt) == (delta.task, delta.turn, delta.attempt)
        ):
            waiting[-1] = replace(waiting[-1], text=waiting[-1].text + delta.text)
        else:
            waiting.append(delta)
        if self._flush is None or self._flush.done():
            self._flush = asyncio.create_task(self._later())

    def turn_ended(self, ref: ThreadRef, task: str, turn: int) -> None:
        """See Feed.turn_ended."""
        waiting = [d for d in self._waiting.pop(ref, ()) if not d.text or (d.task, d.turn) != (task, turn)]
        if waiting:
            self._waiting[ref] = waiting

    async def close(self) -> None:
        """Publish what waits, before the bus is closed."""
        if self._flush is not None:
            self._flush.cancel()
        await self._publish()

    async def _later(self) -> None:
        await asyncio.sleep(_PERIOD)
        await self._publish()

    async def _publish(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for ref, deltas in waiting.items():
            self._count += 1
            await self._bus.publish_live(ref, msgspec.json.encode(LiveMessageBody(self._count, tuple(deltas))))
