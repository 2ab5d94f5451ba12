"""Puts a gateway's process together: bus, service, wires, guards, HTTP server."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from busagents.adapters.jetstream.bus import JetStreamBus, connect_bus
from busagents.adapters.jetstream.identity import StreamIdentity
from busagents.adapters.jetstream.provision import provision
from busagents.bootstrap.gateway_options import GatewayOptions, gateway_options
from busagents.bootstrap.gateway_push import Push
from busagents.bootstrap.gateway_server import address_of, bound_socket, make_server, serve
from busagents.bootstrap.gateway_wires import Served, make_wires, service_on
from busagents.domain.gateway import Gateway
from busagents.errors import BusError
from busagents.gateway.callers import Callers, KnownCallers, OpenCallers
from busagents.gateway.cards import Cards
from busagents.gateway.guards import Guards
from busagents.gateway.health import Check, Health
from busagents.gateway.hosts import HostRule, OriginRule
from busagents.gateway.limits import Limiter
from busagents.gateway.metrics import Metrics
from busagents.ports.log import Bus
from busagents.runtime.status import StatusWriter
from busagents.settings import load_settings

if TYPE_CHECKING:
    from busagents.gateway.signing import CardSigner

_VERSION = "0.1.0"
_ANSWERS = 2.0  # seconds in which the bus must answer to count as there
_log = logging.getLogger(__name__)


async def run_gateway(
    definition: Gateway,
    url: str,
    *,
    user: str | None = None,
    password: str | None = None,
    known_stream: StreamIdentity | None = None,
    status_fd: int | None = None,
    stop: asyncio.Event | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Run a gateway until SIGTERM or SIGINT (or `stop`): then it takes no more work, streams end, and what is open gets
    the definition's `grace`. `on_ready` gets its name when it serves.

    Raises:
        ConfigError, PortBusy: it may not or cannot listen as it is told to.
        BusUnreachable, StreamRefused, LogRegressed: it cannot start.
    """
    settings = load_settings()
    options = gateway_options(definition, settings.gateway, _VERSION)
    bound = await bound_socket(options, shared=definition.replicas > 1)
    bus: JetStreamBus | None = None
    try:
        bus = await connect_bus(
            url,
            user=user or settings.nats_user,
            password=password or settings.nats_password,
            name=definition.name,
            ack_wait=settings.ack_wait,
        )
        await provision(bus.client, replicas=settings.replicas, known=known_stream)
        status = StatusWriter(status_fd)
        signer = make_signer(settings.gateway.signing_key)
        push = Push(
            bus,
            allowed=options.push_allowed,
            replicas=settings.replicas,
            sign=signer.detached if signer is not None else None,
            ack_wait=settings.ack_wait,
        )
        async with service_on(bus, definition, push) as served:
            guards = make_guards(definition, options, served, bus_check(bus), signer)
            server = make_server(guards, options, settings.gateway.tls_key_password)
            if stop is None:
                stop = asyncio.Event()
                for number in (signal.SIGTERM, signal.SIGINT):
                    asyncio.get_running_loop().add_signal_handler(number, stop.set)
            _log.info("serves A2A at %s (pid %d)", address_of(bound, options), os.getpid())
            status.ready(address_of(bound, options))
            if on_ready is not None:
                on_ready(definition.name)
            await serve(server, bound, guards, stop, definition.grace)
        status.flush()
    finally:
        bound.close()
        if bus is not None:
            await bus.close()


def make_callers(options: GatewayOptions) -> Callers:
    """Who may call, by the options."""
    if not options.cards.auth:
        return OpenCallers()
    if not options.jwks_url:
        return KnownCallers(options.keys)
    from busagents.gateway.jwt_callers import JwtVerifier  # loads the cryptography, which not every gateway needs

    verifier = JwtVerifier(
        options.jwks_url, issuer=options.issuer, audience=options.audience, algorithms=options.algorithms, scope=options.scope
    )
    return KnownCallers(options.keys, verifier)


def make_signer(key: str) -> CardSigner | None:
    """What signs cards and notifications; None without a key.

    Raises:
        ConfigError: the key is none.
    """
    if not key:
        return None
    from busagents.gateway.signing import load_signer  # loads the cryptography, which not every gateway needs

    return load_signer(key)


def make_guards(definition: Gateway, options: GatewayOptions, served: Served, check: Check, signer: CardSigner | None) -> Guards:
    """The whole application: the wires of `served` behind all guards. `check` says whether the bus is there."""
    documents = {signer.jwks_path: signer.jwks} if signer is not None else {}
    cards = Cards(served.service.participants, options.cards, signer, served.exists)
    metrics = Metrics(_VERSION)
    return Guards(
        make_wires(served, cards, definition),
        hosts=HostRule(options.allowed_hosts),
        origins=OriginRule(options.allowed_origins),
        callers=make_callers(options),
        limiter=Limiter(rate=definition.rate, burst=definition.burst, open_calls=definition.open_calls),
        cards=cards,
        health=Health({"bus": check}, metrics, _VERSION),
        metrics=metrics,
        max_body=definition.max_body,
        documents=documents,
    )


def bus_check(bus: Bus) -> Check:
    """Whether JetStream answers now."""

    async def check() -> str:
        try:
            async with asyncio.timeout(_ANSWERS):
                await bus.known("gateway")  # any question to JetStream will do
        except (TimeoutError, BusError):
            return "the bus does not answer"
        return ""

    return check
