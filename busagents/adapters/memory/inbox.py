"""An open inbox in memory, and the deliveries it hands out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from busagents.adapters.memory.queue import Item, MemoryQueue
from busagents.ports.log import Delivery, StoredMessage


class MemoryDelivery:
    """ports.log.Delivery. Like a server, the queue takes an acknowledgement of whoever gives it."""

    def __init__(self, queue: MemoryQueue, item: Item) -> None:
        self._queue = queue
        self._item = item
        self.deliveries = item.deliveries
        self.token = f"{item.message.position}.{item.deliveries}"

    @property
    def message(self) -> StoredMessage:
        """The entry."""
        return self._item.message

    async def in_progress(self) -> None:
        """See Delivery.in_progress."""
        self._queue.hold(self._item, self._queue.ack_wait)

    async def ack(self) -> None:
        """See Delivery.ack."""
        self._queue.finish(self._item)

    async def nak(self, delay: float = 0.0) -> None:
        """See Delivery.nak."""
        self._queue.hold(self._item, delay)

    async def term(self) -> None:
        """See Delivery.term."""
        self._queue.finish(self._item)


class MemoryInbox:
    """ports.log.Inbox."""

    def __init__(self, queue: MemoryQueue, credits: int) -> None:
        self.free = credits
        self._source = queue
        self._queue: asyncio.Queue[Delivery | None] = asyncio.Queue()

    def take(self, item: Item) -> None:
        """Called by the queue."""
        self.free -= 1
        self._queue.put_nowait(MemoryDelivery(self._source, item))

    async def deliveries(self) -> AsyncIterator[Delivery]:
        """See Inbox.deliveries."""
        while (delivery := await self._queue.get()) is not None:
            yield delivery

    def release(self, count: int = 1) -> None:
        """See Inbox.release."""
        self.free += count
        self._source.dispatch()

    async def close(self) -> None:
        """See Inbox.close. What was not yet yielded is given back at once."""
        self._source.leave(self)
        while not self._queue.empty():
            delivery = self._queue.get_nowait()
            if delivery is not None:
                await delivery.nak()
        self._queue.put_nowait(None)
