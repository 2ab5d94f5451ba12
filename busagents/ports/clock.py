"""Time and ids, as a port: the core never asks for either itself."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Where time and fresh ids come from."""

    def now(self) -> str:
        """The wall clock, RFC 3339 UTC with milliseconds. Information only: nothing is ordered or timed by it."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; all durations and deadlines use it."""
        ...

    def new_id(self) -> str:
        """A fresh UUIDv7."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...
