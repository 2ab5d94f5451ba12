"""Workers in the test's own process on a bus in memory: each `working` block is what a process of the participant is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from busagents.adapters.memory.bus import MemoryBus
from busagents.adapters.memory.store import MemoryStore
from busagents.bootstrap.participant import _make_worker
from busagents.bootstrap.services import Definition
from busagents.ports.log import Bus
from busagents.runtime.client.client import Client
from busagents.runtime.clock import SystemClock
from busagents.runtime.journal import Journal
from busagents.runtime.live_feed import LiveFeed
from busagents.runtime.status import StatusWriter
from busagents.settings import Settings


class Process:
    """A participant's worker, started."""

    def __init__(self, bus: Bus, definition: Definition) -> None:
        settings = Settings(always_replay=True)
        self.bus = bus
        self.feed = LiveFeed(bus)
        self.worker, _ = _make_worker(definition, bus, SystemClock(), settings, StatusWriter(None), self.feed)
        self.stop = asyncio.Event()
        self._ready = asyncio.Event()
        self._task = asyncio.create_task(self.worker.run(self._ready.set, self.stop))

    async def ready(self) -> None:
        """Wait until it serves its inbox."""
        waiting = asyncio.create_task(self._ready.wait())
        await asyncio.wait({waiting, self._task}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._task.done():
            self._task.result()

    async def end(self) -> None:
        """As at SIGTERM: stop, and wait until it has."""
        self.stop.set()
        await self._task
        await self.feed.close()
        await self.bus.close()


@asynccontextmanager
async def working(store: MemoryStore, *definitions: Definition, ack_wait: float = 10.0) -> AsyncIterator[Client]:
    """Run the participants until the block ends, each on a connection of its own, and give a client of the same log."""
    processes = [Process(MemoryBus(store, ack_wait=ack_wait), definition) for definition in definitions]
    bus = MemoryBus(store)
    try:
        for process in processes:
            await process.ready()
        yield Client(bus, Journal(bus, SystemClock()))
    finally:
        for process in processes:
            await process.end()
        await bus.close()
