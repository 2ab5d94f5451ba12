"""The state that all participants of a session share, folded from the log when a tool or function asks for a context."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from busagents.domain.codec import decode_entry, decode_record
from busagents.domain.events import StateSet
from busagents.ports.log import Bus, StoredMessage
from busagents.runtime import claim_check

_SESSIONS = 256  # kept in memory; another one is read again
_MARK = StateSet.type.encode()


class SessionValues:
    """Reads on from where it stopped the last time, so that each call costs what is new in the session."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._known: OrderedDict[str, tuple[int, dict[str, Any]]] = OrderedDict()

    async def load(self, session: str) -> dict[str, Any]:
        """The values as of now. Last writer in the log's order wins."""
        position, values = self._known.pop(session, (0, {}))
        async for stored in self._bus.log.read_session(session, after=position):
            position = stored.position
            if stored.kind == "ev" and _MARK in stored.body:
                values = await self._apply(values, stored)
        self._known[session] = (position, values)
        while len(self._known) > _SESSIONS:
            self._known.popitem(last=False)
        return values

    async def _apply(self, values: dict[str, Any], stored: StoredMessage) -> dict[str, Any]:
        where = f"position {stored.position} of thread {stored.ref}"
        values = dict(values)
        for record in decode_entry(stored.body, where=where).events:
            if record.type != StateSet.type:
                continue
            recorded = decode_record(await claim_check.claim(self._bus, record), where=where)
            if recorded is None or not isinstance(recorded.event, StateSet) or recorded.event.scope != "session":
                continue
            if recorded.event.deleted:
                values.pop(recorded.event.key, None)
            else:
                values[recorded.event.key] = recorded.event.value
        return values
