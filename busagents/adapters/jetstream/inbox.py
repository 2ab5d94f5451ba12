"""A participant's inbox: one durable pull consumer, and a pull loop of our own (the client's batch fetch can stall).

Credits are the unfinished deliveries this process may hold. One pull at a time waits at the server, for as many messages as
were free when it was made. When it is used up, ended by a status message, or without a sign of life of the server, the next
one asks for all that is free by then: the node that had it may be gone while ours stands, and only mostly do the others tell.
A message carries its own subject, not the pull's: with several pulls waiting nobody could tell whose credit it takes.
After a reconnection another reply prefix is used, and the server drops the pull nobody listens for any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from typing import Self

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from busagents.adapters.jetstream.api import ApiError, call_patiently
from busagents.adapters.jetstream.connection import ConnectionEvents
from busagents.adapters.jetstream.delivery import JetStreamDelivery
from busagents.adapters.jetstream.streams import NANOS, ConsumerSettings, inbox_settings
from busagents.domain.subjects import STREAM, inbox_consumer, parse_log_subject
from busagents.errors import BusUnreachable, InvalidName
from busagents.ports.log import Delivery, StoredMessage

_log = logging.getLogger("busagents.bus")
_GRACE = 2.0  # seconds between two looks whether a pull was lost
_BACK_OFF = 0.5  # seconds between pulls while the consumer cannot serve them


class _Pull(msgspec.Struct):
    """The request that waits: how many messages it may still bring, and when it counts as lost (monotonic seconds)."""

    reply: str
    left: int
    until: float


class JetStreamInbox:
    """ports.log.Inbox."""

    def __init__(
        self, client: Client, events: ConnectionEvents, participant: str, settings: ConsumerSettings, credits: int
    ) -> None:
        self._client = client
        self._events = events
        self._participant = participant
        self._settings = settings
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{inbox_consumer(participant)}"
        self._free = credits
        self._pull: _Pull | None = None
        self._count = 0
        self._queue: asyncio.Queue[Delivery | None] = asyncio.Queue()
        self._subscription: Subscription | None = None
        self._prefix = ""
        self._wake = asyncio.Event()
        self._moved = False  # the connection is a new one
        self._broken = False  # the consumer could not serve the last pull
        self._loop: asyncio.Task[None] | None = None

    async def open(self) -> Self:
        """Create the consumer if it is absent, and start pulling.

        Raises:
            BusUnreachable: no answer, or a refusal.
            LogRegressed: the stream is gone.
        """
        try:
            await self._ensure_consumer()
        except ApiError as error:
            raise error.as_bus_error() from None
        await self._subscribe()
        self._events.back.append(self._reconnected)
        self._loop = asyncio.create_task(self._pull_for_ever(), name=f"inbox-{self._participant}")
        return self

    async def deliveries(self) -> AsyncIterator[Delivery]:
        """See Inbox.deliveries."""
        while (delivery := await self._queue.get()) is not None:
            yield delivery

    def release(self, count: int = 1) -> None:
        """See Inbox.release."""
        self._free += count
        self._wake.set()

    async def close(self) -> None:
        """See Inbox.close. What was taken from the server but not yet yielded is given back at once."""
        if self._reconnected in self._events.back:
            self._events.back.remove(self._reconnected)
        if self._loop is not None:
            self._loop.cancel()
        if self._subscription is not None:
            with contextlib.suppress(nats.errors.Error):  # no connection now: nothing more comes anyway
                await self._subscription.unsubscribe()
        while not self._queue.empty():
            delivery = self._queue.get_nowait()
            if delivery is not None:
                await delivery.nak()
        self._queue.put_nowait(None)

    async def _pull_for_ever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GRACE):
                    await self._wake.wait()
            self._wake.clear()
            try:
                if self._broken:
                    await asyncio.sleep(_BACK_OFF)
                    self._broken = False
                    await self._ensure_consumer()
                if self._moved:
                    await self._move()
                if self._pull is not None and self._pull.until < time.monotonic():
                    self._settle()  # its end was lost on the way
                if self._pull is None and self._free > 0:
                    await self._ask()
            except (nats.errors.Error, OSError, BusUnreachable, ApiError) as error:
                _log.warning("inbox of %s: %s; trying again", self._participant, error)
                self._broken = True
                self._wake.set()

    async def _ask(self) -> None:
        self._count += 1
        batch, self._free = self._free, 0
        self._pull = _Pull(f"{self._prefix}.{self._count}", batch, self._patience())
        heartbeat = min(self._settings.heartbeat, self._settings.pull_expires / 3)  # the server wants it below the half
        query = msgspec.json.encode(
            {"batch": batch, "expires": int(self._settings.pull_expires * NANOS), "idle_heartbeat": int(heartbeat * NANOS)}
        )
        try:
            await self._client.publish(self._next, query, reply=self._pull.reply)
        except BaseException:
            self._settle()
            raise

    def _patience(self) -> float:
        """Until when the server may be silent."""
        return time.monotonic() + 2 * self._settings.heartbeat + _GRACE

    def _settle(self) -> None:
        """The pull is over: what it did not bring is free again."""
        if self._pull is not None:
            self._free += self._pull.left
            self._pull = None
            self._wake.set()

    def _reconnected(self) -> None:
        self._moved = True
        self._wake.set()

    async def _move(self) -> None:
        """Leave the old connection's pull behind."""
        old = self._subscription
        self._settle()
        await self._subscribe()
        self._moved = False
        if old is not None:
            await old.unsubscribe()

    async def _subscribe(self) -> None:
        self._prefix = self._client.new_inbox()
        self._subscription = await self._client.subscribe(f"{self._prefix}.*", cb=self._receive)
        self._wake.set()

    async def _receive(self, message: Msg) -> None:
        status = (message.headers or {}).get("Status")
        if status is not None and not message.reply:
            if self._pull is not None and message.subject == self._pull.reply:
                if status == "100":
                    self._pull.until = self._patience()
                    return
                # 404 and 408: nothing came. 409: consumer deleted, leader moved, too many waiting. 503: nobody is there
                self._broken = status not in ("404", "408")
                self._settle()
            return
        if self._pull is None:  # of a pull that was given up: it takes a credit all the same
            self._free -= 1
        else:
            self._pull.left -= 1
            self._pull.until = self._patience()
            if self._pull.left == 0:
                self._settle()
        await self._take(message)

    async def _take(self, message: Msg) -> None:
        meta = message.metadata
        try:
            stored = self._stored(message)
        except InvalidName:  # a subject no participant can have: nobody could answer it
            await self._client.publish(message.reply, b"+TERM")
            self.release()
            return
        self._queue.put_nowait(JetStreamDelivery(self._client, message.reply, stored, meta.num_delivered or 1))

    def _stored(self, message: Msg) -> StoredMessage:
        ref, kind = parse_log_subject(message.subject)
        entry_id = (message.headers or {}).get("Nats-Msg-Id")
        return StoredMessage(ref, kind, message.metadata.sequence.stream, entry_id, message.data)

    async def _ensure_consumer(self) -> None:
        """Create the durable consumer; the server leaves one that is the same as it is, and its place in the log always."""
        name = inbox_consumer(self._participant)
        config = inbox_settings(self._participant, self._settings)
        await call_patiently(self._client, f"CONSUMER.CREATE.{STREAM}.{name}", {"stream_name": STREAM, "config": config})
