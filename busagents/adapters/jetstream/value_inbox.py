"""The values of a bucket as a durable queue: each is held by one process at a time until it is removed or replaced."""

from __future__ import annotations

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from busagents.adapters.jetstream.api import call_patiently
from busagents.adapters.jetstream.connection import ConnectionEvents
from busagents.adapters.jetstream.inbox import JetStreamInbox
from busagents.adapters.jetstream.streams import NANOS, ConsumerSettings
from busagents.domain.subjects import ThreadRef, check_token
from busagents.ports.log import StoredMessage


class JetStreamValueInbox(JetStreamInbox):
    """ports.log.Inbox of a bucket, whose keys are tokens. The message's session is the key, its position the revision."""

    def __init__(
        self, client: Client, events: ConnectionEvents, bucket: str, consumer: str, settings: ConsumerSettings, credits: int
    ) -> None:
        super().__init__(client, events, consumer, settings, credits)
        self._bucket = bucket
        self._stream = f"KV_{bucket}"
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{consumer}"

    async def _take(self, message: Msg) -> None:
        if (message.headers or {}).get("KV-Operation") is None:
            await super()._take(message)
            return
        # That a value was removed interests nobody, and the mark of it would stay for ever.
        await self._client.publish(message.reply, b"+ACK")
        purge = {"filter": message.subject, "seq": message.metadata.sequence.stream + 1}
        await self._client.publish(f"$JS.API.STREAM.PURGE.{self._stream}", msgspec.json.encode(purge))
        self.release()

    def _stored(self, message: Msg) -> StoredMessage:
        meta = message.metadata
        key = check_token(message.subject.removeprefix(f"$KV.{self._bucket}."), "key")
        time = meta.timestamp.isoformat().replace("+00:00", "Z")
        return StoredMessage(ThreadRef(self._bucket, key), "in", meta.sequence.stream, None, message.data, time)

    async def _ensure_consumer(self) -> None:
        config = {
            "durable_name": self._participant,
            "ack_policy": "explicit",
            "deliver_policy": "all",
            "ack_wait": int(self._settings.ack_wait * NANOS),
            "max_deliver": self._settings.max_deliver,
            "max_ack_pending": 100_000,
            "max_waiting": 4096,
        }
        name = f"CONSUMER.CREATE.{self._stream}.{self._participant}"
        await call_patiently(self._client, name, {"stream_name": self._stream, "config": config})
