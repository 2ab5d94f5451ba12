"""The live feed of a session: stored `ev` entries, republished by the stream, and deltas between them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from busagents.domain.subjects import parse_live_subject, session_live_filter
from busagents.ports.log import LiveMessage

_KEPT = 4096  # messages a slow reader may be behind


class JetStreamLive:
    """ports.log.LiveSubscription on a core subscription."""

    def __init__(self, client: Client, session: str) -> None:
        self._client = client
        self._filter = session_live_filter(session)
        self._queue: asyncio.Queue[LiveMessage | None] = asyncio.Queue()
        self._subscription: Subscription | None = None

    async def open(self, *, settled: bool) -> JetStreamLive:
        """Subscribe. `settled`: active on the server when this returns; else before anything this connection sends later."""
        self._subscription = await self._client.subscribe(self._filter, cb=self._receive)
        if settled:
            await self._client.flush()
        return self

    async def _receive(self, message: Msg) -> None:
        headers = message.headers or {}
        position, previous = int(headers.get("Nats-Sequence", 0)), int(headers.get("Nats-Last-Sequence", 0))
        if self._queue.qsize() >= _KEPT:
            self._queue.get_nowait()  # the oldest goes: the log has what matters
        self._queue.put_nowait(LiveMessage(parse_live_subject(message.subject), message.data, position, previous))

    async def __aiter__(self) -> AsyncIterator[LiveMessage]:
        while (message := await self._queue.get()) is not None:
            yield message

    async def close(self) -> None:
        """See LiveSubscription.close. Iteration ends behind what was heard before."""
        if self._subscription is not None:
            with contextlib.suppress(nats.errors.Error):  # the connection is closed, and the subscription with it
                await self._subscription.unsubscribe()
            self._subscription = None
            self._queue.put_nowait(None)
