"""Durable timers: messages that the server itself publishes into a thread's `in` when their time comes.

A timer is one stored message of stream BUSAGENTS_TIMERS with the time in a header. What fires the log takes over by its source.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TypeVar

import msgspec
import nats.errors
from nats.aio.client import Client

from busagents.adapters.jetstream.api import STREAM_NOT_FOUND, ApiError, call_patiently, decode
from busagents.adapters.jetstream.requests import NoAnswer, NobodyThere, Requests
from busagents.adapters.jetstream.server_clock import ServerClock
from busagents.domain.subjects import TIMER_STREAM, ThreadRef, timer_subject, timer_target
from busagents.errors import AppendUnresolved, BusError, BusUnreachable, EntryTooLarge, LogFull, StreamRefused

_PURGE = f"STREAM.PURGE.{TIMER_STREAM}"
_FULL = {10077, 10002, 10023, 10047}  # max bytes, account limit, server resources
_ANSWER = 2.0  # seconds until an unanswered publish is repeated
_LONGEST = 100 * 365 * 86400.0  # seconds; a year of five digits is no RFC 3339
_REMEMBERED = 10_000  # timers
_T = TypeVar("_T")


class JetStreamTimers:
    """Timers of `ports.log.Bus`. `deadline` in seconds bounds how long one may take to be stored."""

    def __init__(self, client: Client, *, deadline: float = 60.0) -> None:
        self._client = client
        self._deadline = deadline
        self._requests = Requests(client)
        self._clock = ServerClock(client, self._requests, TIMER_STREAM)
        self._armed: dict[str, int] = {}  # subject -> position in its stream, in the order they were set
        self._dropped: dict[str, None] = {}  # subjects of timers dropped without knowing their position, in order

    def connection_lost(self) -> None:
        """Do not wait for answers that will not come. The next server may have another clock."""
        self._requests.lost()
        self._clock.forget()

    async def set(self, ref: ThreadRef, timer: str, *, seconds: float, body: bytes) -> None:
        """See Bus.set_timer. One that a retry stores again after it fired fires twice: its reader knows the body by its id."""
        subject = timer_subject(ref.checked(), timer)
        end = time.monotonic() + self._deadline
        try:
            if subject in self._dropped:  # a purge still on its way would take what is stored now
                await call_patiently(self._client, _PURGE, {"filter": subject})
                self._dropped.pop(subject, None)
            moment = await self._clock.after(min(max(0.0, seconds), _LONGEST), end=end)
            headers = {
                "Nats-Schedule": f"@at {moment}",
                "Nats-Schedule-Target": timer_target(ref),
                "Nats-Expected-Stream": TIMER_STREAM,
            }
            _remember(self._armed, subject, await self._stored(subject, body, headers, end))
        except nats.errors.MaxPayloadError:
            raise EntryTooLarge(
                f"a timer's entry of {len(body)} bytes for {subject} is above the server's limit of {self._client.max_payload}"
            ) from None
        except ApiError as error:
            raise _refused(subject, error) from None

    async def drop(self, ref: ThreadRef, timer: str) -> None:
        """See Bus.drop_timer. One message to the server, for whose answer nobody waits."""
        subject = timer_subject(ref.checked(), timer)
        purge: dict[str, str | int] = {"filter": subject}
        position = self._armed.pop(subject, None)
        if position is None:  # another process set it
            _remember(self._dropped, subject, None)
        else:
            purge["seq"] = position + 1  # it cannot reach one that is set later
        with contextlib.suppress(nats.errors.Error):  # no connection: it fires, and is ignored
            await self._client.publish(f"$JS.API.{_PURGE}", msgspec.json.encode(purge))

    async def _stored(self, subject: str, body: bytes, headers: dict[str, str], end: float) -> int:
        """Its position. What is not confirmed is published again: a second one replaces the first."""
        while time.monotonic() < end and not self._client.is_closed:
            try:
                reply = await self._requests.request(subject, body, timeout=_ANSWER, headers=headers)
                return int(decode(reply.data)["seq"])
            except NoAnswer:
                pass
            except NobodyThere:  # no leader now, or no stream at all, which looking at its clock tells
                self._clock.forget()
                await self._clock.after(0, end=end)
            except ApiError as error:
                if error.err_code in _FULL or not error.passes:  # a full store would pass otherwise: it is a 503
                    raise
            await asyncio.sleep(random.uniform(0.02, 0.1))
        raise AppendUnresolved(
            f"it is not known whether timer {subject} was stored: the NATS server did not confirm it within {self._deadline:g} s,"
            " or the bus was closed meanwhile; set it again"
        )


def _remember(kept: dict[str, _T], subject: str, value: _T) -> None:
    kept.pop(subject, None)
    kept[subject] = value
    if len(kept) > _REMEMBERED:
        del kept[next(iter(kept))]


def _refused(subject: str, error: ApiError) -> BusError:
    if error.err_code == STREAM_NOT_FOUND:
        return StreamRefused(
            f"timer {subject} cannot be set: stream {TIMER_STREAM} is not on this server. Start the system again: that creates it"
        )
    if error.err_code in _FULL:
        return LogFull(f"there is no room for timer {subject} ({error}): free space on the NATS server, or raise its limits")
    return BusUnreachable(f"the NATS server refuses timer {subject}: {error}; check the server and this user's permissions")
