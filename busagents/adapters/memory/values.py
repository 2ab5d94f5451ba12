"""Small values by key in memory, changed only by who has read them."""

from __future__ import annotations

from datetime import UTC, datetime

from busagents.adapters.memory.inbox import MemoryInbox
from busagents.adapters.memory.queue import MemoryQueue
from busagents.domain.subjects import ThreadRef
from busagents.ports.log import StoredMessage


class MemoryValues:
    """As adapters.jetstream.values, for who shares the object."""

    def __init__(self, *, ack_wait: float = 10.0) -> None:
        self._queue = MemoryQueue(ack_wait)
        self._values: dict[str, tuple[bytes, int]] = {}
        self._revision = 0

    async def read(self, key: str) -> tuple[bytes, int] | None:
        """The value and its revision, if it is there."""
        return self._values.get(key)

    async def write(self, key: str, value: bytes | None, *, revision: int) -> bool:
        """Replace the value of that revision (0: there is none; None as value: remove it). False: somebody else was first."""
        if self._values.get(key, (b"", 0))[1] != revision:
            return False
        self._revision += 1
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = (value, self._revision)
            time = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            self._queue.offer(StoredMessage(ThreadRef("values", key), "in", self._revision, None, value, time))
        return True

    def inbox(self, *, credits: int) -> MemoryInbox:
        """As adapters.jetstream.value_inbox: each value is held by one reader at a time. Those that were replaced come too."""
        inbox = MemoryInbox(self._queue, credits)
        self._queue.join(inbox)
        return inbox
