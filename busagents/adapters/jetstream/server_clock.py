"""The server's clock, told without this machine's wall clock, which may be wrong by hours."""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from nats.aio.client import Client

from busagents.adapters.jetstream.api import ApiError, decode
from busagents.adapters.jetstream.requests import NoAnswer, NobodyThere, Requests
from busagents.errors import BusUnreachable

_ANSWER = 2.0  # seconds until an unanswered request is made again
_TRUSTED = 10.0  # seconds a look at the server's clock holds: somebody may set that clock
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while the machine sleeps, as the server's clock does


class ServerClock:
    """The clock of the server that leads `stream`, as its distance from a clock of this process that nobody sets."""

    def __init__(self, client: Client, requests: Requests, stream: str) -> None:
        self._client = client
        self._requests = requests
        self._question = f"$JS.API.STREAM.INFO.{stream}"
        self._ahead: float | None = None  # seconds from the steady clock to the server's; too many by a journey, never too few
        self._looked = 0.0
        self._looking = asyncio.Lock()

    def forget(self) -> None:
        """Look again before the next use."""
        self._ahead = None

    async def after(self, seconds: float, *, end: float) -> str:
        """The moment `seconds` from now, never earlier, RFC 3339 UTC. `end` (monotonic seconds) bounds the wait for the server.

        Raises:
            ApiError: the server refuses to tell, or has no such stream.
            BusUnreachable: no answer before `end`.
        """
        called = _steady()
        async with self._looking:  # many timers at once need one look
            if self._ahead is None or called - self._looked > _TRUSTED:
                self._ahead, self._looked = await self._look(end)
            ahead = self._ahead
        return rfc3339(called + ahead + seconds)

    async def _look(self, end: float) -> tuple[float, float]:
        while True:
            asked = _steady()
            try:
                reply = await self._requests.request(self._question, b"", timeout=_ANSWER)
                return _epoch(decode(reply.data)["ts"]) - asked, asked
            except (NoAnswer, NobodyThere):
                pass
            except ApiError as error:
                if not error.passes:
                    raise
            if self._client.is_closed or time.monotonic() > end:
                raise BusUnreachable("the NATS server does not tell its time, so no timer can be set: check that it runs")
            await asyncio.sleep(0.1)


def rfc3339(epoch: float) -> str:
    """Seconds since 1970 in UTC as the server reads them, rounded up to a microsecond."""
    moment = _EPOCH + timedelta(microseconds=math.ceil(Fraction(epoch) * 1_000_000))
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _epoch(stamp: str) -> float:
    """The server gives nanoseconds, of which the parser drops the last three digits; a microsecond more makes up for them."""
    return datetime.fromisoformat(stamp).timestamp() + 1e-6


def _steady() -> float:
    return time.clock_gettime(_STEADY)
