"""A recorded event as a watcher sees it: the envelope's fields and the typed event."""

from __future__ import annotations

from typing import Any

import msgspec

from busagents.domain.codec import Entry, decode_entry, decode_record, derived_id
from busagents.domain.events import Event, Recorded
from busagents.domain.subjects import Kind, ThreadRef
from busagents.errors import BlobMissing, UnreadableEntry
from busagents.ports.log import Bus, StoredMessage
from busagents.runtime import claim_check
from busagents.runtime.journal import given_id


class TaskEvent(msgspec.Struct, frozen=True):
    """One event of the log. `position` is its entry's place in the whole log, `seq` in the thread (0 for `in` and `stop`)."""

    ref: ThreadRef
    kind: Kind
    position: int
    seq: int
    id: str
    time: str
    task: str
    turn: int
    attempt: int
    event: Event

    @property
    def type(self) -> str:
        """The event's type, as on the wire."""
        return self.event.type

    def envelope(self) -> dict[str, Any]:
        """As JSON values: the envelope with the event under `data`."""
        return {
            "position": self.position,
            "participant": self.ref.participant,
            "session": self.ref.session,
            "thread": self.ref.thread,
            "kind": self.kind,
            "seq": self.seq,
            "id": self.id,
            "time": self.time,
            "type": self.type,
            "tv": self.event.tv,
            "task": self.task,
            "turn": self.turn,
            "attempt": self.attempt,
            "data": msgspec.to_builtins(self.event),
        }


async def read_events(bus: Bus, stored: StoredMessage) -> list[TaskEvent]:
    """The events of a stored entry, payloads claimed. None of a message (`in`, `stop`) that nobody can read: anyone may write
    one, and the participant's answer, a `task.failed`, says what is wrong with it.

    Raises:
        UnreadableEntry, BlobMissing: a fact (`ev`) that this code cannot understand.
    """
    where = f"position {stored.position} of thread {stored.ref}"
    try:
        entry = decode_entry(stored.body, where=where, fallback_id="" if stored.kind == "ev" else given_id(stored))
        recorded = [decode_record(await claim_check.claim(bus, record), where=where) for record in entry.events]
    except (UnreadableEntry, BlobMissing):
        if stored.kind == "ev":
            raise
        return []
    events = [_event(stored, entry, item) for item in recorded if item is not None]
    if stored.kind != "ev" and any(item.event.kind != stored.kind for item in events):  # nobody else may state facts
        return []
    return events


def _event(stored: StoredMessage, entry: Entry, item: Recorded) -> TaskEvent:
    time = entry.time or stored.time
    task = item.task or (task_of_entry(entry.id) if stored.kind == "in" else "")
    return TaskEvent(
        stored.ref, stored.kind, stored.position, entry.seq, entry.id, time, task, item.turn, item.attempt, item.event
    )


def task_of_entry(entry_id: str) -> str:
    """The id of the task that an `in` entry submits when it names none."""
    return derived_id("task", entry_id)
