"""A participant's durable queue in memory: who holds what, and what comes back when its holder is silent."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from busagents.ports.log import StoredMessage


class Taker(Protocol):
    """An open inbox."""

    @property
    def free(self) -> int:
        """How many more it takes now."""
        ...

    def take(self, item: Item) -> None:
        """Hold an item."""
        ...


class Item:
    """An entry on its way through the queue."""

    def __init__(self, message: StoredMessage) -> None:
        self.message = message
        self.deliveries = 0
        self.done = False
        self.timer: asyncio.TimerHandle | None = None


class MemoryQueue:
    """What a durable consumer is on the server: it outlives the inboxes that are open on it. `ack_wait` in seconds."""

    def __init__(self, ack_wait: float) -> None:
        self.ack_wait = ack_wait
        self._waiting: deque[Item] = deque()
        self._takers: deque[Taker] = deque()

    def offer(self, message: StoredMessage) -> None:
        """A new entry for the participant."""
        self._waiting.append(Item(message))
        self.dispatch()

    def join(self, taker: Taker) -> None:
        """An inbox opens."""
        self._takers.append(taker)
        self.dispatch()

    def leave(self, taker: Taker) -> None:
        """An inbox takes no more."""
        if taker in self._takers:
            self._takers.remove(taker)

    def dispatch(self) -> None:
        """Hand out what waits, in turn to the inboxes that have room."""
        for _ in range(len(self._waiting)):
            taker = next((taker for taker in self._takers if taker.free > 0), None)
            if taker is None:
                return
            item = self._waiting.popleft()
            if item.done:
                continue
            self._takers.remove(taker)
            self._takers.append(taker)
            item.deliveries += 1
            self.hold(item, self.ack_wait)
            taker.take(item)

    def hold(self, item: Item, seconds: float) -> None:
        """(Re)start the time after which the item comes back."""
        if item.timer is not None:
            item.timer.cancel()
        if not item.done:
            item.timer = asyncio.get_running_loop().call_later(seconds, self._back, item)

    def finish(self, item: Item) -> None:
        """Never hand it out again."""
        item.done = True
        if item.timer is not None:
            item.timer.cancel()

    def _back(self, item: Item) -> None:
        if item not in self._waiting:  # a late word of a former holder changes nothing
            self._waiting.appendleft(item)
            self.dispatch()
