"""A participant's inbox: one durable pull consumer, and a pull loop of our own (the client's batch fetch can stall)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from busagents.adapters.jetstream.api import call
from busagents.adapters.jetstream.streams import NANOS
from busagents.domain.subjects import STREAM, inbox_consumer, inbox_filters, parse_log_subject
from busagents.errors import InvalidName
from busagents.ports.log import Delivery, StoredMessage

_EXPIRES = 30.0  # seconds one pull waits at the server


class JetStreamDelivery:
    """ports.log.Delivery: one message, held until acknowledged."""

    def __init__(self, client: Client, message: Msg, stored: StoredMessage, deliveries: int) -> None:
        self._client = client
        self.token = message.reply
        self.message = stored
        self.deliveries = deliveries

    async def in_progress(self) -> None:
        """Reset the redelivery timer."""
        await self._client.publish(self.token, b"+WPI")

    async def ack(self) -> None:
        """See Delivery.ack."""
        try:
            await self._client.request(self.token, b"+ACK", timeout=5)
        except (nats.errors.Error, TimeoutError, OSError):
            return  # it is delivered again and found answered

    async def nak(self, delay: float = 0.0) -> None:
        """See Delivery.nak."""
        body = b"-NAK " + msgspec.json.encode({"delay": int(delay * NANOS)}) if delay else b"-NAK"
        await self._client.publish(self.token, body)

    async def term(self) -> None:
        """See Delivery.term."""
        await self._client.publish(self.token, b"+TERM")


class JetStreamInbox:
    """ports.log.Inbox. Keeps one pull per free credit outstanding, and renews pulls that the server ended."""

    def __init__(self, client: Client, participant: str, credits: int) -> None:
        self._client = client
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{inbox_consumer(participant)}"
        self._prefix = client.new_inbox()
        self._free = credits
        self._pulls: dict[str, int] = {}  # reply subject -> messages it may still bring
        self._count = 0
        self._queue: asyncio.Queue[Delivery | None] = asyncio.Queue()
        self._subscription: Subscription | None = None
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    async def open(self) -> JetStreamInbox:
        """Start pulling."""
        self._subscription = await self._client.subscribe(f"{self._prefix}.*", cb=self._receive)
        self._wake.set()
        self._loop = asyncio.create_task(self._pull(), name="inbox-pull")
        return self

    async def _pull(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._wake.wait(), _EXPIRES + 2)
            except TimeoutError:  # a whole period without a word: pulls were lost with a connection
                self._free += sum(self._pulls.values())
                self._pulls.clear()
            self._wake.clear()
            if self._free <= 0:
                continue
            self._count += 1
            reply = f"{self._prefix}.{self._count}"
            batch, self._free = self._free, 0
            self._pulls[reply] = batch
            query = msgspec.json.encode({"batch": batch, "expires": int(_EXPIRES * NANOS)})
            try:
                await self._client.publish(self._next, query, reply=reply)
            except (nats.errors.Error, OSError):
                self._settle(reply, batch)
                await asyncio.sleep(0.5)

    def reconnected(self) -> None:
        """Pulls of the old connection bring nothing any more: ask again."""
        self._free += sum(self._pulls.values())
        self._pulls.clear()
        self._wake.set()

    def _settle(self, reply: str, count: int) -> None:
        left = self._pulls.pop(reply, 0)
        self._free += min(left, count) if left else 0
        if left > count:
            self._pulls[reply] = left - count
        self._wake.set()

    async def _receive(self, message: Msg) -> None:
        status = (message.headers or {}).get("Status")
        if status is not None and not message.reply:
            if status == "503":  # nobody serves the consumer now
                await asyncio.sleep(0.2)
            self._settle(message.subject, self._pulls.get(message.subject, 0))
            return
        left = self._pulls.get(message.subject, 0) - 1
        if left > 0:
            self._pulls[message.subject] = left
        else:
            self._pulls.pop(message.subject, None)
        try:
            ref, kind = parse_log_subject(message.subject)
        except InvalidName:
            await self._client.publish(message.reply, b"+TERM")
            self.release()
            return
        meta = message.metadata
        entry_id = (message.headers or {}).get("Nats-Msg-Id")
        stored = StoredMessage(ref, kind, meta.sequence.stream, entry_id, message.data)
        self._queue.put_nowait(JetStreamDelivery(self._client, message, stored, meta.num_delivered or 1))

    async def deliveries(self) -> AsyncIterator[Delivery]:
        """See Inbox.deliveries."""
        while (delivery := await self._queue.get()) is not None:
            yield delivery

    def release(self, count: int = 1) -> None:
        """See Inbox.release."""
        self._free += count
        self._wake.set()

    async def close(self) -> None:
        """See Inbox.close."""
        if self._loop is not None:
            self._loop.cancel()
        if self._subscription is not None:
            await self._subscription.unsubscribe()
        while not self._queue.empty():  # taken from the server, not begun: give back at once
            delivery = self._queue.get_nowait()
            if delivery is not None:
                await delivery.nak()
        self._queue.put_nowait(None)


async def ensure_consumer(client: Client, participant: str, *, replicas: int, ack_wait: float, max_deliver: int) -> None:
    """Create the durable consumer, or leave it as it is when it is there already."""
    config = {
        "durable_name": inbox_consumer(participant),
        "filter_subjects": inbox_filters(participant),
        "ack_policy": "explicit",
        "deliver_policy": "all",
        "ack_wait": int(ack_wait * NANOS),
        "max_deliver": max_deliver,
        "max_ack_pending": 20_000,
        "max_waiting": 4096,
        "num_replicas": replicas,
    }
    name = inbox_consumer(participant)
    await call(client, f"CONSUMER.CREATE.{STREAM}.{name}", {"stream_name": STREAM, "config": config})
