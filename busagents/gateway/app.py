"""The gateway's ASGI application: each participant at `/agents/{name}` and `/a2a/{name}`, one of them at the root as well.

At an agent's URL JSON-RPC is POSTed, and below it HTTP+JSON is served, in the versions there are dialects of. Plain ASGI on the way of
calls; `extra_routes` are Starlette's. Who calls is asked of `caller_of` before anything else.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.routing import BaseRoute, Match, Router

from busagents.gateway.callers import caller_of as caller_in_scope
from busagents.gateway.calls import CardFor, RestDialect, RpcDialect
from busagents.gateway.errors import A2AError
from busagents.gateway.exchange import Exchange, Framing, Receive, Scope, SendMessage, Wiring, segments
from busagents.gateway.jsonrpc import JsonRpc, RpcFraming
from busagents.gateway.negotiation import NO_EXTENSIONS, ExtensionsOf
from busagents.gateway.rest import Rest, RestFraming, no_such_path
from busagents.gateway.service import GatewayService
from busagents.gateway.types import Caller, Exposed
from busagents.gateway.wire_errors import Internal, NoSuchPath, WrongMethod
from busagents.gateway.wire_v1 import WireV1

ASGIApp = Callable[[Scope, Receive, SendMessage], Awaitable[None]]
Known = Callable[[], Awaitable[Sequence[Exposed]]]

LOG = logging.getLogger(__name__)
NO_PAGE = "this is an agent's URL: POST JSON-RPC to it; its card is at /.well-known/agent-card.json below it"
MAX_BODY = 10 * 1024 * 1024
PREFIXES = frozenset(["agents", "a2a"])


def make_app(
    service: GatewayService,
    *,
    known: Known | None = None,
    default: str = "",
    caller_of: Callable[[Mapping[str, Any]], Caller] = caller_in_scope,
    extensions_of: ExtensionsOf = lambda participant: NO_EXTENSIONS,
    card_for: CardFor | None = None,
    rpc_v03: RpcDialect | None = None,
    rest_v03: RestDialect | None = None,
    extra_routes: Sequence[BaseRoute] = (),
    max_body: int = MAX_BODY,
    keep_alive: float = 15.0,
    body_time: float = 30.0,
) -> ASGIApp:
    """The application.

    Args:
        known: who can be called, asked on every request; the service by default.
        default: who is served at the root; by default the one there is, if there is one.
        caller_of: who calls, from the ASGI scope, where the guards put it.
        extensions_of: a participant's extensions. Those that are required are enforced.
        card_for: a participant's extended card; without it there are none.
        rpc_v03, rest_v03: the dialects of 0.3; without them its calls are answered with VersionNotSupported.
        extra_routes: what else is served, where no agent's path is; what they have below `/v1` goes before 0.3's paths.
        max_body: bytes of a request.
        keep_alive: seconds after which a quiet stream gets a comment.
        body_time: seconds a body may take to arrive.
    """
    wiring = Wiring(service, extensions_of, card_for, keep_alive, max_body, body_time)
    agents = Agents(known or service.participants, default)
    return App(wiring, agents, caller_of, JsonRpc(rpc_v03), Rest(rest_v03), Router(extra_routes) if extra_routes else None)


class Agents:
    """Finds the participant of a URL."""

    def __init__(self, known: Known, default: str) -> None:
        self._known = known
        self._default = default

    async def at(self, name: str) -> str:
        """The participant of that name; "" is the root's. Raises NoSuchPath."""
        known = await self._known()
        if not name:
            if not self._default and len(known) == 1:
                return known[0].name
            name = self._default
            if not name:
                raise NoSuchPath("no agent is served at the root: each has its URL, /agents/{name}")
        if not any(exposed.name == name for exposed in known):
            raise NoSuchPath(f"no agent is called {name[:64]!r}")
        return name


class App:
    """See make_app."""

    def __init__(
        self,
        wiring: Wiring,
        agents: Agents,
        caller_of: Callable[[Mapping[str, Any]], Caller],
        rpc: JsonRpc,
        rest: Rest,
        extra: Router | None,
    ) -> None:
        self._wiring = wiring
        self._agents = agents
        self._caller_of = caller_of
        self._rpc = rpc
        self._rest = rest
        self._extra = extra
        self._rpc_errors: Framing = RpcFraming(WireV1())
        self._rest_errors: Framing = RestFraming(WireV1())

    async def __call__(self, scope: Scope, receive: Receive, send: SendMessage) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await serve_no_http(scope, receive, send)
            return
        path = segments(scope)
        name = ""
        if path[0] in PREFIXES and len(path) > 1:
            name, path = path[1], path[2:] or ("",)
        at_agent = path == ("",)
        is_rpc = at_agent and scope["method"] == "POST"
        found = None if at_agent else self._rest.find(path)
        if not is_rpc and (found is None or path[0] == "v1") and self._extra is not None and self._is_extra(scope):
            await self._extra(scope, receive, send)
            return
        exchange = Exchange(self._wiring, scope, receive, send, self._rpc_errors if is_rpc else self._rest_errors)
        try:
            if found is None and not at_agent:
                raise no_such_path(path)
            exchange.caller = self._caller_of(scope)
            exchange.participant = await self._agents.at(name)
            if found is not None:
                await self._rest.serve(exchange, found)
            elif is_rpc:
                await self._rpc.serve(exchange)
            else:
                raise WrongMethod(NO_PAGE, "POST")
        except A2AError as error:
            if exchange.started:
                raise
            await exchange.refuse(error)
        except Exception:
            LOG.exception("a call failed")
            if exchange.started:
                raise
            await exchange.refuse(Internal())

    def _is_extra(self, scope: Scope) -> bool:
        routes = self._extra.routes if self._extra is not None else []
        return any(route.matches(scope)[0] is not Match.NONE for route in routes)


async def serve_no_http(scope: Scope, receive: Receive, send: SendMessage) -> None:
    """The server's start and end, of which nothing depends here; and web sockets, which there are none of."""
    if scope["type"] != "lifespan":
        await send({"type": "websocket.close", "code": 1008})
        return
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
