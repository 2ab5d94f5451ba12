"""What several MemoryBus objects share, as processes share a server: entries, queues, listeners and blobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from busagents.adapters.memory.timers import MemoryTimers
from busagents.domain.subjects import Kind, ThreadRef
from busagents.ports.log import Announced, CatchUpHeard, LiveMessage, OwnsThread, StopHeard, StoredMessage

if TYPE_CHECKING:
    from busagents.adapters.memory.queue import MemoryQueue

MAX_PAYLOAD = 1024 * 1024  # bytes, as the server's max_payload


class MemoryStore:
    """One log and everything around it. Nothing is kept when it is dropped."""

    def __init__(self) -> None:
        self.queues: dict[str, MemoryQueue] = {}
        self.blobs: dict[str, bytes] = {}
        self.owners: list[tuple[str, OwnsThread]] = []
        self.stops: list[tuple[str, StopHeard]] = []
        self.catch_ups: list[tuple[str, CatchUpHeard]] = []
        self.watchers: list[tuple[str, Callable[[LiveMessage], None]]] = []
        self.announced: list[Announced] = []
        self.timers = MemoryTimers(lambda ref, body: self.store(ref, "in", body, None), MAX_PAYLOAD)
        self._entries: list[StoredMessage] = []
        self._heads: dict[ThreadRef, StoredMessage] = {}
        self._sent: dict[str, int] = {}  # entry id -> position

    def head(self, ref: ThreadRef) -> StoredMessage | None:
        """A thread's last `ev` entry."""
        return self._heads.get(ref)

    def sent(self, entry_id: str) -> int | None:
        """Where an entry of that id is, if it is."""
        return self._sent.get(entry_id)

    def entries(self, wanted: Callable[[ThreadRef], bool], after: int) -> Iterator[StoredMessage]:
        """Entries of wanted threads behind a position, in order, up to the tip at the first step."""
        for entry in self._entries[after:]:
            if wanted(entry.ref):
                yield entry

    def store(self, ref: ThreadRef, kind: Kind, body: bytes, entry_id: str | None) -> int:
        """Append without any check, and let everybody hear it."""
        position = len(self._entries) + 1
        stamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        entry = StoredMessage(ref, kind, position, entry_id, body, stamp)
        self._entries.append(entry)
        if entry_id is not None:
            self._sent[entry_id] = position
        if kind == "ev":
            before = self._heads.get(ref)
            self._heads[ref] = entry
            self.publish(LiveMessage(ref, body, position, before.position if before is not None else 0))
            return position
        if ref.participant in self.queues:
            self.queues[ref.participant].offer(entry)
        if kind == "stop":
            for participant, callback in self.stops:
                if participant == ref.participant:
                    callback(ref, body)
        return position

    def publish(self, message: LiveMessage) -> None:
        """Let the session's watchers hear it."""
        for session, hear in self.watchers:
            if session == message.ref.session:
                hear(message)
