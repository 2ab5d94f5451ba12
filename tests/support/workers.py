"""Workers in the test's own process on a bus in memory: each `working` block is what a process of the participant is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from busagents.adapters.memory.bus import MemoryBus
from busagents.adapters.memory.log import MemoryLog
from busagents.adapters.memory.store import MemoryStore
from busagents.bootstrap.kinds import Definition
from busagents.bootstrap.participant import make_worker
from busagents.domain.subjects import ThreadRef
from busagents.ports.log import Bus
from busagents.runtime.client.client import Client
from busagents.runtime.clock import SystemClock
from busagents.runtime.journal import Journal
from busagents.runtime.live_feed import LiveFeed
from busagents.runtime.status import StatusWriter
from busagents.settings import Settings


class Gate:
    """A place where an append waits: `reached` is set when one does, and it goes on when `opened` is."""

    def __init__(self, fact: str) -> None:
        self.fact = fact
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()


class SlowLog(MemoryLog):
    """A log whose server is slow, or refuses, when told to."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.gates: list[Gate] = []
        self.refusals: list[Exception] = []
        self.failed = asyncio.Event()

    async def append(self, ref: ThreadRef, body: bytes, *, entry_id: str, head: int, types: str) -> int:
        """See EventLog.append."""
        if self.refusals:
            self.failed.set()
            raise self.refusals.pop(0)
        for gate in [gate for gate in self.gates if gate.fact in types.split(",")]:
            self.gates.remove(gate)
            gate.reached.set()
            await gate.opened.wait()
        return await super().append(ref, body, entry_id=entry_id, head=head, types=types)


class SlowBus(MemoryBus):
    """A bus on which the next append of a fact waits at a gate, or is refused."""

    def __init__(self, store: MemoryStore, *, ack_wait: float = 3600.0) -> None:
        super().__init__(store, ack_wait=ack_wait)
        self._slow_log = SlowLog(store)
        self.blob_failures: list[Exception] = []
        self.failed = self._slow_log.failed

    @property
    def log(self) -> SlowLog:
        """The log."""
        return self._slow_log

    def gate(self, fact: str) -> Gate:
        """Let the next entry that holds this fact wait."""
        self.log.gates.append(gate := Gate(fact))
        return gate

    async def get_blob(self, key: str) -> bytes:
        """See Bus.get_blob."""
        if self.blob_failures:
            self.failed.set()
            raise self.blob_failures.pop(0)
        return await super().get_blob(key)


@asynccontextmanager
async def process(bus: Bus, definition: Definition, *, status: StatusWriter | None = None) -> AsyncIterator[Process]:
    """Run one process of a participant on a bus of its own."""
    started = Process(bus, definition, status)
    try:
        await started.ready()
        yield started
    finally:
        await started.end()


def a_client(store: MemoryStore) -> Client:
    """A client of the log."""
    bus = MemoryBus(store)
    return Client(bus, Journal(bus, SystemClock()))


class Process:
    """A participant's worker, started."""

    def __init__(self, bus: Bus, definition: Definition, status: StatusWriter | None = None) -> None:
        settings = Settings(always_replay=True)
        self._participant = definition.name
        self.bus = bus
        self.feed = LiveFeed(bus)
        self._status = status or StatusWriter(None)
        self.worker, _ = make_worker(definition, bus, SystemClock(), settings, self._status, self.feed)
        self.stop = asyncio.Event()
        self._ready = asyncio.Event()
        self._task = asyncio.create_task(self.worker.run(self._ready.set, self.stop))

    async def ready(self) -> None:
        """Wait until it serves its inbox."""
        await self.feed.open(self._participant)
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
        self._status.flush()
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
