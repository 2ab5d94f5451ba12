"""An agent `echo` behind a real server, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from busagents.gateway.app import make_app
from tests.gateway.echo_service import EchoService
from tests.support.http_server import serving

Rpc = Callable[..., Awaitable[Any]]


@pytest.fixture
def echo() -> EchoService:
    """The service, to look into."""
    return EchoService()


@pytest_asyncio.fixture
async def echo_url(echo: EchoService) -> AsyncIterator[str]:
    """The URL of the agent `echo`."""
    async with serving(make_app(echo, keep_alive=0.2, max_body=100_000, body_time=0.5)) as base:
        yield f"{base}/agents/echo"


@pytest_asyncio.fixture
async def http(echo_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of A2A 1.0 whose paths are below the agent's URL."""
    async with httpx.AsyncClient(base_url=echo_url, headers={"a2a-version": "1.0"}, timeout=10) as client:
        yield client


@pytest.fixture
def rpc(http: httpx.AsyncClient, echo_url: str) -> Rpc:
    """Calls a method with parameters and gives the whole response."""

    async def call(method: str, params: Any = None, **headers: str) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = await http.post(echo_url, json=body, headers={name.replace("_", "-"): text for name, text in headers.items()})
        assert answer.status_code == 200
        return answer.json()

    return call


def saying(text: str, **more: Any) -> dict[str, Any]:
    """The parameters of a send."""
    return {"message": {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": text}], **more}}
