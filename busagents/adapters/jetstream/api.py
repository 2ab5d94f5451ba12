"""Requests to the JetStream API, with upstream errors mapped to ours."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import nats.errors
from nats.aio.client import Client

from busagents.domain.subjects import STREAM
from busagents.errors import BusError, BusUnreachable, JetStreamOff, LogError, LogRegressed

STREAM_NOT_FOUND = 10059
_NO_PEERS = 10005  # a cluster whose nodes do not all know each other yet
PATIENCE = 20.0  # seconds: a cluster that lost a node has a new leader within ten
_ANSWER = 2.0  # seconds until an unanswered request is asked again


class ApiError(Exception):
    """The server's own error. Stays inside this package."""

    def __init__(self, code: int, err_code: int, description: str) -> None:
        super().__init__(f"{description} (code {code}, err_code {err_code})")
        self.code = code
        self.err_code = err_code

    @property
    def passes(self) -> bool:
        """True when the same request may succeed later: no leader, overload, too few nodes."""
        return self.code in (408, 429, 503) or self.err_code == _NO_PEERS

    def as_bus_error(self) -> BusError | LogError:
        """What callers outside this package see."""
        if self.err_code == STREAM_NOT_FOUND:
            return LogRegressed(
                f"stream {STREAM} does not exist on this server: if it did before, it is lost; restore the store before going on"
            )
        return BusUnreachable(f"the NATS server refuses: {self}; check the server and this user's permissions")


async def call(client: Client, subject: str, body: dict[str, Any] | None = None, *, timeout: float = 5.0) -> dict[str, Any]:
    """One API request below `$JS.API.`.

    Raises:
        ApiError: the server answered with an error.
        JetStreamOff: no server here has it.
        BusUnreachable: no answer.
    """
    try:
        reply = await client.request(f"$JS.API.{subject}", msgspec.json.encode(body) if body else b"", timeout=timeout)
    except nats.errors.NoRespondersError:
        raise JetStreamOff(
            f"the NATS server has JetStream off (nobody takes request {subject!r}): enable it, or connect to another one"
        ) from None
    except (nats.errors.Error, TimeoutError, OSError) as error:
        raise BusUnreachable(
            f"the NATS server does not answer JetStream request {subject!r} ({type(error).__name__}): "
            "check that it runs, that most nodes of its cluster run, and that this user may call it"
        ) from None
    return decode(reply.data)


async def call_patiently(client: Client, subject: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """A request that may be made twice, asked again while a cluster elects a leader. Raises as call(), after 20 s at most."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return await call(client, subject, body, timeout=_ANSWER)
        except ApiError as error:
            if not error.passes or time.monotonic() > end:
                raise
        except JetStreamOff:
            raise
        except BusUnreachable:
            if client.is_closed or time.monotonic() > end:
                raise
        await asyncio.sleep(0.1)


def decode(data: bytes) -> dict[str, Any]:
    """An API answer. Raises ApiError when it is an error."""
    answer: dict[str, Any] = msgspec.json.decode(data)
    problem = answer.get("error")
    if problem:
        raise ApiError(problem.get("code", 0), problem.get("err_code", 0), problem.get("description", ""))
    return answer
