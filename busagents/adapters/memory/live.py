"""The live feed in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from busagents.adapters.memory.store import MemoryStore
from busagents.ports.log import LiveMessage

_KEPT = 4096  # messages a slow reader may be behind


class MemoryLive:
    """ports.log.LiveSubscription."""

    def __init__(self, store: MemoryStore, session: str) -> None:
        self._store = store
        self._entry = (session, self._hear)
        self._queue: asyncio.Queue[LiveMessage | None] = asyncio.Queue()
        store.watchers.append(self._entry)

    def _hear(self, message: LiveMessage) -> None:
        if self._queue.qsize() >= _KEPT:
            self._queue.get_nowait()  # the oldest goes: the log has what matters
        self._queue.put_nowait(message)

    async def __aiter__(self) -> AsyncIterator[LiveMessage]:
        while (message := await self._queue.get()) is not None:
            yield message

    async def close(self) -> None:
        """See LiveSubscription.close. Iteration ends behind what was heard before."""
        if self._entry in self._store.watchers:
            self._store.watchers.remove(self._entry)
            self._queue.put_nowait(None)
