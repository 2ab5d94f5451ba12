"""What happens to a thread as a whole."""

from __future__ import annotations

from busagents.domain.events.base import Event
from busagents.domain.subjects import ThreadRef


class ThreadForked(Event, frozen=True, omit_defaults=True):
    """First entry of a fork: the thread begins as the other's prefix."""

    type = "thread.forked"

    source: ThreadRef
    position: int
    head: str


class ThreadArchived(Event, frozen=True, omit_defaults=True):
    """Entries up to `position` were read back from the archive and may be purged."""

    type = "thread.archived"

    position: int
    head: str
    segments: tuple[str, ...] = ()


class ThreadErased(Event, frozen=True, omit_defaults=True):
    """The thread's content was erased; only this tombstone remains."""

    type = "thread.erased"

    reason: str = ""
