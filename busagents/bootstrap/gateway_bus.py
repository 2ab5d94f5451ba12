"""The bus as the gateway needs it, over the runtime's own ways of reading and following a thread."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from busagents.domain.codec import VERSION, Entry, decode_entry, decode_record, derived_id, encode_entry, to_record
from busagents.domain.events import TERMINAL, Recorded, TaskCancel, TaskInput, TaskSubmitted
from busagents.domain.skills import read_skills
from busagents.domain.subjects import RESERVED_PARTICIPANT, ThreadRef
from busagents.errors import BlobMissing, UnreadableEntry
from busagents.gateway.bus import INDEXED, Fact, OnBus, Piece, Submission
from busagents.ports.log import Bus, StoredMessage
from busagents.runtime import claim_check
from busagents.runtime.client.follow import follow
from busagents.runtime.client.live_session import LiveQueue, LiveSession, LiveSessions
from busagents.runtime.client.live_text import LiveText, OpenTurn
from busagents.runtime.client.session_stream import SessionStream
from busagents.runtime.client.task_event import TaskEvent, read_events, task_of_entry
from busagents.runtime.journal import given_id
from busagents.runtime.live_feed import LiveMessageBody
from busagents.runtime.outgoing import send_event

_KEPT = 16_384  # facts that never change, kept to save a look into the log
_INDEXED = frozenset(INDEXED)
_T = TypeVar("_T")


class BusOfGateway:
    """gateway.bus.GatewayBus. `close` ends its subscriptions; the bus is its owner's."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._live = LiveSessions(bus)
        self._known: set[str] = set()
        self._positions: OrderedDict[str, int] = OrderedDict()  # where tasks were submitted
        self._senders: OrderedDict[str, str] = OrderedDict()  # who began sessions

    async def known(self, participant: str) -> bool:
        """See GatewayBus.known."""
        if participant not in self._known and await self._bus.known(participant):
            self._known.add(participant)
        return participant in self._known

    async def participants(self) -> Sequence[OnBus]:
        """See GatewayBus.participants."""
        found: dict[str, OnBus] = {}
        for item in await self._bus.participants():
            skills = read_skills(item.metadata.get("skills", ""))
            found.setdefault(item.name, OnBus(item.name, item.description, item.version, item.metadata.get("kind", ""), skills))
        return sorted(found.values(), key=lambda item: item.name)

    async def submit(self, submission: Submission) -> ThreadWatch:
        """See GatewayBus.submit."""
        ref, task = submission.ref, submission.task
        live = await self._live.get(ref.session)
        queue = live.open(ref)
        try:
            time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            records = (to_record(Recorded(submission.event, task)),)
            entry = Entry(v=VERSION, id=submission.entry, time=time, events=records)
            body = encode_entry(await claim_check.check_in(self._bus, entry))
            types = submission.event.type
            position = await self._bus.log.send(ref, "in", body, entry_id=submission.entry, types=types)
        except BaseException:
            live.leave(ref, queue)
            raise
        _keep(self._positions, task, position)
        fact = Fact(position, "in", submission.entry, time, task, 0, 0, submission.event)
        return ThreadWatch(self._bus, ref, task, live, queue, (fact,), after=position, fresh=True)

    async def answer(self, ref: ThreadRef, task: str, answer: TaskInput, *, entry: str) -> None:
        """See GatewayBus.answer."""
        await send_event(self._bus, ref, answer, task=task, entry_id=entry)

    async def cancel(self, ref: ThreadRef, task: str, reason: str) -> None:
        """See GatewayBus.cancel."""
        await send_event(self._bus, ref, TaskCancel(reason), task=task, entry_id=derived_id("cancel", task))

    async def read(self, ref: ThreadRef, task: str) -> Sequence[Fact]:
        """See GatewayBus.read."""
        return (await self._read(ref, task))[0]

    async def watch(self, ref: ThreadRef, task: str) -> ThreadWatch:
        """See GatewayBus.watch."""
        live = await self._live.get(ref.session)
        queue = live.open(ref)
        try:
            facts, last = await self._read(ref, task)
        except BaseException:
            live.leave(ref, queue)
            raise
        return ThreadWatch(self._bus, ref, task, live, queue, facts, after=last, fresh=False)

    async def began(self, session: str) -> str | None:
        """See GatewayBus.began."""
        known = self._senders.get(session)
        if known is not None:
            return known
        async for stored in self._bus.log.read_session(session):
            for event in await read_events(self._bus, stored):
                if isinstance(event.event, TaskSubmitted):
                    _keep(self._senders, session, event.event.sender)
                    return event.event.sender
        return None

    async def session(self, session: str) -> AsyncIterator[tuple[ThreadRef, str, Fact | Piece]]:
        """See GatewayBus.session."""
        stream = SessionStream(self._bus, self._live, session, 0, None)
        try:
            async for item in stream:
                if isinstance(item, TaskEvent):
                    yield item.ref, item.task, _fact(item)
                else:
                    delta = item.delta
                    yield item.ref, delta.task, Piece(delta.turn, delta.attempt, delta.text, delta.at, delta.progress)
        finally:
            await stream.aclose()

    async def scan(self, *, after: int) -> AsyncIterator[tuple[int, ThreadRef, Fact | None]]:
        """See GatewayBus.scan."""
        async for stored in self._bus.log.read_participant("*", after=after):
            if stored.ref.participant != RESERVED_PARTICIPANT:
                for fact in await self._indexed(stored):
                    yield stored.position, stored.ref, fact
            yield stored.position, stored.ref, None

    async def close(self) -> None:
        """Stop listening to all sessions."""
        await self._live.close()

    async def _read(self, ref: ThreadRef, task: str) -> tuple[tuple[Fact, ...], int]:
        """The task's facts, and how far the thread was read."""
        after = self._positions.get(task, 1) - 1
        facts: list[Fact] = []
        last = after
        async for stored in self._bus.log.read_thread(ref, after=after):
            last = stored.position
            facts += [_fact(event) for event in await read_events(self._bus, stored) if event.task == task]
            if facts and isinstance(facts[-1].event, TERMINAL):
                break  # other tasks of the session may follow
        if facts:
            _keep(self._positions, task, facts[0].position)
        return tuple(facts), last

    async def _indexed(self, stored: StoredMessage) -> list[Fact]:
        """The facts of an entry that say where a task is. Only these are decoded; an entry nobody can read says nothing."""
        where = f"position {stored.position}"
        try:
            entry = decode_entry(stored.body, where=where, fallback_id="" if stored.kind == "ev" else given_id(stored))
            facts = []
            for record in entry.events:
                if record.type not in _INDEXED:
                    continue
                item = decode_record(await claim_check.claim(self._bus, record), where=where)
                if item is not None and item.event.kind == stored.kind:
                    task = item.task or (task_of_entry(entry.id) if stored.kind == "in" else "")
                    time = entry.time or stored.time
                    facts.append(Fact(stored.position, stored.kind, entry.id, time, task, item.turn, item.attempt, item.event))
        except (UnreadableEntry, BlobMissing):
            return []
        return facts


class ThreadWatch:
    """gateway.bus.Watch."""

    def __init__(
        self,
        bus: Bus,
        ref: ThreadRef,
        task: str,
        live: LiveSession,
        queue: LiveQueue,
        past: tuple[Fact, ...],
        *,
        after: int,
        fresh: bool,
    ) -> None:
        self.past: Sequence[Fact] = past
        self._bus = bus
        self._ref = ref
        self._task = task
        self._live = live
        self._queue = queue
        self._after = after
        self._fresh = fresh

    async def items(self) -> AsyncGenerator[Fact | Piece, None]:
        """See Watch.items."""
        turn, text = OpenTurn(), LiveText(self._bus, self._ref)
        for fact in self.past:
            if fact.kind == "ev":
                turn.note(fact.event.type, fact.task, fact.turn, fact.attempt)
        if turn.writing:
            await text.ask()  # somebody may be in the middle of it
        async for item in follow(self._bus, self._ref, self._queue, after=self._after, fresh=True):
            if isinstance(item, LiveMessageBody):
                if item.refused is not None:
                    raise item.refused.as_error()
                for delta in item.deltas:
                    if delta.task == self._task and turn.place(delta) != "past" and (piece := await text.new(delta)):
                        yield Piece(piece.turn, piece.attempt, piece.text, piece.at, piece.progress)
                continue
            for event in await read_events(self._bus, item):
                if event.task == self._task:
                    turn.note(event.type, event.task, event.turn, event.attempt)
                    yield _fact(event)

    async def close(self) -> None:
        """See Watch.close."""
        self._live.leave(self._ref, self._queue)


def _fact(event: TaskEvent) -> Fact:
    return Fact(event.position, event.kind, event.id, event.time, event.task, event.turn, event.attempt, event.event)


def _keep(kept: OrderedDict[str, _T], key: str, value: _T) -> None:
    kept[key] = value
    if len(kept) > _KEPT:
        kept.popitem(last=False)
