"""ports.log.Bus on NATS: one connection, and everything a participant's process needs through it."""

from __future__ import annotations

import contextlib

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from busagents.adapters.jetstream.api import ApiError, call_patiently
from busagents.adapters.jetstream.blobs import JetStreamBlobs
from busagents.adapters.jetstream.connection import ConnectionEvents, connect_client
from busagents.adapters.jetstream.discovery import announce, discover
from busagents.adapters.jetstream.inbox import JetStreamInbox
from busagents.adapters.jetstream.live import JetStreamLive
from busagents.adapters.jetstream.log import JetStreamLog
from busagents.adapters.jetstream.streams import ConsumerSettings
from busagents.adapters.jetstream.timers import JetStreamTimers
from busagents.adapters.jetstream.value_inbox import JetStreamValueInbox
from busagents.adapters.jetstream.values import JetStreamValues
from busagents.domain.subjects import (
    STREAM,
    ThreadRef,
    catch_up_filter,
    catch_up_subject,
    inbox_consumer,
    live_subject,
    owner_filter,
    owner_subject,
    parse_catch_up_subject,
    parse_log_subject,
    parse_owner_subject,
    stop_filter,
)
from busagents.ports.log import Announced, CatchUpHeard, OwnsThread, StopHeard

_CONSUMER_NOT_FOUND = 10014


async def connect_bus(
    url: str,
    *,
    user: str | None = None,
    password: str | None = None,
    name: str = "busagents",
    ack_wait: float = 10.0,
    inbox_prefix: str | None = None,
) -> JetStreamBus:
    """A bus on the server at `url`.

    `ack_wait` is the seconds after which a silent process loses what it holds, `inbox_prefix` where answers arrive when
    credentials allow only one's own (`_INBOX_<participant>`).

    Raises:
        BusUnreachable: nothing answers at the address.
    """
    events = ConnectionEvents()
    client = await connect_client(url, user=user, password=password, name=name, inbox_prefix=inbox_prefix, events=events)
    return JetStreamBus(client, events, ConsumerSettings(ack_wait))


class JetStreamBus:
    """Everything through one connection. `client` is for provisioning; do not close it."""

    def __init__(self, client: Client, events: ConnectionEvents, consumers: ConsumerSettings) -> None:
        self.client = client
        self._events = events
        self._consumers = consumers
        self._log = JetStreamLog(client)
        events.lost.append(self._log.connection_lost)
        self._timers = JetStreamTimers(client)
        events.lost.append(self._timers.connection_lost)
        self._blobs = JetStreamBlobs(client)

    @property
    def log(self) -> JetStreamLog:
        """The log."""
        return self._log

    async def inbox(self, participant: str, *, credits: int) -> JetStreamInbox:
        """See Bus.inbox."""
        return await JetStreamInbox(self.client, self._events, participant, self._consumers, credits).open()

    async def publish_live(self, ref: ThreadRef, body: bytes) -> None:
        """See Bus.publish_live."""
        with contextlib.suppress(nats.errors.Error):  # best effort: the log has what matters
            await self.client.publish(live_subject(ref), body)

    async def watch_session(self, session: str, *, settled: bool = True) -> JetStreamLive:
        """See Bus.watch_session."""
        return await JetStreamLive(self.client, session).open(settled=settled)

    async def hear_stops(self, participant: str, callback: StopHeard) -> None:
        """See Bus.hear_stops."""

        async def heard(message: Msg) -> None:
            callback(parse_log_subject(message.subject)[0], message.data)

        await self.client.subscribe(stop_filter(participant), cb=heard)
        await self.client.flush()

    async def answer_owner(self, participant: str, owns: OwnsThread) -> None:
        """See Bus.answer_owner."""

        async def asked(message: Msg) -> None:
            if owns(parse_owner_subject(message.subject)):
                await message.respond(b"yes")

        await self.client.subscribe(owner_filter(participant), cb=asked)
        await self.client.flush()

    async def ask_owner(self, ref: ThreadRef, *, timeout: float) -> bool:
        """See Bus.ask_owner."""
        try:
            await self.client.request(owner_subject(ref), b"", timeout=timeout)
        except (nats.errors.Error, TimeoutError):  # silence, or nobody there to ask
            return False
        return True

    async def hear_catch_ups(self, participant: str, callback: CatchUpHeard) -> None:
        """See Bus.hear_catch_ups."""

        async def asked(message: Msg) -> None:
            callback(parse_catch_up_subject(message.subject))

        await self.client.subscribe(catch_up_filter(participant), cb=asked)
        await self.client.flush()

    async def ask_catch_up(self, ref: ThreadRef) -> None:
        """See Bus.ask_catch_up."""
        with contextlib.suppress(nats.errors.Error):  # best effort: the text comes with the record
            await self.client.publish(catch_up_subject(ref), b"")

    async def set_timer(self, ref: ThreadRef, timer: str, *, seconds: float, body: bytes) -> None:
        """See Bus.set_timer."""
        await self._timers.set(ref, timer, seconds=seconds, body=body)

    async def drop_timer(self, ref: ThreadRef, timer: str) -> None:
        """See Bus.drop_timer."""
        await self._timers.drop(ref, timer)

    def values(self, bucket: str, *, replicas: int = 1, max_age: float = 0.0) -> JetStreamValues:
        """Small values by key, kept for `max_age` seconds (0: for ever). The bucket is made when it is first used."""
        return JetStreamValues(self.client, bucket, replicas=replicas, max_age=max_age)

    async def value_inbox(self, bucket: str, consumer: str, *, credits: int) -> JetStreamValueInbox:
        """The values of a bucket that there is, as a durable queue for all who name the same consumer."""
        return await JetStreamValueInbox(self.client, self._events, bucket, consumer, self._consumers, credits).open()

    async def put_blob(self, data: bytes) -> str:
        """See Bus.put_blob."""
        return await self._blobs.put(data)

    async def get_blob(self, key: str) -> bytes:
        """See Bus.get_blob."""
        return await self._blobs.get(key)

    async def register(self, participant: str, *, description: str, version: str, metadata: dict[str, str]) -> None:
        """See Bus.register."""
        await announce(self.client, participant, description=description, version=version, metadata=metadata)

    async def participants(self, *, timeout: float = 0.3) -> list[Announced]:
        """See Bus.participants."""
        return await discover(self.client, timeout=timeout)

    async def known(self, participant: str) -> bool:
        """See Bus.known."""
        try:
            await call_patiently(self.client, f"CONSUMER.INFO.{STREAM}.{inbox_consumer(participant)}")
        except ApiError as error:
            if error.err_code == _CONSUMER_NOT_FOUND:
                return False
            raise error.as_bus_error() from None
        return True

    async def close(self) -> None:
        """See Bus.close."""
        if self.client.is_connected:
            with contextlib.suppress(nats.errors.Error, TimeoutError):
                await self.client.flush(2)
        with contextlib.suppress(OSError):  # the connection broke just now
            await self.client.close()
        self._log.connection_lost()  # nobody waits for ever on a closed bus
        self._timers.connection_lost()
