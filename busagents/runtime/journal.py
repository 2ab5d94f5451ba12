"""A thread's log, opened: read, checked, folded, and appended to under the fence."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from busagents.domain.codec import (
    VERSION,
    Entry,
    decode_entry,
    decode_record,
    derived_id,
    encode_entry,
    sha256_hex,
    to_record,
)
from busagents.domain.events import Recorded
from busagents.domain.state import ThreadState
from busagents.domain.subjects import ThreadRef
from busagents.domain.thread import Incoming, apply_events, as_consumed, check_chain, seal
from busagents.errors import BlobMissing, ChainBroken, Fenced, UnreadableEntry
from busagents.ports.clock import Clock
from busagents.ports.log import Bus, StoredMessage
from busagents.runtime import claim_check, failpoints


class OpenThread:
    """A thread as this process knows it: the folded state, where its head is, and messages not yet consumed."""

    def __init__(self, ref: ThreadRef) -> None:
        self.ref = ref
        self.state = ThreadState(ref)
        self.head = 0  # position of the last `ev` entry
        self.read_to = 0
        self.incoming: dict[str, Incoming] = {}
        self._doubles: list[Incoming] = []  # other messages of an id that waits: whoever consumed it had only one of them

    def offer(self, incoming: Incoming) -> None:
        """Keep a message until an entry consumes it; one that was consumed before is dropped."""
        if incoming.id not in self.state.seen and self.incoming.setdefault(incoming.id, incoming).sha256 != incoming.sha256:
            self._doubles.append(incoming)

    def consume(self, entry_id: str, sha256: str) -> Incoming | None:
        """Take out the message with this id and, if there are several, these bytes."""
        first = self.incoming.pop(entry_id, None)
        if not self._doubles:
            return first
        found = next((item for item in self._doubles if (item.id, item.sha256) == (entry_id, sha256)), first)
        self._doubles = [item for item in self._doubles if item.id != entry_id]
        return first if first is not None and first.sha256 == sha256 else found


class Journal:
    """Opens threads and appends to them. `always_replay` rebuilds the state from the log after each append and compares."""

    def __init__(self, bus: Bus, clock: Clock, *, always_replay: bool = False) -> None:
        self._bus = bus
        self._clock = clock
        self._always_replay = always_replay

    async def open(self, ref: ThreadRef, *, upto: int | None = None) -> OpenThread:
        """Read and fold a thread; `upto` stops behind the `ev` entry of that seq.

        Raises:
            ChainBroken, UnreadableEntry, BlobMissing: this thread cannot be trusted or understood; others can.
        """
        thread = OpenThread(ref)
        async for stored in self._bus.log.read_thread(ref):
            if upto is not None and thread.state.seq >= upto:
                break
            await self.take(thread, stored)
        return thread

    async def catch_up(self, thread: OpenThread) -> None:
        """Fold in what others stored since the thread was last read here.

        Raises:
            ChainBroken, UnreadableEntry, BlobMissing: see open().
        """
        async for stored in self._bus.log.read_thread(thread.ref, after=thread.read_to):
            if stored.kind != "ev" or stored.position > thread.head:
                await self.take(thread, stored)
            thread.read_to = stored.position

    async def refresh(self, thread: OpenThread) -> None:
        """Read what arrived since.

        Raises:
            Fenced: another process appended to the thread.
        """
        async for stored in self._bus.log.read_thread(thread.ref, after=thread.read_to):
            if stored.kind == "ev" and stored.position > thread.head:
                raise Fenced(f"thread {thread.ref} has entries by another process: it owns the thread now")
            if stored.kind != "ev":
                await self.take(thread, stored)
            thread.read_to = stored.position

    async def append(
        self, thread: OpenThread, consumed: Sequence[Incoming], records: Sequence[Recorded], *, state: ThreadState
    ) -> None:
        """Store one decision as one entry. `state` is the thread's state with it applied, which the caller has computed.

        Raises:
            Fenced, LogFull, EntryTooLarge, AppendUnresolved: see EventLog.append.
        """
        entry = Entry(
            v=VERSION,
            id=self._clock.new_id(),
            seq=thread.state.seq + 1,
            prev=thread.state.head,
            time=self._clock.now(),
            cause=consumed[0].id if consumed else "",
            consumed=tuple(incoming.consumed for incoming in consumed),
            events=tuple(to_record(recorded) for recorded in records),
        )
        body = encode_entry(await claim_check.check_in(self._bus, entry))
        if failpoints.armed():
            _pass(records, "before")
        types = ",".join(recorded.event.type for recorded in records)
        thread.head = await self._bus.log.append(thread.ref, body, entry_id=entry.id, head=thread.head, types=types)
        thread.state = seal(state, sha256_hex(body))
        for incoming in consumed:
            thread.consume(incoming.id, incoming.sha256)
        if failpoints.armed():
            _pass(records, "after")
        if self._always_replay:
            await self._compare(thread)

    async def take(self, thread: OpenThread, stored: StoredMessage) -> None:
        """Fold one stored entry in. Raises as open()."""
        thread.read_to = max(thread.read_to, stored.position)
        if stored.kind != "ev":
            thread.offer(await self.incoming(stored))
            return
        where = f"position {stored.position} of thread {thread.ref}"
        entry = decode_entry(stored.body, where=where)
        check_chain(thread.state, entry, where=where)
        decoded = [decode_record(await claim_check.claim(self._bus, record), where=where) for record in entry.events]
        records = [recorded for recorded in decoded if recorded is not None]
        consumed = [as_consumed(self._consumed(thread, item.id, item.sha256, where), records) for item in entry.consumed]
        state = apply_events(thread.state, consumed, records)
        thread.state = seal(state, sha256_hex(stored.body))
        thread.head = stored.position

    @staticmethod
    def _consumed(thread: OpenThread, entry_id: str, sha256: str, where: str) -> Incoming:
        incoming = thread.consume(entry_id, sha256)
        if incoming is None or incoming.sha256 != sha256:
            what = "is missing" if incoming is None else "was altered"
            raise ChainBroken(
                f"the entry at {where} consumed message {entry_id}, which {what} in the log. "
                "Do not write to this thread; restore it from an archive"
            )
        return incoming

    async def incoming(self, stored: StoredMessage) -> Incoming:
        """A message to the thread, decoded. Unreadable bytes become an Incoming with its `problem`: they are answered, not lost.

        Raises:
            BlobMissing: its payload is absent.
        """
        sha256 = sha256_hex(stored.body)
        where = f"position {stored.position} of thread {stored.ref} ({stored.kind})"
        fallback = given_id(stored)
        try:
            entry = decode_entry(stored.body, where=where, fallback_id=fallback)
            records = [decode_record(await claim_check.claim(self._bus, record), where=where) for record in entry.events]
        except (UnreadableEntry, BlobMissing) as error:
            missing = isinstance(error, BlobMissing)
            return Incoming(fallback, stored.kind, sha256, stored.position, (), problem=str(error), blob_missing=missing)
        events = tuple(_with_task(recorded, entry.id) for recorded in records if recorded is not None)
        wrong = next((recorded.event.type for recorded in events if recorded.event.kind != stored.kind), None)
        if wrong is not None:
            problem = f"event {wrong!r} does not belong into the subject's last token {stored.kind!r}; see docs/events.md"
            return Incoming(entry.id, stored.kind, sha256, stored.position, (), problem=problem)
        return Incoming(entry.id, stored.kind, sha256, stored.position, events)

    async def _compare(self, thread: OpenThread) -> None:
        replayed = await self.open(thread.ref)
        if replayed.state != thread.state:
            raise ChainBroken(f"the log of {thread.ref} folds to another state than the one in memory at seq {thread.state.seq}")


def given_id(stored: StoredMessage) -> str:
    """The id of a message whose body names none: its header's, or one made of where and what it is."""
    return stored.entry_id or derived_id(str(stored.ref), sha256_hex(stored.body), str(stored.position))


def _with_task(recorded: Recorded, entry_id: str) -> Recorded:
    recorded = replace(recorded, entry=entry_id)
    if recorded.task:
        return recorded
    return replace(recorded, task=derived_id("task", entry_id))


def _pass(records: Sequence[Recorded], when: str) -> None:
    failpoints.passage(f"{when}:append", *(f"{when}:{recorded.event.type}" for recorded in records))
