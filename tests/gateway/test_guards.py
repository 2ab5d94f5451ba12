"""The guards, in front of a small application, over ASGI as a server would call it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, MutableMapping
from typing import Any

import httpx
import pytest

from busagents.gateway.callers import Callers, KnownCallers, OpenCallers, caller_of, parse_keys
from busagents.gateway.cards import Cards, CardSettings
from busagents.gateway.guards import Guards
from busagents.gateway.health import Health
from busagents.gateway.hosts import HostRule, OriginRule, is_loopback
from busagents.gateway.limits import Limiter
from busagents.gateway.metrics import Metrics, route_of
from busagents.gateway.types import Exposed

KEY = "k" * 24
MAX_BODY = 1000


class App:
    """Says who called and what came; `/stream` streams and `/wait` answers once `go` is set."""

    def __init__(self) -> None:
        self.calls = 0
        self.waiting = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        self.calls += 1
        message = await receive() if scope["method"] == "POST" else {"body": b""}
        stream = scope["path"] == "/stream"
        kind = b"text/event-stream" if stream else b"application/json"
        if stream:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        if scope["path"] in ("/stream", "/wait"):
            self.waiting.set()
            await self.go.wait()
        if not stream:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        body = json.dumps({"caller": caller_of(scope).name, "size": len(message["body"])}).encode()
        await send({"type": "http.response.body", "body": body})


class Served:
    """A client of guards."""

    def __init__(self, app: App, guards: Guards, metrics: Metrics) -> None:
        self.app = app
        self.guards = guards
        self.metrics = metrics
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(guards), base_url="http://localhost:8420")  # type: ignore[arg-type]

    async def post(self, path: str = "/", content: Any = b"{}", **headers: str) -> httpx.Response:
        return await self.client.post(path, content=content, headers={k.replace("_", "-"): v for k, v in headers.items()})


def served(
    callers: Callers | None = None,
    limiter: Limiter | None = None,
    hosts: tuple[str, ...] = (),
    origins: tuple[str, ...] = (),
    wrong: str = "",
) -> Served:
    async def participants() -> list[Exposed]:
        return [Exposed("echo", "Repeats.")]

    async def check() -> str:
        return wrong

    app, metrics = App(), Metrics("1.2.3")
    guards = Guards(
        app,
        hosts=HostRule(hosts),
        origins=OriginRule(origins),
        callers=callers or OpenCallers(),
        limiter=limiter or Limiter(),
        cards=Cards(participants, CardSettings()),
        health=Health({"bus": check}, metrics, "1.2.3"),
        metrics=metrics,
        max_body=MAX_BODY,
        documents={"/.well-known/jwks.json": b'{"keys":[]}'},
    )
    return Served(app, guards, metrics)


def known(*names: str) -> KnownCallers:
    return KnownCallers(parse_keys(",".join(f"{name}={name}{KEY}" for name in names)))


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True),
        ("LOCALHOST:9", True),
        ("127.0.0.1:8420", True),
        ("[::1]:8420", True),
        ("[::1]", True),
        ("192.168.0.7:8420", True),
        ("a2a.example", True),
        ("a2a.example.:443", True),
        ("deep.bus.example", True),
        ("bus.example", False),
        ("evil.example", False),
        ("evil.example:8420", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
        (":8420", False),
    ],
)
async def test_a_name_that_somebody_else_may_point_at_us_is_not_served(host: str, allowed: bool) -> None:
    assert HostRule(("a2a.example", "*.bus.example")).allows(host) == allowed


@pytest.mark.parametrize(
    "host", ["", "a b", "a.example/x", "user@a.example", "a.example:", "a.example:80:80", "[::1", "a\r\nb", "ä.example"]
)
async def test_what_is_no_host_is_not_served_even_where_every_host_is(host: str) -> None:
    assert HostRule(("*",)).allows("whatever.example:8420")
    assert not HostRule(("*",)).allows(host)


async def test_a_request_to_a_foreign_host_is_421_and_reaches_nothing() -> None:
    system = served()
    for path in ("/", "/.well-known/agent-card.json"):
        assert (await system.client.get(path, headers={"host": "evil.example"})).status_code == 421
    assert system.app.calls == 0


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8420", 200),
        ("https://app.example", 200),
        ("https://evil.example", 403),
        ("http://localhost:3000", 403),
        ("null", 403),
        ("http://localhost:8420.evil.example", 403),
    ],
)
async def test_only_pages_of_its_own_host_and_of_named_origins_may_post(origin: str, status: int) -> None:
    answer = await served(origins=("https://app.example",)).post(origin=origin)
    assert answer.status_code == status


async def test_browsers_are_told_which_pages_may_read_answers() -> None:
    system = served(known("ann"), origins=("https://app.example",))
    asks = {"origin": "https://app.example", "access-control-request-method": "POST"}
    before = await system.client.options("/", headers=asks)
    assert before.status_code == 204
    assert before.headers["access-control-allow-origin"] == "https://app.example"
    assert "A2A-Version" in before.headers["access-control-allow-headers"]
    refused = await system.post(origin="https://app.example")
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://app.example")
    other = await system.client.options("/", headers={**asks, "origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


async def test_callers_are_who_their_key_says_and_others_are_401() -> None:
    system = served(known("ann", "bob"))
    assert (await system.post(authorization=f"Bearer ann{KEY}")).json()["caller"] == "ann"
    assert (await system.post(x_api_key=f"bob{KEY}")).json()["caller"] == "bob"
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic ann{KEY}"}, {"x_api_key": f"{KEY}"}):
        answer = await system.post(**headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert system.app.calls == 2


async def test_cards_and_health_need_no_key_but_metrics_do() -> None:
    system = served(known("ann"))
    for path in ("/.well-known/agent-card.json", "/agents/echo/.well-known/agent.json", "/livez", "/readyz", "/version"):
        assert (await system.client.get(path)).status_code == 200, path
    assert (await system.client.get("/metrics")).status_code == 401
    assert (await system.client.get("/metrics", headers={"x-api-key": f"ann{KEY}"})).status_code == 200


async def test_the_keys_that_signed_the_cards_are_for_everybody() -> None:
    answer = await served(known("ann")).client.get("/.well-known/jwks.json")
    assert (answer.status_code, answer.json()) == (200, {"keys": []})


async def test_a_caller_above_its_rate_is_429_with_the_time_to_wait_and_others_are_not() -> None:
    time = 0.0
    system = served(known("ann", "bob"), Limiter(rate=0.5, burst=2, now=lambda: time))
    ann, bob = {"x_api_key": f"ann{KEY}"}, {"x_api_key": f"bob{KEY}"}
    assert [(await system.post(**ann)).status_code for _ in range(3)] == [200, 200, 429]
    assert (await system.post(**ann)).headers["retry-after"] == "2"
    assert (await system.post(**bob)).status_code == 200
    time = 2.0
    assert [(await system.post(**ann)).status_code for _ in range(2)] == [200, 429]


async def test_a_caller_with_too_many_calls_open_is_429_until_one_ends() -> None:
    system = served(limiter=Limiter(open_calls=1))
    first = asyncio.create_task(system.post("/wait"))
    await system.app.waiting.wait()
    second = await system.post()
    assert (second.status_code, second.headers["retry-after"]) == (429, "1")
    system.app.go.set()
    assert (await first).status_code == 200
    assert (await system.post()).status_code == 200


@pytest.mark.parametrize("content", [b"x" * (MAX_BODY + 1), chunks(b"x" * MAX_BODY, b"x")], ids=["declared", "chunked"])
async def test_a_body_that_is_too_large_is_413_and_reaches_nothing(content: Any) -> None:
    system = served()
    assert (await system.post(content=content)).status_code == 413
    assert system.app.calls == 0


@pytest.mark.parametrize("content", [b"x" * MAX_BODY, chunks(b"x" * 400, b"x" * 600), b""], ids=["whole", "chunked", "empty"])
async def test_a_body_that_fits_arrives_whole(content: Any) -> None:
    answer = await served().post(content=content)
    assert answer.json()["size"] in (MAX_BODY, 0)


async def test_readiness_lists_its_checks_and_liveness_does_not_depend_on_them() -> None:
    system = served(wrong="the bus does not answer")
    ready = await system.client.get("/readyz")
    assert ready.status_code == 503
    assert {"name": "bus", "ok": False, "why": "the bus does not answer"} in ready.json()["checks"]
    assert (await system.client.get("/livez")).status_code == 200
    assert (await served().client.get("/readyz")).json()["status"] == "ready"


async def test_metrics_count_answers_and_refusals() -> None:
    system = served(limiter=Limiter(rate=1, burst=1))
    await system.post("/agents/echo/message:send")
    await system.post("/agents/echo/message:send")
    text = (await system.client.get("/metrics")).text
    assert 'busagents_gateway_requests_total{method="POST",route="message:send",status="200"} 1' in text
    assert 'busagents_gateway_requests_total{method="POST",route="message:send",status="429"} 1' in text
    assert 'busagents_gateway_refused_total{reason="limit"} 1' in text
    assert 'busagents_gateway_request_seconds_count{route="message:send"} 2' in text
    assert "busagents_gateway_open_calls 0" in text
    assert 'busagents_gateway_info{version="1.2.3"} 1' in text


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", "rpc"),
        ("/agents/echo", "rpc"),
        ("/agents/echo/message:stream", "message:stream"),
        ("/agents/echo/v1/message:send", "message:send"),
        ("/agents/echo/tasks", "tasks"),
        ("/agents/echo/tasks/1", "tasks"),
        ("/agents/echo/tasks/1:cancel", "tasks:cancel"),
        ("/agents/echo/tasks/1/pushNotificationConfigs/2", "push"),
        ("/agents/echo/.well-known/agent.json", "card"),
        ("/agents/echo/v1/card", "extended-card"),
        ("/v1/agents", "plain"),
        ("/api/v1/sessions/s/events", "plain"),
        ("/openapi.json", "plain"),
        ("/../../etc/passwd", "rpc"),
    ],
)
def test_the_words_of_metrics_are_few_whatever_is_asked_for(path: str, route: str) -> None:
    assert route_of(path) == route


async def events(system: Served, messages: list[Any], path: str) -> None:
    """One request as a server makes it, so that what goes out can be seen as it does."""

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "scheme": "http", "headers": [(b"host", b"localhost")]}
    await system.guards(scope, receive, send)


async def test_draining_ends_streams_in_order_and_turns_new_work_away() -> None:
    system = served()
    messages: list[Any] = []
    stream = asyncio.create_task(events(system, messages, "/stream"))
    await system.app.waiting.wait()
    await system.guards.drain(grace=5.0)
    await stream
    assert [message.get("more_body", False) for message in messages[1:]] == [True, False]
    answer = await system.post()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert (await system.client.get("/readyz")).status_code == 503
    assert (await system.client.get("/livez")).status_code == 200


async def test_draining_waits_for_open_calls_and_not_longer_than_its_grace() -> None:
    system = served()
    call = asyncio.create_task(system.post("/wait"))
    await system.app.waiting.wait()
    draining = asyncio.create_task(system.guards.drain(grace=5.0))
    await asyncio.sleep(0)
    system.app.go.set()
    await draining
    assert (await call).status_code == 200

    system = served()
    call = asyncio.create_task(system.post("/wait"))
    await system.app.waiting.wait()
    await system.guards.drain(grace=0.0)
    assert (await call).status_code == 503


async def test_a_call_that_its_server_cancels_stays_cancelled() -> None:
    system = served()
    call = asyncio.create_task(events(system, [], "/wait"))
    await system.app.waiting.wait()
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call
    assert call.cancelled()
    assert system.metrics.open_calls == 0


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("a.example", False),
    ],
)
def test_only_addresses_of_this_machine_are_loopback(host: str, own: bool) -> None:
    assert is_loopback(host) == own


def test_the_limiter_forgets_idle_callers() -> None:
    limiter = Limiter()
    for number in range(10_500):
        limiter.enter(str(number))
        limiter.leave(str(number))
    assert len(limiter._uses) == 10_000
