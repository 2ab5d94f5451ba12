"""ports.log.Bus in memory, for tests and for trying things out without a server. Nothing outlives the process."""

from __future__ import annotations

import asyncio
import uuid

from busagents.adapters.memory.inbox import MemoryInbox
from busagents.adapters.memory.live import MemoryLive
from busagents.adapters.memory.log import MemoryLog
from busagents.adapters.memory.queue import MemoryQueue
from busagents.adapters.memory.store import MemoryStore
from busagents.domain.codec import sha256_hex
from busagents.domain.subjects import ThreadRef, check_token
from busagents.errors import BlobMissing
from busagents.ports.log import Announced, CatchUpHeard, LiveMessage, OwnsThread, StopHeard


class MemoryBus:
    """One process's connection to a MemoryStore. Two buses on one store share the log as two processes do.

    `ack_wait` in seconds: how long a delivery may be held in silence.
    """

    def __init__(self, store: MemoryStore | None = None, *, ack_wait: float = 10.0) -> None:
        self.store = store if store is not None else MemoryStore()
        self._ack_wait = ack_wait
        self._log = MemoryLog(self.store)
        self._inboxes: list[MemoryInbox] = []
        self._owners: list[tuple[str, OwnsThread]] = []
        self._stops: list[tuple[str, StopHeard]] = []
        self._catch_ups: list[tuple[str, CatchUpHeard]] = []
        self._announced: list[Announced] = []

    @property
    def log(self) -> MemoryLog:
        """The log."""
        return self._log

    async def inbox(self, participant: str, *, credits: int) -> MemoryInbox:
        """See Bus.inbox."""
        check_token(participant, "participant")
        queue = self.store.queues.get(participant)
        if queue is None:
            queue = self.store.queues[participant] = MemoryQueue(self._ack_wait)
            for entry in self.store.entries(lambda ref: ref.participant == participant, 0):
                if entry.kind != "ev":
                    queue.offer(entry)
        queue.ack_wait = self._ack_wait
        inbox = MemoryInbox(queue, credits)
        self._inboxes.append(inbox)
        queue.join(inbox)
        return inbox

    async def publish_live(self, ref: ThreadRef, body: bytes) -> None:
        """See Bus.publish_live."""
        self.store.publish(LiveMessage(ref, body))

    async def watch_session(self, session: str, *, settled: bool = True) -> MemoryLive:
        """See Bus.watch_session."""
        return MemoryLive(self.store, check_token(session, "session"))

    async def hear_stops(self, participant: str, callback: StopHeard) -> None:
        """See Bus.hear_stops."""
        self._stops.append((participant, callback))
        self.store.stops.append(self._stops[-1])

    async def answer_owner(self, participant: str, owns: OwnsThread) -> None:
        """See Bus.answer_owner."""
        self._owners.append((participant, owns))
        self.store.owners.append(self._owners[-1])

    async def ask_owner(self, ref: ThreadRef, *, timeout: float) -> bool:
        """See Bus.ask_owner."""
        asked = [owns for participant, owns in self.store.owners if participant == ref.participant]
        answers = [owns(ref) for owns in asked]  # everybody hears the question
        if True in answers:
            return True
        await asyncio.sleep(timeout if asked else 0)
        return False

    async def hear_catch_ups(self, participant: str, callback: CatchUpHeard) -> None:
        """See Bus.hear_catch_ups."""
        self._catch_ups.append((participant, callback))
        self.store.catch_ups.append(self._catch_ups[-1])

    async def ask_catch_up(self, ref: ThreadRef) -> None:
        """See Bus.ask_catch_up."""
        for participant, callback in list(self.store.catch_ups):
            if participant == ref.participant:
                callback(ref)

    async def set_timer(self, ref: ThreadRef, timer: str, *, seconds: float, body: bytes) -> None:
        """See Bus.set_timer."""
        await asyncio.sleep(0)  # others run, as they do while a server answers
        self.store.timers.set(ref.checked(), check_token(timer, "timer"), seconds, body)

    async def drop_timer(self, ref: ThreadRef, timer: str) -> None:
        """See Bus.drop_timer."""
        self.store.timers.drop(ref.checked(), check_token(timer, "timer"))

    async def put_blob(self, data: bytes) -> str:
        """See Bus.put_blob."""
        key = sha256_hex(data)
        self.store.blobs.setdefault(key, data)
        return key

    async def get_blob(self, key: str) -> bytes:
        """See Bus.get_blob."""
        data = self.store.blobs.get(key)
        if data is None:
            raise BlobMissing(f"blob {key} is not in the store: nothing was stored under it in this process")
        if sha256_hex(data) != key:
            raise BlobMissing(f"blob {key} in the store has other bytes than were stored")
        return data

    async def register(self, participant: str, *, description: str, version: str, metadata: dict[str, str]) -> None:
        """See Bus.register."""
        self._announced.append(Announced(participant, uuid.uuid4().hex, description, version, dict(metadata)))
        self.store.announced.append(self._announced[-1])

    async def participants(self, *, timeout: float = 0.3) -> list[Announced]:
        """See Bus.participants. Everybody answers at once."""
        return sorted(self.store.announced, key=lambda item: (item.name, item.instance))

    async def known(self, participant: str) -> bool:
        """See Bus.known."""
        return participant in self.store.queues

    async def close(self) -> None:
        """See Bus.close. Like the end of a process: what is held comes back after the ack wait."""
        for inbox in self._inboxes:
            await inbox.close()
        self.store.owners = [item for item in self.store.owners if item not in self._owners]
        self.store.stops = [item for item in self.store.stops if item not in self._stops]
        self.store.catch_ups = [item for item in self.store.catch_ups if item not in self._catch_ups]
        self.store.announced = [item for item in self.store.announced if item not in self._announced]
