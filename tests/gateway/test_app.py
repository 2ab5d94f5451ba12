"""Which URL leads to whom, and what stands before a call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
import pytest_asyncio
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from busagents.gateway.app import make_app
from busagents.gateway.errors import TooManyRequests, Unavailable
from busagents.gateway.negotiation import Extensions
from busagents.gateway.types import Caller, Exposed
from tests.gateway.conftest import saying
from tests.gateway.echo_service import EchoService
from tests.support.http_server import serving

HEADERS = {"a2a-version": "1.0"}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "ListTasks"}
WANTED, OTHER = "https://host/wanted", "https://host/other"


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client of 1.0."""
    async with httpx.AsyncClient(headers=HEADERS, timeout=10) as made:
        yield made


async def test_each_participant_has_its_url_and_an_alias(client: httpx.AsyncClient) -> None:
    async with serving(make_app(EchoService("one", "two"))) as base:
        for path in ("/agents/one", "/a2a/one", "/agents/two", "/agents/two/"):
            assert "result" in (await client.post(base + path, json=LIST)).json()
            assert (await client.post(base + path.rstrip("/") + "/message:send", json=saying("x"))).status_code == 200
        task = (await client.post(f"{base}/a2a/two/message:send", json=saying("x"))).json()["task"]
        assert task["id"].startswith("two.")


async def test_nobody_of_that_name_is_a_404_in_both_bindings(client: httpx.AsyncClient) -> None:
    async with serving(make_app(EchoService("one", "two"))) as base:
        answer = await client.post(f"{base}/agents/three", json=LIST)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, -32601)
        answer = await client.get(f"{base}/agents/three/tasks")
        assert (answer.status_code, answer.json()["error"]["status"]) == (404, "NOT_FOUND")
        assert (await client.get(f"{base}/nothing/at/all")).status_code == 404


async def test_the_root_serves_the_only_one_or_the_default(client: httpx.AsyncClient) -> None:
    echo = EchoService("one")
    async with serving(make_app(echo)) as base:
        assert (await client.post(f"{base}/message:send", json=saying("x"))).json()["task"]["id"].startswith("one.")
        assert "result" in (await client.post(base, json=LIST)).json()
        echo.exposed.append(Exposed("two", ""))
        assert (await client.post(base, json=LIST)).status_code == 404
    async with serving(make_app(EchoService("one", "two"), default="two")) as base:
        assert (await client.post(f"{base}/message:send", json=saying("x"))).json()["task"]["id"].startswith("two.")


async def test_a_participant_that_joins_is_there_at_once(client: httpx.AsyncClient) -> None:
    echo = EchoService("one")
    async with serving(make_app(echo)) as base:
        assert (await client.post(f"{base}/agents/two", json=LIST)).status_code == 404
        echo.exposed.append(Exposed("two", ""))
        assert (await client.post(f"{base}/agents/two", json=LIST)).status_code == 200


async def test_tasks_are_their_callers(client: httpx.AsyncClient) -> None:
    def who(scope: Mapping[str, Any]) -> Caller:
        return Caller(dict(scope["headers"]).get(b"x-me", b"").decode())

    async with serving(make_app(EchoService(), caller_of=who)) as base:
        task = (await client.post(f"{base}/message:send", json=saying("x"), headers={"x-me": "a"})).json()["task"]
        assert (await client.get(f"{base}/tasks/{task['id']}", headers={"x-me": "a"})).status_code == 200
        assert (await client.get(f"{base}/tasks/{task['id']}", headers={"x-me": "b"})).status_code == 404


async def test_extra_routes_are_served_beside_and_do_not_hide_calls(client: httpx.AsyncClient) -> None:
    async def page(request: Request) -> PlainTextResponse:
        return PlainTextResponse("extra")

    paths = ("/", "/health", "/v1/tasks", "/v1/tasks/{id}", "/agents/{name}/card", "/tasks")
    async with serving(make_app(EchoService(), extra_routes=[Route(path, page) for path in paths])) as base:
        for path in ("/", "/health", "/v1/tasks", "/v1/tasks/x", "/agents/echo/card"):
            assert (await client.get(base + path)).text == "extra"
        assert (await client.get(f"{base}/tasks")).json()["totalSize"] == 0
        assert "result" in (await client.post(base, json=LIST)).json()


async def test_a_required_extension_must_be_named_and_is_confirmed(client: httpx.AsyncClient) -> None:
    extensions = Extensions(supported=frozenset([OTHER]), required=frozenset([WANTED]))
    async with serving(make_app(EchoService(), extensions_of=lambda participant: extensions)) as base:
        answer = await client.post(base, json=LIST)
        assert (answer.json()["error"]["code"], answer.json()["error"]["data"][0]["reason"]) == (
            -32008,
            "EXTENSION_SUPPORT_REQUIRED",
        )
        assert (await client.get(f"{base}/tasks", headers={"a2a-extensions": OTHER})).status_code == 400
        named = [("a2a-extensions", f"{OTHER}, https://host/unknown"), ("a2a-extensions", WANTED)]
        for answer in (
            await client.post(base, json=LIST, headers=named),
            await client.post(f"{base}/message:stream", json=saying("x"), headers=named),
        ):
            assert answer.status_code == 200
            assert answer.headers["a2a-extensions"] == f"{OTHER}, {WANTED}"


class Refusing(EchoService):
    """Refuses every list."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    async def list(self, *_: Any) -> Any:
        raise self.error


@pytest.mark.parametrize(("error", "status", "wait"), [(TooManyRequests("slow", 2.1), 429, "3"), (Unavailable("away"), 503, "1")])
async def test_what_proxies_act_on_is_told_by_the_status_in_both_bindings(
    client: httpx.AsyncClient, error: Exception, status: int, wait: str
) -> None:
    async with serving(make_app(Refusing(error))) as base:
        for answer in (await client.post(base, json=LIST), await client.get(f"{base}/tasks")):
            assert (answer.status_code, answer.headers["retry-after"]) == (status, wait)
            assert answer.json()["error"]["message"] == str(error)


async def test_a_directory_that_fails_is_no_bare_500(client: httpx.AsyncClient) -> None:
    async def nobody() -> Any:
        raise Unavailable("the bus is away")

    async with serving(make_app(EchoService(), known=nobody)) as base:
        assert (await client.get(f"{base}/tasks")).json()["error"]["status"] == "UNAVAILABLE"
        assert (await client.post(base, json=LIST)).json()["error"]["code"] == -32603
