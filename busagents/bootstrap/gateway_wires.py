"""What a gateway serves: its operations over a bus, and every wire that speaks them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import NamedTuple

from busagents.bootstrap.gateway_bus import BusOfGateway
from busagents.bootstrap.gateway_push import Push
from busagents.domain.gateway import Gateway
from busagents.gateway.app import make_app
from busagents.gateway.callers import caller_of
from busagents.gateway.cards import Cards, base_of_request
from busagents.gateway.errors import ExtendedAgentCardNotConfigured
from busagents.gateway.exposure import Exposure
from busagents.gateway.failures import bus_failures
from busagents.gateway.guards import App
from busagents.gateway.index import TaskIndex
from busagents.gateway.log_service import LogService
from busagents.gateway.plain import Plain, SessionEvents
from busagents.gateway.service import GatewayService
from busagents.gateway.session_events import LoggedSessions
from busagents.gateway.types import Caller
from busagents.gateway.wire_v03 import WireV03
from busagents.gateway.wire_v03_rest import RestWireV03
from busagents.ports.log import Bus


class Served(NamedTuple):
    """The operations over a bus: A2A's eleven, the events of a session, and whether a participant can be called, live or not."""

    service: GatewayService
    sessions: SessionEvents
    exists: Callable[[str], Awaitable[bool]]


@asynccontextmanager
async def service_on(bus: Bus, definition: Gateway, push: Push | None = None) -> AsyncIterator[Served]:
    """The operations over the bus, while the block runs. With `push`, notifications are delivered meanwhile."""
    view = BusOfGateway(bus)
    index = TaskIndex(view)
    exposure = Exposure(view, only=definition.expose)

    async def exists(name: str) -> bool:
        with bus_failures():
            return exposure.exposes(name) and await view.known(name)

    try:
        async with push.delivering(view, index) if push is not None else nullcontext():
            service = LogService(view, index, exposure, push=push.store if push is not None else None)
            yield Served(service, LoggedSessions(view, exposure), exists)
    finally:
        await index.close()
        await view.close()


def make_wires(served: Served, cards: Cards, definition: Gateway) -> App:
    """Every wire, without guards: A2A 1.0 and 0.3 over JSON-RPC and HTTP+JSON, and plain HTTP."""
    plain = Plain(
        served.service,
        caller_of=caller_of,
        sessions=served.sessions,
        at_short=not definition.root,  # there `/v1` is A2A 0.3's
        auth=cards.settings.auth,
        version=cards.settings.version,
        max_body=definition.max_body,
    )
    return make_app(
        served.service,
        known=cards.known,
        default=definition.root,
        card_for=_card_for(cards) if cards.settings.auth else None,
        rpc_v03=WireV03(),
        rest_v03=RestWireV03(),
        extra_routes=[plain],
        max_body=definition.max_body,
    )


def _card_for(cards: Cards) -> Callable[[Caller, str], Awaitable[bytes]]:
    async def card_for(caller: Caller, participant: str) -> bytes:
        card = await cards.card(base_of_request.get(), participant, extended=True)
        if card is None:
            raise ExtendedAgentCardNotConfigured(f"nobody on the bus is called {participant!r} now")
        return card.body

    return card_for
