"""What every event has: its wire tag, where it is written, and its place."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from busagents.domain.subjects import Kind

RecoveryClass = Literal["at_most_once", "idempotent", "read_only"]
StateScope = Literal["agent", "session"]


class Event(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Base of all events."""

    type: ClassVar[str] = ""
    tv: ClassVar[int] = 1
    kind: ClassVar[Kind] = "ev"


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event with its place: whose task, which turn of it (0: none), which attempt.

    `entry` is the id of the `in` or `stop` entry that brought it; empty for a thread's own facts. It is not on the wire.
    """

    event: Event
    task: str = ""
    turn: int = 0
    attempt: int = 0
    entry: str = ""
