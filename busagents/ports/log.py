"""The event log port: fenced appends to a thread, unfenced sends to others, reads in order, and the blob store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal, Protocol

import msgspec

from busagents.domain.subjects import Kind, ThreadRef


class StoredMessage(msgspec.Struct, frozen=True, gc=False):
    """One entry as stored. `position` is its place in the whole log (1, 2, …; gaps are allowed); `body` the exact bytes.

    `entry_id` is what the writer gave as id (None when a plain client gave none, and on what a timer stored); `time` is the store's, RFC 3339 UTC.
    """

    ref: ThreadRef
    kind: Kind
    position: int
    entry_id: str | None
    body: bytes
    time: str = ""


class EventLog(Protocol):
    """The one source of truth."""

    async def append(self, ref: ThreadRef, body: bytes, *, entry_id: str, head: int, types: str) -> int:
        """Append a fact (`ev`) to a thread if its last `ev` entry is still at position `head` (0: none yet).

        `entry_id` is fresh for each decision and kept over retries of it; `types` are the event types, comma-separated.
        Returns the new head. Returns only when stored.

        Raises:
            Fenced: another writer appended first. Permanent.
            LogFull: no room; nothing stored.
            EntryTooLarge: above the server's limit; nothing stored.
            AppendUnresolved: the deadline passed and it is not known whether it was stored.
        """
        ...

    async def send(self, ref: ThreadRef, kind: Literal["in", "stop"], body: bytes, *, entry_id: str, types: str) -> int:
        """Append a message to another's thread. Safe to repeat with the same `entry_id`. Returns its position.

        Raises:
            LogFull, EntryTooLarge, AppendUnresolved: as for append.
        """
        ...

    def read_thread(self, ref: ThreadRef, *, after: int = 0) -> AsyncIterator[StoredMessage]:
        """Every entry of a thread (`in`, `ev` and `stop`) behind position `after`, in order, up to the log's tip at the call."""
        ...

    def read_session(self, session: str, *, after: int = 0) -> AsyncIterator[StoredMessage]:
        """Every entry of all participants in a session behind position `after`, in order, up to the tip at the call."""
        ...

    def read_participant(self, participant: str, *, after: int = 0) -> AsyncIterator[StoredMessage]:
        """Every entry of one participant's threads in all sessions, in order ('*' as participant: the whole log)."""
        ...

    async def head(self, ref: ThreadRef) -> StoredMessage | None:
        """The thread's last `ev` entry, from the leader, or None."""
        ...


class Delivery(Protocol):
    """One message of a participant's inbox, held until it is acknowledged."""

    @property
    def message(self) -> StoredMessage:
        """The entry (`in` or `stop`)."""
        ...

    @property
    def deliveries(self) -> int:
        """How often it has been delivered, this one included (1: the first time)."""
        ...

    @property
    def token(self) -> str:
        """An opaque handle by which a supervisor can give the message back when this process is dead."""
        ...

    async def in_progress(self) -> None:
        """Reset the redelivery timer."""
        ...

    async def ack(self) -> None:
        """Done: never deliver again. Returns when the store confirmed it; a lost confirmation is harmless and not raised."""
        ...

    async def nak(self, delay: float = 0.0) -> None:
        """Give it back, to be delivered again after `delay` seconds."""
        ...

    async def term(self) -> None:
        """Never deliver again although it was not answered (its failure is recorded in the log)."""
        ...


class Inbox(Protocol):
    """A participant's durable queue, shared by all its replicas."""

    def deliveries(self) -> AsyncIterator[Delivery]:
        """Yield deliveries for ever, never more unfinished ones than the credits allow. Ends after `close()`."""
        ...

    def release(self, count: int = 1) -> None:
        """Give back the credit of a finished delivery, so that another may be asked for."""
        ...

    async def close(self) -> None:
        """Stop asking for more. What is held stays held."""
        ...


class LiveMessage(msgspec.Struct, frozen=True, gc=False):
    """What a watcher hears: a republished `ev` entry (`position` > 0, `previous` = the thread's `ev` position before it) or a delta."""

    ref: ThreadRef
    body: bytes
    position: int = 0
    previous: int = 0


class LiveSubscription(Protocol):
    """An open subscription to the live feed. Bounded: a slow reader loses the oldest (the log has what matters)."""

    def __aiter__(self) -> AsyncIterator[LiveMessage]: ...

    async def close(self) -> None:
        """Stop listening."""
        ...


class Bus(Protocol):
    """Everything a participant's process needs of the outside: the log, its inbox, the live feed, ownership questions, timers,
    blobs.
    """

    @property
    def log(self) -> EventLog:
        """The log."""
        ...

    async def inbox(self, participant: str, *, credits: int) -> Inbox:
        """Open the participant's inbox; at most `credits` unfinished deliveries at once."""
        ...

    async def publish_live(self, ref: ThreadRef, body: bytes) -> None:
        """Send a delta to whoever watches. Best effort."""
        ...

    async def watch_session(self, session: str, *, settled: bool = True) -> LiveSubscription:
        """Hear the live feed of a session.

        Active on the server when this returns; without `settled` (it saves a round trip) only before whatever this
        connection sends later, which is enough to hear the answer to it.
        """
        ...

    async def hear_stops(self, participant: str, callback: StopHeard) -> None:
        """Call `callback(ref, body)` at once for each cancel published to the participant, besides its durable delivery."""
        ...

    async def answer_owner(self, participant: str, owns: OwnsThread) -> None:
        """Answer ownership questions of other replicas: yes when `owns(ref)`, silence otherwise."""
        ...

    async def ask_owner(self, ref: ThreadRef, *, timeout: float) -> bool:
        """True if a live process answers within `timeout` seconds that it holds the thread."""
        ...

    async def hear_catch_ups(self, participant: str, callback: CatchUpHeard) -> None:
        """Call `callback(ref)` at once for each thread of the participant whose text somebody asks for."""
        ...

    async def ask_catch_up(self, ref: ThreadRef) -> None:
        """Ask whoever writes in the thread to show its text from the beginning on the live feed. Best effort."""
        ...

    async def set_timer(self, ref: ThreadRef, timer: str, *, seconds: float, body: bytes) -> None:
        """`seconds` from now by the bus's own clock, store `body` (an `in` entry with an id in it) in the thread's `in`.

        A second timer of that name replaces the first. 0 or less: at once. It outlives this process and the server's
        restarts. In rare cases it fires twice, with the same body. Returns when the timer is stored.

        Raises:
            LogFull, EntryTooLarge, AppendUnresolved: as for append.
            BusUnreachable, StreamRefused: the server does not answer, or cannot keep timers.
        """
        ...

    async def drop_timer(self, ref: ThreadRef, timer: str) -> None:
        """It need not fire any more. Best effort, without waiting: one that fires all the same is ignored by the fold."""
        ...

    async def put_blob(self, data: bytes) -> str:
        """Store bytes under their sha256 (hex), which is returned. Storing the same bytes again does nothing."""
        ...

    async def get_blob(self, key: str) -> bytes:
        """The bytes of a blob, checked against their sha256.

        Raises:
            BlobMissing: absent or altered; the error names the key.
        """
        ...

    async def register(self, participant: str, *, description: str, version: str, metadata: dict[str, str]) -> None:
        """Announce the participant for discovery, ping and stats."""
        ...

    async def participants(self, *, timeout: float = 0.3) -> list[Announced]:
        """Who is live on the bus now, sorted by name then instance."""
        ...

    async def known(self, participant: str) -> bool:
        """True if the participant has an inbox on the bus, live or not."""
        ...

    async def close(self) -> None:
        """Flush and disconnect."""
        ...


class Announced(msgspec.Struct, frozen=True, gc=False):
    """One live instance of a participant."""

    name: str
    instance: str
    description: str
    version: str
    metadata: dict[str, str]


class StopHeard(Protocol):
    """Called with each cancel heard."""

    def __call__(self, ref: ThreadRef, body: bytes) -> None: ...


class OwnsThread(Protocol):
    """Answers whether this process holds a thread now."""

    def __call__(self, ref: ThreadRef) -> bool: ...


class CatchUpHeard(Protocol):
    """Called with each thread whose text is asked for."""

    def __call__(self, ref: ThreadRef) -> None: ...
