"""Sends what a thread tells others; see domain.outbox."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from busagents.domain import events as e
from busagents.domain.codec import VERSION, Entry, encode_entry, to_record
from busagents.domain.outbox import DropTimer, Letter, Outgoing, SetTimer
from busagents.domain.subjects import ThreadRef
from busagents.ports.log import Bus
from busagents.runtime import failpoints
from busagents.runtime.outgoing import send_event

_AT_ONCE = 64  # on their way at the same time: a fan-out of thousands must not fill the connection


class Outbox:
    """A process's way to other threads."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._known: set[str] = set()

    async def deliver(self, ref: ThreadRef, items: Sequence[Outgoing]) -> list[e.Recorded]:
        """Send all that thread `ref` tells. Returns the tasks that can be given to nobody, as facts to record.

        Raises:
            BusError: something could not be sent. Send all of it again.
        """
        found: list[e.Recorded | None] = []
        for start in range(0, len(items), _AT_ONCE):
            found += await asyncio.gather(*(self._send(ref, item) for item in items[start : start + _AT_ONCE]))
        return [item for item in found if item is not None]

    async def _send(self, ref: ThreadRef, item: Outgoing) -> e.Recorded | None:
        if isinstance(item, Letter):
            return await self._letter(item)
        if failpoints.armed():
            failpoints.passage("before:send:timer")
        match item:
            case SetTimer(timer, seconds, task, entry_id):
                event = e.Recorded(e.TimerFired(timer), task)
                body = encode_entry(Entry(v=VERSION, id=entry_id, events=(to_record(event),)))
                await self._bus.set_timer(ref, timer, seconds=seconds, body=body)
            case DropTimer(timer):
                await self._bus.drop_timer(ref, timer)
        if failpoints.armed():
            failpoints.passage("after:send:timer")
        return None

    async def _letter(self, item: Letter) -> e.Recorded | None:
        if item.call and not await self._is_known(item.ref.participant):
            name = item.ref.participant
            reason = f"no participant {name!r} was ever on this bus: start one, or use another"
            assert isinstance(item.event, e.TaskSubmitted)
            return e.Recorded(e.TaskUndeliverable(item.call, reason), item.event.parent)
        if failpoints.armed():
            failpoints.passage(f"before:send:{item.event.type}")
        await send_event(self._bus, item.ref, item.event, task=item.task, entry_id=item.entry_id)
        if failpoints.armed():
            failpoints.passage(f"after:send:{item.event.type}")
        return None

    async def _is_known(self, participant: str) -> bool:
        if participant not in self._known and await self._bus.known(participant):
            self._known.add(participant)
        return participant in self._known
