"""Folding a thread's stored entries: the chain is checked, and what an entry consumed is applied just before it.

`in` and `stop` entries are written by others at any time. They change the state only where an `ev` entry says that it
consumed them, so the fold does not depend on how they interleave with the thread's own entries.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from busagents.domain.codec import Consumed, Entry, derived_id
from busagents.domain.events import Recorded, TaskFailed
from busagents.domain.fold import evolve
from busagents.domain.state import ThreadState
from busagents.domain.subjects import Kind
from busagents.errors import BlobMissing, ChainBroken, UnreadableEntry


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """An `in` or `stop` entry read from the log. `problem` says why it is unreadable, if it is; it then has no events.

    `blob_missing`: the problem is a payload that is not in the object store.
    """

    id: str
    kind: Kind
    sha256: str
    position: int
    events: tuple[Recorded, ...]
    problem: str = ""
    blob_missing: bool = False

    @property
    def refusal_task(self) -> str:
        """The id under which the message is answered if it cannot be read."""
        return derived_id("task", self.id)

    @property
    def consumed(self) -> Consumed:
        """How an `ev` entry refers to it."""
        return Consumed(self.id, self.sha256)


def apply_events(state: ThreadState, consumed: Iterable[Incoming], events: Iterable[Recorded]) -> ThreadState:
    """The state after consuming messages and recording events, before the entry is sealed."""
    for incoming in consumed:
        state = replace(state, seen=state.seen.record(incoming.id, state.seq + 1))
        for recorded in incoming.events:
            state = evolve(state, recorded)
    for recorded in events:
        state = evolve(state, recorded)
    return state


UNREADABLE = "unreadable"  # the reason of the task.failed that answers a message nobody can read


def as_consumed(incoming: Incoming, events: Iterable[Recorded]) -> Incoming:
    """The message as the entry with these events took it: without events if the entry says that it could not be read.

    Raises:
        BlobMissing, UnreadableEntry: it could be read then, and cannot now.
    """
    refused = [item.task for item in events if isinstance(item.event, TaskFailed) and item.event.reason == UNREADABLE]
    if refused and incoming.refusal_task in refused:
        return replace(incoming, events=())
    if incoming.problem:
        raise (BlobMissing if incoming.blob_missing else UnreadableEntry)(incoming.problem)
    return incoming


def seal(state: ThreadState, sha256: str) -> ThreadState:
    """The state once the entry with these stored bytes is the thread's head."""
    return replace(state, seq=state.seq + 1, head=sha256)


def check_chain(state: ThreadState, entry: Entry, *, where: str) -> None:
    """Raise ChainBroken if the entry does not directly follow the state's head."""
    if entry.seq != state.seq + 1:
        raise ChainBroken(
            f"the entry at {where} has seq {entry.seq}, but {state.seq + 1} must come next: entries are missing. "
            "Do not write to this thread; restore it from an archive (busagents doctor shows the stream)"
        )
    if entry.prev != state.head:
        raise ChainBroken(
            f"the entry at {where} (seq {entry.seq}) does not follow from the one stored before it: an entry was altered. "
            "Do not write to this thread; restore it from an archive"
        )
