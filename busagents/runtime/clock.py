"""The real clock, and UUIDv7 ids."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime


class SystemClock:
    """The machine's time. `offset` in seconds shifts the wall clock only, to test that nothing depends on it."""

    def __init__(self, offset: float = 0.0) -> None:
        self._offset = offset

    def now(self) -> str:
        """The wall clock, RFC 3339 UTC with milliseconds."""
        stamp = datetime.fromtimestamp(time.time() + self._offset, UTC)
        return stamp.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def new_id(self) -> str:
        """A fresh UUIDv7 (RFC 9562 section 5.7)."""
        millis = int((time.time() + self._offset) * 1000) & ((1 << 48) - 1)
        random = int.from_bytes(os.urandom(10), "big")
        value = (millis << 80) | (0x7 << 76) | ((random >> 68) << 64) | (0b10 << 62) | (random & ((1 << 62) - 1))
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
