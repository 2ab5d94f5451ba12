"""What a gateway serves: its operations over a bus, and every wire that speaks them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from busagents.bootstrap.gateway_bus import BusOfGateway
from busagents.domain.gateway import Gateway
from busagents.gateway.app import make_app
from busagents.gateway.cards import Cards, base_of_request
from busagents.gateway.errors import ExtendedAgentCardNotConfigured
from busagents.gateway.exposure import Exposure
from busagents.gateway.guards import App
from busagents.gateway.index import TaskIndex
from busagents.gateway.log_service import LogService
from busagents.gateway.service import GatewayService
from busagents.gateway.types import Caller
from busagents.gateway.wire_v03 import WireV03
from busagents.gateway.wire_v03_rest import RestWireV03
from busagents.ports.log import Bus


@asynccontextmanager
async def service_on(bus: Bus, definition: Gateway) -> AsyncIterator[GatewayService]:
    """The eleven operations over the bus."""
    view = BusOfGateway(bus)
    index = TaskIndex(view)
    try:
        yield LogService(view, index, Exposure(view, only=definition.expose))
    finally:
        await index.close()
        await view.close()


def make_wires(service: GatewayService, cards: Cards, *, root: str, max_body: int) -> App:
    """Every wire of a service, without guards."""
    return make_app(
        service,
        known=cards.known,
        default=root,
        card_for=_card_for(cards) if cards.settings.auth else None,
        rpc_v03=WireV03(),
        rest_v03=RestWireV03(),
        max_body=max_body,
    )


def _card_for(cards: Cards) -> Callable[[Caller, str], Awaitable[bytes]]:
    async def card_for(caller: Caller, participant: str) -> bytes:
        card = await cards.card(base_of_request.get(), participant, extended=True)
        if card is None:
            raise ExtendedAgentCardNotConfigured(f"nobody on the bus is called {participant!r} now")
        return card.body

    return card_for
