"""A delivery at work in a worker, and what becomes of it."""

from __future__ import annotations

import asyncio
from typing import Literal

from busagents.domain.codec import decode_entry
from busagents.errors import UnreadableEntry
from busagents.ports.log import Delivery, StoredMessage
from busagents.runtime.journal import OpenThread, given_id
from busagents.runtime.thread_runner import ThreadRunner

Verdict = Literal["answered", "handed on", "later", "given up", "fenced", "bus away"]

_BACK_OFF = 0.2  # seconds until the second try; each further one waits twice as long
_LONGEST_WAIT = 30.0


class Job:
    """A thread at work here, and the delivery that is held for it until it is idle."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.runner: ThreadRunner | None = None
        self.appended = False  # something was recorded, so what is lost now is lost to another owner
        self.opened = asyncio.Event()  # the runner is there, or will not come
        self.over = asyncio.Event()


def still_waits(thread: OpenThread, delivery: Delivery) -> bool:
    """Nobody has taken the message on yet."""
    return any(incoming.position == delivery.message.position for incoming in thread.incoming.values())


def consumed_at(thread: OpenThread, delivery: Delivery) -> int | None:
    """The seq of the entry that took the message in, or None if none has."""
    if still_waits(thread, delivery):
        return None
    return thread.state.seen.get(_id_in_body(delivery.message)) or 1


def _id_in_body(message: StoredMessage) -> str:
    """What a timer stored, and some clients send, names its id only there."""
    given = given_id(message)
    try:
        return decode_entry(message.body, where="", fallback_id=given).id
    except UnreadableEntry:
        return given


def wait_before(tries: int) -> float:
    """Seconds before so many-th try."""
    return min(_LONGEST_WAIT, _BACK_OFF * 2.0 ** min(tries - 1, 10))
