"""How long a remote agent that is away is waited for."""

from __future__ import annotations

import asyncio
import time

from busagents.ports.remote import RemoteError, RemoteUnreachable

_BACK_OFF = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # seconds between tries


class Patience:
    """How long the remote has been away, and the pauses between tries."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None
        self._tries = 0

    def fresh(self) -> None:
        """It answered."""
        self._since, self._tries = None, 0

    async def wait(self, error: RemoteError) -> None:
        """Wait before the next try.

        Raises:
            RemoteUnreachable: it has been away for too long.
        """
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        pause = _BACK_OFF[min(self._tries, len(_BACK_OFF) - 1)]
        if isinstance(error, RemoteUnreachable) and error.retry_after is not None:
            pause = max(pause, error.retry_after)
        if now + pause - self._since > self._seconds:
            raise RemoteUnreachable(f"no answer for {self._seconds:g} seconds: {error}") from None
        self._tries += 1
        await asyncio.sleep(pause)
