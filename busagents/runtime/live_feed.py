"""Deltas to whoever watches: coalesced to 30 ms, numbered per thread, best effort."""

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
    """What a watcher receives beside stored entries: `n` counts a process's messages per thread from 1."""

    n: int = 0
    deltas: tuple[Delta, ...] = ()
    refused: Refusal | None = None


class LiveFeed:
    """Collects deltas and publishes them."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: dict[ThreadRef, list[Delta]] = {}
        self._count: dict[ThreadRef, int] = {}
        self._flush: asyncio.Task[None] | None = None

    def add(self, ref: ThreadRef, delta: Delta) -> None:
        """Queue a delta; text of one attempt is joined."""
        waiting = self._waiting.setdefault(ref, [])
        if (
            waiting
            and delta.text
            and waiting[-1].text
            and waiting[-1].attempt == delta.attempt
            and waiting[-1].turn == delta.turn
        ):
            waiting[-1] = replace(waiting[-1], text=waiting[-1].text + delta.text)
        else:
            waiting.append(delta)
        if self._flush is None or self._flush.done():
            self._flush = asyncio.create_task(self._later())

    async def _later(self) -> None:
        await asyncio.sleep(_PERIOD)
        waiting, self._waiting = self._waiting, {}
        for ref, deltas in waiting.items():
            number = self._count[ref] = self._count.get(ref, 0) + 1
            await self._bus.publish_live(ref, msgspec.json.encode(LiveMessageBody(number, tuple(deltas))))
