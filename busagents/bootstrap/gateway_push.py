"""Push notifications of a gateway's process: where they are kept, whom they may go to, and the delivery."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from busagents.adapters.a2a_client.guard import GuardedTransport, Resolve, UrlGuard, names_private_host, system_resolver
from busagents.adapters.jetstream.bus import JetStreamBus
from busagents.gateway.bus import GatewayBus
from busagents.gateway.index import TaskIndex
from busagents.gateway.push_delivery import PushDelivery
from busagents.gateway.push_lane import Patience
from busagents.gateway.push_store import StoredPush
from busagents.gateway.push_target import PushTarget, Sign, check_push
from busagents.ports.remote import RemoteForbidden

CONFIGS = "BUSAGENTS_PUSH"
PLACES = "BUSAGENTS_PUSH_PLACES"
CONSUMER = "delivery"
_PLACES_KEPT = 30 * 86400.0  # seconds; whose progress is forgotten is told the task once more
_MOST = 1000  # tasks followed at once by one process
_log = logging.getLogger(__name__)


class PushGuard(UrlGuard):
    """https to public addresses; to the `allowed` hosts, `name` or `name:port`, also if they are private, and there also http."""

    def __init__(self, allowed: Sequence[str] = (), *, resolve: Resolve = system_resolver) -> None:
        super().__init__(resolve=resolve)
        self._allowed = frozenset(item.lower() for item in allowed)
        self._open = UrlGuard(allow_private=True, resolve=resolve)

    def check(self, url: str) -> tuple[str, int]:
        """See UrlGuard.check."""
        host, port = self._open.check(url)
        if not self._is_allowed(host, port):
            return super().check(url)
        if url[:5].lower() == "http:" and not names_private_host(url):
            raise RemoteForbidden(f"{host!r} is not called: outside a private network only https is")
        return host, port

    async def pin(self, url: str) -> str:
        """See UrlGuard.pin."""
        host, port = self.check(url)
        return await (self._open.pin(url) if self._is_allowed(host, port) else super().pin(url))

    def _is_allowed(self, host: str, port: int) -> bool:
        return host.lower() in self._allowed or f"{host.lower()}:{port}" in self._allowed


class Push:
    """The configurations of a gateway, and what delivers to them. `allowed`: see PushGuard; `ack_wait`: the bus's, in seconds."""

    def __init__(
        self,
        bus: JetStreamBus,
        *,
        allowed: Sequence[str] = (),
        replicas: int = 1,
        sign: Sign | None = None,
        ack_wait: float = 10.0,
    ) -> None:
        self._bus = bus
        self._ack_wait = ack_wait
        self._configs = bus.values(CONFIGS, replicas=replicas)
        self._places = bus.values(PLACES, replicas=replicas, max_age=_PLACES_KEPT)
        self._guard = PushGuard(allowed)
        self._sign = sign
        self.store = StoredPush(self._configs, lambda config: check_push(config, self._guard.check))

    @asynccontextmanager
    async def delivering(self, view: GatewayBus, index: TaskIndex) -> AsyncIterator[None]:
        """Deliver while the block runs."""
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it writes whole URLs, and those are callers' secrets
        await self._configs.create()
        inbox = await self._bus.value_inbox(CONFIGS, CONSUMER, credits=_MOST)
        target = PushTarget(GuardedTransport(self._guard), sign=self._sign)
        patience = Patience(beat=self._ack_wait / 3)
        delivery = PushDelivery(view, self._configs, self._places, inbox, target, most=_MOST, patience=patience, find=index.find)
        running = asyncio.create_task(delivery.run(), name="push-delivery")
        running.add_done_callback(_tell_of_defect)
        try:
            yield
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            await target.close()


def _tell_of_defect(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("push notifications are not delivered any more by this process", exc_info=error)
