"""Processes that die at a chosen point, in the test's own process: from there on, nothing they do reaches the log.

To everybody else this is what a SIGKILL is: owners' questions go unanswered, what was held comes back, a successor may begin.
The points are those at which a real process may be killed so that it matters: before and after each append, each send and each
acknowledgement.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Literal

from busagents.adapters.memory.bus import MemoryBus
from busagents.adapters.memory.log import MemoryLog
from busagents.adapters.memory.store import MemoryStore
from busagents.bootstrap.kinds import Definition
from busagents.domain.subjects import ThreadRef
from busagents.ports.log import Delivery, Inbox
from tests.support.workers import Process


class MortalLog(MemoryLog):
    """The log as a process sees it that dies."""

    def __init__(self, store: MemoryStore, life: Life) -> None:
        super().__init__(store)
        self._life = life

    async def append(self, ref: ThreadRef, body: bytes, *, entry_id: str, head: int, types: str) -> int:
        """See EventLog.append."""
        await self._life.point()
        position = await super().append(ref, body, entry_id=entry_id, head=head, types=types)
        await self._life.point()
        return position

    async def send(self, ref: ThreadRef, kind: Literal["in", "stop"], body: bytes, *, entry_id: str, types: str) -> int:
        """See EventLog.send."""
        await self._life.point()
        position = await super().send(ref, kind, body, entry_id=entry_id, types=types)
        await self._life.point()
        return position


class Life:
    """Counts the points a process passes; at the last one it dies. `points` None: it lives on."""

    def __init__(self, points: int | None = None) -> None:
        self.left = points
        self.passed = 0
        self.dead = asyncio.Event()

    async def point(self) -> None:
        """A point where it may die."""
        if not self.dead.is_set():
            self.passed += 1
            if self.left is not None and self.passed >= self.left:
                self.dead.set()
        if self.dead.is_set():
            await asyncio.get_running_loop().create_future()  # a dead process does nothing any more


class MortalDelivery:
    """A delivery whose acknowledgements do not arrive any more once its holder is dead."""

    def __init__(self, delivery: Delivery, life: Life) -> None:
        self._delivery, self._life = delivery, life
        self.message, self.deliveries, self.token = delivery.message, delivery.deliveries, delivery.token
        self.finished = False

    async def in_progress(self) -> None:
        """See Delivery.in_progress."""
        if not self._life.dead.is_set():
            await self._delivery.in_progress()

    async def ack(self) -> None:
        """See Delivery.ack."""
        await self._life.point()
        await self._delivery.ack()
        self.finished = True
        await self._life.point()

    async def nak(self, delay: float = 0.0) -> None:
        """See Delivery.nak."""
        if not self._life.dead.is_set():
            await self._delivery.nak(delay)
            self.finished = True

    async def term(self) -> None:
        """See Delivery.term."""
        if not self._life.dead.is_set():
            await self._delivery.term()
            self.finished = True

    async def give_back(self) -> None:
        """What a supervisor does for a dead process."""
        if not self.finished:
            await self._delivery.nak()


class MortalInbox:
    """An inbox that ends with its process."""

    def __init__(self, inbox: Inbox, life: Life) -> None:
        self._inbox, self._life = inbox, life
        self.held: list[MortalDelivery] = []

    async def deliveries(self) -> AsyncIterator[Delivery]:
        """See Inbox.deliveries."""
        async for delivery in self._inbox.deliveries():
            held = MortalDelivery(delivery, self._life)
            self.held = [item for item in self.held if not item.finished]
            self.held.append(held)
            if self._life.dead.is_set():
                await held.give_back()
            else:
                yield held

    def release(self, count: int = 1) -> None:
        """See Inbox.release."""
        if not self._life.dead.is_set():
            self._inbox.release(count)

    async def close(self) -> None:
        """See Inbox.close."""
        await self._inbox.close()


class MortalBus(MemoryBus):
    """A process's connection that dies with it."""

    def __init__(self, store: MemoryStore, life: Life) -> None:
        super().__init__(store, ack_wait=3600.0)
        self.life = life
        self._mortal_log = MortalLog(store, life)
        self._mortal_inboxes: list[MortalInbox] = []

    @property
    def log(self) -> MortalLog:
        """The log."""
        return self._mortal_log

    async def inbox(self, participant: str, *, credits: int) -> Any:
        """See Bus.inbox."""
        inbox = MortalInbox(await super().inbox(participant, credits=credits), self.life)
        self._mortal_inboxes.append(inbox)
        return inbox

    async def publish_live(self, ref: ThreadRef, body: bytes) -> None:
        """See Bus.publish_live."""
        if not self.life.dead.is_set():
            await super().publish_live(ref, body)

    async def bury(self) -> None:
        """What the server and a supervisor do when a process is gone."""
        await super().close()
        for inbox in self._mortal_inboxes:
            for delivery in inbox.held:
                await delivery.give_back()


class Immortal:
    """A participant whose process is started again whenever it dies. `lives` says how many points each life has; then it lives on."""

    def __init__(self, store: MemoryStore, definition: Definition, lives: list[int]) -> None:
        self.deaths = 0
        self._store, self._definition, self._lives = store, definition, lives
        self._running: Process | None = None
        self._ready = asyncio.Event()
        self._keeper = asyncio.create_task(self._keep())

    async def ready(self) -> None:
        """Wait until it serves its inbox."""
        await self._ready.wait()

    async def _keep(self) -> None:
        while True:
            life = Life(self._lives.pop(0) if self._lives else None)
            bus = MortalBus(self._store, life)
            self._running = Process(bus, self._definition)
            await self._running.ready()
            self._ready.set()
            await life.dead.wait()
            self.deaths += 1
            await bus.bury()

    async def end(self) -> None:
        """Stop it for good."""
        self._keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._keeper
        if self._running is not None and not self._running.bus.life.dead.is_set():  # type: ignore[attr-defined]
            await self._running.end()


def leftovers() -> list[asyncio.Task[Any]]:
    """The tasks of dead processes, to be canceled when a test is over."""
    return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
