"""What stands before the wires: Host, Origin, caller, limits, body size; health, cards, metrics; and the way down.

Plain ASGI around the application, so that it costs microseconds and sees every answer. A request passes in this order:

    health · Host · card · draining · Origin · caller · rate and concurrency · body size · the application
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from busagents.gateway import health as health_paths
from busagents.gateway.callers import Callers, Forbidden, Unauthenticated, set_caller
from busagents.gateway.cards import WELL_KNOWN, Cards, Reply, base_of_request
from busagents.gateway.errors import TooManyRequests, Unavailable
from busagents.gateway.health import Health
from busagents.gateway.hosts import HostRule, OriginRule
from busagents.gateway.limits import Limiter
from busagents.gateway.metrics import Metrics, route_of
from busagents.gateway.refusals import Refused, refusal, word_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
_BODY_TIME = 30.0  # seconds a body may take to arrive
_CARD = re.compile(r"(?:/(?:agents|a2a)/(?P<name>[A-Za-z0-9_-]{1,64}))?(?:" + "|".join(map(re.escape, WELL_KNOWN)) + ")")
_AGENT = re.compile(r"/(?:agents|a2a)/([A-Za-z0-9_-]{1,64})(?:/.*)?")
_PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, POST, DELETE"),
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, X-API-Key, A2A-Version, A2A-Extensions, Idempotency-Key, Last-Event-ID",
    ),
    (b"access-control-max-age", b"600"),
)


class Headers(Mapping[str, str]):
    """A request's headers by lowercase name, decoded when they are asked for; of one that is there twice, the last."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._raw = dict(raw)

    def __getitem__(self, name: str) -> str:
        return self._raw[name.encode("latin-1")].decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]  # a header that is absent says nothing
        """The header's value."""
        value = self._raw.get(name.encode("latin-1"))
        return default if value is None else value.decode("latin-1")


class Guards:
    """The application behind all guards. `max_body` in bytes; `documents`: JSON that anybody may have, by path."""

    def __init__(
        self,
        app: App,
        *,
        hosts: HostRule,
        origins: OriginRule,
        callers: Callers,
        limiter: Limiter,
        cards: Cards,
        health: Health,
        metrics: Metrics,
        max_body: int,
        documents: Mapping[str, bytes] | None = None,
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._origins = origins
        self._callers = callers
        self._limiter = limiter
        self._cards = cards
        self._health = health
        self._metrics = metrics
        self._max_body = max_body
        self._documents = documents or {}
        self._calls: set[asyncio.Task[Any]] = set()
        self._streams: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope["headers"])
        answer = _Answer(send, self._metrics, scope["method"], route_of(scope["path"]))
        if (origin := headers.get("origin")) and self._origins.shares_with(origin):
            answer.extra = ((b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin"))
        try:
            reply = await self._without_caller(scope, headers)
            if reply is not None:
                await answer.reply(reply)
                return
            await self._call(scope, headers, receive, answer)
        except (Refused, Unauthenticated, Forbidden, TooManyRequests, Unavailable) as error:
            self._metrics.refused(word_of(error))
            await answer.reply(refusal(error))

    async def drain(self, grace: float) -> None:
        """Take no more work, end the streams, which callers resume elsewhere, and give the rest `grace` seconds."""
        self._health.draining = True
        for task in tuple(self._streams):
            task.cancel()
        try:
            async with asyncio.timeout(grace):
                await self._idle.wait()
        except TimeoutError:
            for task in tuple(self._calls):
                task.cancel()
            await self._idle.wait()

    async def close(self) -> None:
        """Nothing is served any more."""
        await self._cards.close()

    async def _without_caller(self, scope: Scope, headers: Mapping[str, str]) -> Reply | None:
        """What needs no caller: health, cards, a browser's question beforehand. None: it is a call."""
        path, method, host = scope["path"], scope["method"], headers.get("host", "")
        if path in health_paths.PATHS and method in ("GET", "HEAD"):
            if path == "/metrics" and self._callers.required:
                await self._callers.identify(headers)
            return await self._health.reply(path)
        if not self._hosts.allows(host):
            raise Refused(421, "host", f"the host {host[:200]!r} is not one of this gateway's: its operator can allow it")
        base = f"{scope['scheme']}://{host}{scope.get('root_path', '')}"
        base_of_request.set(base)
        if method in ("GET", "HEAD") and (found := _CARD.fullmatch(path)) is not None:
            return await self._cards.reply(base, found["name"] or "", if_none_match=headers.get("if-none-match", ""))
        if (document := self._documents.get(path)) is not None and method in ("GET", "HEAD"):
            return Reply(200, ((b"content-type", b"application/json"), (b"cache-control", b"public, max-age=600")), document)
        if method == "OPTIONS" and "access-control-request-method" in headers:
            return Reply(204, _PREFLIGHT if self._origins.shares_with(headers.get("origin", "")) else (), b"")
        return None

    async def _call(self, scope: Scope, headers: Mapping[str, str], receive: Receive, answer: _Answer) -> None:
        if self._health.draining:
            raise Unavailable("this gateway is being stopped: try again, another replica answers")
        if scope["method"] not in ("GET", "HEAD") and not self._origins.allows(headers.get("origin", ""), headers["host"]):
            raise Refused(
                403, "origin", f"pages of {headers['origin'][:200]!r} may not call this gateway: its operator can allow it"
            )
        caller = await self._callers.identify(headers)
        set_caller(scope, caller)
        name = caller.name if self._callers.required else f"anonymous {(scope.get('client') or ('',))[0]}"
        self._limiter.enter(name)
        task = asyncio.current_task()
        assert task is not None
        self._calls.add(task)
        self._idle.clear()
        self._metrics.open_calls += 1
        answer.on_stream = self._stream_began
        try:
            if (agent := _AGENT.fullmatch(scope["path"])) is not None:
                await self._cards.known(agent[1])  # so that the application knows one who is away
            if scope["method"] not in _WITHOUT_BODY:
                receive = await self._whole_body(headers, receive)
            await self._app(scope, receive, answer.send)
        except asyncio.CancelledError:
            if not self._health.draining:
                raise
            task.uncancel()  # drain() did this: the answer ends in order
            if answer.started:
                await answer.end()
            else:
                raise Unavailable("this gateway is being stopped: try again, another replica answers") from None
        finally:
            self._limiter.leave(name)
            self._metrics.open_calls -= 1
            if task in self._streams:
                self._streams.discard(task)
                self._metrics.open_streams -= 1
            self._calls.discard(task)
            if not self._calls:
                self._idle.set()

    def _stream_began(self) -> None:
        task = asyncio.current_task()
        if task in self._calls:  # an application that answers from another task is ended with its call
            assert task is not None
            self._streams.add(task)
            self._metrics.open_streams += 1

    async def _whole_body(self, headers: Mapping[str, str], receive: Receive) -> Receive:
        """Take the body in, as far as it may go; what is received then is all of it, and after that the caller's leaving.

        Raises:
            Refused: it is too large, or too slow.
        """
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._max_body:
            raise self._too_large()
        message = await receive()
        if message.get("more_body"):
            parts = [message.get("body", b"")]
            size = len(parts[0])
            try:
                async with asyncio.timeout(_BODY_TIME):
                    while message.get("more_body"):
                        message = await receive()
                        parts.append(message.get("body", b""))
                        size += len(parts[-1])
                        if size > self._max_body:
                            raise self._too_large()
            except TimeoutError:
                raise Refused(408, "slow", f"the body did not arrive within {_BODY_TIME:g} s: send it again") from None
            if message["type"] == "http.request":
                message = {"type": "http.request", "body": b"".join(parts), "more_body": False}
        elif len(message.get("body", b"")) > self._max_body:
            raise self._too_large()
        first: MutableMapping[str, Any] | None = message

        async def again() -> MutableMapping[str, Any]:
            nonlocal first
            if first is None:
                return await receive()
            whole, first = first, None
            return whole

        return again

    def _too_large(self) -> Refused:
        return Refused(413, "size", f"the body is larger than {self._max_body} bytes: send large files by URL")


class _Answer:
    """The answer to one request as it goes out, counted when its head does."""

    __slots__ = ("_began", "_ended", "_method", "_metrics", "_route", "_send", "extra", "on_stream", "started")

    def __init__(self, send: Send, metrics: Metrics, method: str, route: str) -> None:
        self._send = send
        self._metrics = metrics
        self._method = method
        self._route = route
        self._began = time.perf_counter()
        self._ended = False
        self.started = False
        self.extra: tuple[tuple[bytes, bytes], ...] = ()
        self.on_stream: Callable[[], None] | None = None

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """ASGI's send."""
        if message["type"] == "http.response.start":
            self.started = True
            self._metrics.answered(self._method, self._route, message["status"], time.perf_counter() - self._began)
            if self.on_stream is not None and _is_stream(message.get("headers", ())):
                self.on_stream()
            if self.extra:
                message = {**message, "headers": [*message.get("headers", ()), *self.extra]}
        elif not message.get("more_body"):
            self._ended = True
        await self._send(message)

    async def reply(self, reply: Reply) -> None:
        """A whole answer. HEAD gets its head."""
        length = () if reply.status in (204, 304) else ((b"content-length", str(len(reply.body)).encode()),)
        await self.send({"type": "http.response.start", "status": reply.status, "headers": [*reply.headers, *length]})
        await self.send({"type": "http.response.body", "body": b"" if self._method == "HEAD" else reply.body})

    async def end(self) -> None:
        """Nothing more comes."""
        if not self._ended:
            await self.send({"type": "http.response.body", "body": b""})


def _is_stream(headers: Any) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers)
