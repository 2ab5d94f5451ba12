"""Timers in memory: as durable as the store they belong to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from busagents.domain.subjects import ThreadRef
from busagents.errors import EntryTooLarge

_LONGEST = 100 * 365 * 86400.0  # seconds, as on the server


class MemoryTimers:
    """Timers by thread and name. `fire(ref, body)` stores what is due; a body has at most `max_payload` bytes."""

    def __init__(self, fire: Callable[[ThreadRef, bytes], object], max_payload: int) -> None:
        self._fire = fire
        self._max_payload = max_payload
        self._armed: dict[tuple[ThreadRef, str], asyncio.TimerHandle] = {}

    def set(self, ref: ThreadRef, timer: str, seconds: float, body: bytes) -> None:
        """Fire in `seconds` (below 0: at once), in place of one of that name."""
        if len(body) > self._max_payload:
            raise EntryTooLarge(
                f"a timer's entry of {len(body)} bytes for thread {ref} is above the limit of {self._max_payload}"
            )
        self.drop(ref, timer)
        delay = min(max(0.0, seconds), _LONGEST)
        self._armed[ref, timer] = asyncio.get_running_loop().call_later(delay, self._due, ref, timer, body)

    def drop(self, ref: ThreadRef, timer: str) -> None:
        """Do not fire it."""
        armed = self._armed.pop((ref, timer), None)
        if armed is not None:
            armed.cancel()

    def _due(self, ref: ThreadRef, timer: str, body: bytes) -> None:
        del self._armed[ref, timer]
        self._fire(ref, body)
