"""One message of an inbox, held until it is acknowledged."""

from __future__ import annotations

import contextlib

import msgspec
import nats.errors
from nats.aio.client import Client

from busagents.adapters.jetstream.streams import NANOS
from busagents.ports.log import StoredMessage


class JetStreamDelivery:
    """ports.log.Delivery. `token` is the subject on which the server takes acknowledgements."""

    def __init__(self, client: Client, token: str, message: StoredMessage, deliveries: int) -> None:
        self._client = client
        self.token = token
        self.message = message
        self.deliveries = deliveries

    async def in_progress(self) -> None:
        """See Delivery.in_progress."""
        await self._tell(b"+WPI")

    async def ack(self) -> None:
        """See Delivery.ack. A lost confirmation means at worst one more delivery, which finds itself answered."""
        with contextlib.suppress(nats.errors.Error, TimeoutError, OSError):
            await self._client.request(self.token, b"+ACK", timeout=5)

    async def nak(self, delay: float = 0.0) -> None:
        """See Delivery.nak."""
        await self._tell(b"-NAK " + msgspec.json.encode({"delay": int(delay * NANOS)}) if delay else b"-NAK")

    async def term(self) -> None:
        """See Delivery.term."""
        await self._tell(b"+TERM")

    async def _tell(self, what: bytes) -> None:
        with contextlib.suppress(nats.errors.Error):  # no connection: the ack wait will do it
            await self._client.publish(self.token, what)
