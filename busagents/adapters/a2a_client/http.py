"""HTTP to one remote agent: bounded in size and time, guarded, and with every failure as one of the port's errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from busagents.adapters.a2a_client import failures, sse
from busagents.adapters.a2a_client.credentials import Credentials
from busagents.adapters.a2a_client.guard import GuardedTransport, UrlGuard
from busagents.ports.remote import RemoteInvalid

MAX_BODY = 32 * 1024 * 1024  # bytes of a response, or of one event of a stream
_CONNECT = 10.0  # seconds
_KEEP = 2.0  # seconds an idle connection is used again: one the other side has closed meanwhile would lose a message


class Request(msgspec.Struct, frozen=True):
    """What to ask. `task`: it is about one task; `patience` in seconds between two signs of life."""

    method: str
    url: str
    body: Any = None
    headers: dict[str, str] = {}
    task: bool = False
    patience: float = 30.0


class Http:
    """`card_url` is what the user declared: credentials go to its host only."""

    def __init__(self, card_url: str, guard: UrlGuard, credentials: Credentials) -> None:
        self._home = urlsplit(card_url)
        self._credentials = credentials
        self.guard = guard
        self.api_key_header = "X-API-Key"
        transport = GuardedTransport(guard, limits=httpx.Limits(keepalive_expiry=_KEEP))
        self._client = httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=False)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def call(self, request: Request) -> Any:
        """The JSON of the answer; None if it is empty.

        Raises:
            RemoteError: there is no good answer.
        """
        async with self._exchange(request, "application/json, application/a2a+json") as response:
            return await self._json(response)

    async def stream(self, request: Request) -> AsyncGenerator[Any]:
        """The JSON of each event, or of the one answer if it does not stream. It may end at any point without an error.

        Raises:
            RemoteError: as call.
        """
        async with self._exchange(request, "text/event-stream, application/json") as response:
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                yield await self._json(response)
                return
            async with aclosing(sse.events(response.aiter_bytes(), max_size=MAX_BODY)) as events:
                async for data in events:
                    yield _decode(data, _host(request.url))

    @asynccontextmanager
    async def _exchange(self, request: Request, accept: str) -> AsyncIterator[httpx.Response]:
        """The response, if its status is good. What goes wrong while it is read is told as one of the port's errors too."""
        headers = {"Accept": accept, "Accept-Encoding": "identity", **request.headers, **self._proof(request.url)}
        content = None if request.body is None else msgspec.json.encode(request.body)
        if content is not None:
            headers["Content-Type"] = "application/json"
        timeout = httpx.Timeout(request.patience, connect=_CONNECT)
        host = _host(request.url)
        try:
            async with self._client.stream(
                request.method, request.url, content=content, headers=headers, timeout=timeout
            ) as response:
                if response.status_code >= 300:
                    raise await self._refusal(response, request, host)
                yield response
        except httpx.HTTPError as error:
            raise failures.of_transport(error, host) from None
        except httpx.InvalidURL as error:
            raise RemoteInvalid(f"{request.url[:200]!r} is no address that can be asked: {error}") from None

    async def _refusal(self, response: httpx.Response, request: Request, host: str) -> Exception:
        if response.status_code < 400:
            return RemoteInvalid(
                f"{host} answered HTTP {response.status_code}: redirects are not followed; give the address it leads to as card_url"
            )
        try:
            body = await self._json(response)
        except RemoteInvalid:
            body = None
        return failures.of_status(
            response.status_code,
            body,
            host,
            retry_after=response.headers.get("retry-after", ""),
            task=request.task,
            variable=self._credentials.variable,
        )

    async def _json(self, response: httpx.Response) -> Any:
        found = bytearray()
        async for chunk in response.aiter_bytes():
            found += chunk
            if len(found) > MAX_BODY:
                raise RemoteInvalid(f"{response.url.host} answered with more than {MAX_BODY} bytes")
        return _decode(bytes(found), response.url.host) if found else None

    def _proof(self, url: str) -> dict[str, str]:
        """The credentials, if they may go there: to the card's host, and not in the clear if the card came over TLS."""
        target = urlsplit(url)
        safe = target.scheme == self._home.scheme or target.scheme == "https"
        same = (target.hostname or "").lower() == (self._home.hostname or "").lower()
        return self._credentials.headers(self.api_key_header) if same and safe else {}


def _decode(data: bytes, host: str) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RemoteInvalid(f"{host} answered with something that is no JSON: {data[:80]!r}") from None


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]
