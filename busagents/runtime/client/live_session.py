"""One live subscription per session, shared by everything in this process that watches threads of it."""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict, defaultdict
from weakref import WeakSet

from busagents.domain.subjects import ThreadRef
from busagents.ports.log import Bus, LiveMessage, LiveSubscription

_IDLE_KEPT = 64  # subscriptions kept open for the next task of their session
_LOOKED_AT = 8  # of them, when another one is opened: however many are watched, that costs the same
_QUEUE = 2048  # messages a slow watcher may lag; beyond that the oldest go, and it reads the log instead

LiveQueue = asyncio.Queue[LiveMessage]


class LiveSession:
    """Hands a session's live messages to the queues of those who watch it, or a thread of it."""

    def __init__(self, subscription: LiveSubscription) -> None:
        self._subscription = subscription
        # Weak: a handle on a task that nobody reads goes, and its queue with it.
        self._queues: defaultdict[ThreadRef | None, WeakSet[LiveQueue]] = defaultdict(WeakSet)
        self._pump = asyncio.create_task(self._run())

    @property
    def idle(self) -> bool:
        """Nobody watches."""
        return not any(self._queues.values())

    def open(self, ref: ThreadRef | None) -> LiveQueue:
        """Start to collect a thread's messages; those of the whole session for None."""
        queue: LiveQueue = asyncio.Queue(_QUEUE)
        self._queues[ref].add(queue)
        return queue

    def leave(self, ref: ThreadRef | None, queue: LiveQueue) -> None:
        """Stop collecting."""
        self._queues[ref].discard(queue)
        if not self._queues[ref]:
            del self._queues[ref]

    async def close(self) -> None:
        """Unsubscribe."""
        self._pump.cancel()
        await self._subscription.close()

    async def _run(self) -> None:
        async for message in self._subscription:
            for watched in (message.ref, None):
                for queue in self._queues.get(watched, ()):
                    if queue.full():
                        queue.get_nowait()
                    queue.put_nowait(message)


class LiveSessions:
    """The sessions that are watched, and some that were lately."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._open: OrderedDict[str, LiveSession] = OrderedDict()
        self._opening = asyncio.Lock()

    async def get(self, session: str) -> LiveSession:
        """The session's subscription, made if there is none."""
        known = self._open.get(session)
        if known is not None:
            self._open.move_to_end(session)
            return known
        async with self._opening:
            if session not in self._open:
                self._open[session] = LiveSession(await self._bus.watch_session(session, settled=False))
                await self._close_idle()
        return self._open[session]

    async def close(self) -> None:
        """Close all."""
        for session in self._open.values():
            await session.close()
        self._open.clear()

    async def _close_idle(self) -> None:
        """Close the oldest of those that are too many. A few are looked at each time; one that is watched is as good as new."""
        surplus = len(self._open) - _IDLE_KEPT
        if surplus > 0:
            for name in list(itertools.islice(self._open, min(surplus, _LOOKED_AT))):
                if self._open[name].idle:  # still, after the wait for the one before
                    await self._open.pop(name).close()
                else:
                    self._open.move_to_end(name)
