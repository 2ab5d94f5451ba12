"""The event log in memory, with the same law as the real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Literal

from busagents.adapters.memory.store import MAX_PAYLOAD, MemoryStore
from busagents.domain.subjects import ThreadRef, check_token
from busagents.errors import EntryTooLarge, Fenced
from busagents.ports.log import StoredMessage


class MemoryLog:
    """ports.log.EventLog."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def append(self, ref: ThreadRef, body: bytes, *, entry_id: str, head: int, types: str) -> int:
        """See EventLog.append. `types` is not kept."""
        _check_size(ref.checked(), body)
        await asyncio.sleep(0)  # others run, as they do while a server answers
        last = self._store.head(ref)
        if (last.position if last is not None else 0) == head:
            return self._store.store(ref, "ev", body, entry_id)
        if last is not None and last.entry_id == entry_id:
            return last.position
        raise Fenced(f"another process appended to thread {ref} first: it owns the thread now")

    async def send(self, ref: ThreadRef, kind: Literal["in", "stop"], body: bytes, *, entry_id: str, types: str) -> int:
        """See EventLog.send. `types` is not kept."""
        _check_size(ref.checked(), body)
        await asyncio.sleep(0)
        position = self._store.sent(entry_id)
        return position if position is not None else self._store.store(ref, kind, body, entry_id)

    async def head(self, ref: ThreadRef) -> StoredMessage | None:
        """See EventLog.head."""
        await asyncio.sleep(0)
        return self._store.head(ref.checked())

    def read_thread(self, ref: ThreadRef, *, after: int = 0) -> AsyncIterator[StoredMessage]:
        """See EventLog.read_thread."""
        return self._read(lambda other: other == ref, after)

    def read_session(self, session: str, *, after: int = 0) -> AsyncIterator[StoredMessage]:
        """See EventLog.read_session."""
        check_token(session, "session")
        return self._read(lambda ref: ref.session == session, after)

    def read_participant(self, participant: str, *, after: int = 0) -> AsyncIterator[StoredMessage]:
        """See EventLog.read_participant."""
        return self._read(lambda ref: participant in ("*", ref.participant), after)

    async def _read(self, wanted: Callable[[ThreadRef], bool], after: int) -> AsyncIterator[StoredMessage]:
        await asyncio.sleep(0)
        for entry in self._store.entries(wanted, after):
            yield entry


def _check_size(ref: ThreadRef, body: bytes) -> None:
    if len(body) > MAX_PAYLOAD:
        raise EntryTooLarge(f"an entry of {len(body)} bytes for thread {ref} is above the limit of {MAX_PAYLOAD}: split it")
