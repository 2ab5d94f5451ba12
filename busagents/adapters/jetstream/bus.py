"""ports.log.Bus on NATS: one connection, and everything a participant's process needs through it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import msgspec
import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from busagents.adapters.jetstream.api import ApiError, call
from busagents.adapters.jetstream.inbox import JetStreamInbox, ensure_consumer
from busagents.adapters.jetstream.log import JetStreamLog
from busagents.domain.codec import sha256_hex
from busagents.domain.subjects import (
    BLOB_BUCKET,
    STREAM,
    ThreadRef,
    inbox_consumer,
    live_subject,
    owner_filter,
    owner_subject,
    parse_live_subject,
    parse_log_subject,
    parse_owner_subject,
    session_live_filter,
    stop_filter,
)
from busagents.errors import BlobMissing, BusUnreachable
from busagents.ports.log import Announced, LiveMessage, OwnsThread, StopHeard

_SERVICE = "busagents"
MAX_DELIVER = 12


async def connect_client(url: str, *, user: str | None = None, password: str | None = None, name: str = "busagents") -> Client:
    """Connect, and then reconnect for ever.

    Raises:
        BusUnreachable: nothing answers at the address; the text has no credentials.
    """
    client = Client()
    try:
        await asyncio.wait_for(
            client.connect(
                servers=url.split(","),
                user=user,
                password=password,
                name=name,
                connect_timeout=2,
                allow_reconnect=True,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                pending_size=2 * 1024 * 1024,
                error_cb=_ignore,
            ),
            5,
        )
    except (nats.errors.Error, TimeoutError, OSError, ValueError) as error:
        shown = re.sub(r"//[^@/]*@", "//", url)
        raise BusUnreachable(
            f"no NATS server answers at {shown} ({type(error).__name__}): start one with `busagents up`, or pass --nats URL"
        ) from None
    client.options["max_reconnect_attempts"] = -1
    client.options["reconnect_time_wait"] = 0.1
    return client


async def _ignore(error: Exception) -> None:
    """Connection errors come and go with the connection; the calls that are affected raise their own."""


async def connect_bus(
    url: str,
    *,
    user: str | None = None,
    password: str | None = None,
    name: str = "busagents",
    replicas: int = 1,
    ack_wait: float = 10.0,
) -> JetStreamBus:
    """A bus on the server at `url`. Raises BusUnreachable."""
    return JetStreamBus(await connect_client(url, user=user, password=password, name=name), replicas=replicas, ack_wait=ack_wait)


class JetStreamLive:
    """ports.log.LiveSubscription on a core subscription."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[LiveMessage] = asyncio.Queue(4096)
        self.subscription: Subscription | None = None

    async def receive(self, message: Msg) -> None:
        """Take a message in; when the reader is slow the oldest goes."""
        headers = message.headers or {}
        position, previous = int(headers.get("Nats-Sequence", 0)), int(headers.get("Nats-Last-Sequence", 0))
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(LiveMessage(parse_live_subject(message.subject), message.data, position, previous))

    async def __aiter__(self) -> AsyncIterator[LiveMessage]:
        while True:
            yield await self._queue.get()

    async def close(self) -> None:
        """Stop listening."""
        if self.subscription is not None:
            await self.subscription.unsubscribe()


class JetStreamBus:
    """Everything through one connection."""

    def __init__(self, client: Client, *, replicas: int, ack_wait: float) -> None:
        self.client = client
        self._replicas = replicas
        self._ack_wait = ack_wait
        self._log = JetStreamLog(client)
        self._services: list[object] = []

    @property
    def log(self) -> JetStreamLog:
        """The log."""
        return self._log

    async def inbox(self, participant: str, *, credits: int) -> JetStreamInbox:
        """See Bus.inbox."""
        await ensure_consumer(self.client, participant, replicas=self._replicas, ack_wait=self._ack_wait, max_deliver=MAX_DELIVER)
        inbox = await JetStreamInbox(self.client, participant, credits).open()

        async def renew() -> None:
            inbox.reconnected()

        self.client._reconnected_cb = renew  # nats-py takes this callback only at connect, before there is an inbox
        return inbox

    async def publish_live(self, ref: ThreadRef, body: bytes) -> None:
        """See Bus.publish_live."""
        await self.client.publish(live_subject(ref), body)

    async def watch_session(self, session: str) -> JetStreamLive:
        """See Bus.watch_session."""
        live = JetStreamLive()
        live.subscription = await self.client.subscribe(session_live_filter(session), cb=live.receive)
        await self.client.flush()
        return live

    async def hear_stops(self, participant: str, callback: StopHeard) -> None:
        """See Bus.hear_stops."""

        async def heard(message: Msg) -> None:
            callback(parse_log_subject(message.subject)[0], message.data)

        await self.client.subscribe(stop_filter(participant), cb=heard)

    async def answer_owner(self, participant: str, owns: OwnsThread) -> None:
        """See Bus.answer_owner."""

        async def asked(message: Msg) -> None:
            if owns(parse_owner_subject(message.subject)):
                await message.respond(b"yes")

        await self.client.subscribe(owner_filter(participant), cb=asked)

    async def ask_owner(self, ref: ThreadRef, *, timeout: float) -> bool:
        """See Bus.ask_owner."""
        try:
            await self.client.request(owner_subject(ref), b"", timeout=timeout)
        except (nats.errors.Error, TimeoutError):
            return False
        return True

    async def put_blob(self, data: bytes) -> str:
        """See Bus.put_blob."""
        key = sha256_hex(data)
        store = await self.client.jetstream().object_store(BLOB_BUCKET)
        try:
            await store.get_info(key)
        except nats.js.errors.ObjectNotFoundError:
            await store.put(key, data)
        return key

    async def get_blob(self, key: str) -> bytes:
        """See Bus.get_blob."""
        store = await self.client.jetstream().object_store(BLOB_BUCKET)
        try:
            data = (await store.get(key)).data or b""
        except (nats.js.errors.Error, nats.errors.Error) as error:
            raise BlobMissing(
                f"blob {key} is not in the object store ({type(error).__name__}): restore it from a backup"
            ) from None
        if sha256_hex(data) != key:
            raise BlobMissing(f"blob {key} in the object store has other bytes than were stored: restore it from a backup")
        return data

    async def register(self, participant: str, *, description: str, version: str, metadata: dict[str, str]) -> None:
        """See Bus.register. A NATS micro service: `nats micro ls` finds it."""
        from nats.micro import add_service
        from nats.micro.service import ServiceConfig

        config = ServiceConfig(
            name=_SERVICE, version=version, description=description[:256], metadata={**metadata, "participant": participant}
        )
        self._services.append(await add_service(self.client, config))

    async def participants(self, *, timeout: float = 0.3) -> list[Announced]:
        """See Bus.participants."""
        inbox = self.client.new_inbox()
        found: list[Announced] = []
        done = asyncio.get_running_loop().time() + timeout
        subscription = await self.client.subscribe(inbox)
        await self.client.publish(f"$SRV.INFO.{_SERVICE}", b"", reply=inbox)
        try:
            while (left := done - asyncio.get_running_loop().time()) > 0:
                info = msgspec.json.decode((await subscription.next_msg(timeout=left)).data)
                metadata = dict(info.get("metadata") or {})
                name = metadata.pop("participant", "")
                found.append(Announced(name, info["id"], info.get("description", ""), info["version"], metadata))
        except nats.errors.TimeoutError:
            pass
        finally:
            await subscription.unsubscribe()
        return sorted(found, key=lambda item: (item.name, item.instance))

    async def known(self, participant: str) -> bool:
        """See Bus.known."""
        try:
            await call(self.client, f"CONSUMER.INFO.{STREAM}.{inbox_consumer(participant)}")
        except ApiError:
            return False
        return True

    async def close(self) -> None:
        """See Bus.close."""
        if self.client.is_connected:
            with contextlib.suppress(nats.errors.Error):
                await self.client.flush(2)
        await self.client.close()
