"""One post to where a caller wants a task's updates: guarded, signed, and with nothing secret in what is told of its failure."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import httpx

from busagents.gateway.errors import InvalidParams
from busagents.gateway.push_lane import PushFailed
from busagents.gateway.types import PushConfig
from busagents.ports.remote import RemoteError, RemoteForbidden

MEDIA_TYPE = "application/a2a+json"
SIGNATURE = "X-A2A-Notification-Signature"
TOKEN = "X-A2A-Notification-Token"
_GONE = 410
_LONGEST_URL = 2048
_SCHEME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,8190}[\x21-\x7e])?")

Sign = Callable[[bytes], str]
"""The signature of a body, as a JWS with detached content (RFC 7515, appendix F)."""


class PushTarget:
    """gateway.push_lane.Target. `transport` connects to allowed addresses only, and raises RemoteError; `timeout` in seconds."""

    def __init__(self, transport: httpx.AsyncBaseTransport, *, sign: Sign | None = None, timeout: float = 15.0) -> None:
        self._sign = sign
        self._timeout = timeout
        self._client = httpx.AsyncClient(
            transport=transport, trust_env=False, follow_redirects=False, timeout=httpx.Timeout(timeout)
        )

    async def post(self, config: PushConfig, body: bytes) -> None:
        """Any 2xx is the receipt. Redirects are not followed, and what else is answered is not read."""
        headers = {"Content-Type": MEDIA_TYPE, "User-Agent": "busagents", "Accept-Encoding": "identity"}
        if config.scheme:
            headers["Authorization"] = f"{config.scheme} {config.credentials}".strip()
        if config.token:
            headers[TOKEN] = config.token
        if self._sign is not None:
            headers[SIGNATURE] = self._sign(body)
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream("POST", config.url, content=body, headers=headers) as response,
            ):
                status = response.status_code
        except TimeoutError:
            raise PushFailed(f"no answer within {self._timeout:g} s") from None
        except RemoteForbidden:
            raise PushFailed("its address is in a network that is not posted to", for_good=True) from None
        except RemoteError:
            raise PushFailed("its name cannot be resolved") from None
        except httpx.HTTPError as error:
            raise PushFailed(f"the connection failed ({type(error).__name__})") from None
        if not 200 <= status < 300:
            raise PushFailed(f"it answered {status}", for_good=status == _GONE)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()


def check_push(config: PushConfig, check_url: Callable[[str], object]) -> None:
    """Whether something could be posted there, as far as can be told without asking. `check_url` raises RemoteForbidden.

    Raises:
        InvalidParams: it could not. Nothing secret is in the text.
    """
    if len(config.url) > _LONGEST_URL:
        raise _wrong("url", f"is longer than {_LONGEST_URL} characters")
    try:
        httpx.URL(config.url)
        check_url(config.url)
    except httpx.InvalidURL:
        raise _wrong("url", "is no URL") from None
    except RemoteForbidden:
        raise _wrong("url", "must be https and lead to a public address; the gateway's operator can allow others") from None
    if config.scheme and not _SCHEME.fullmatch(config.scheme):
        raise _wrong("authentication.scheme", "is no scheme of an Authorization header")
    if config.credentials and not _VALUE.fullmatch(config.credentials):
        raise _wrong("authentication.credentials", "cannot stand in a header")
    if config.token and not _VALUE.fullmatch(config.token):
        raise _wrong("token", "cannot stand in a header")


def _wrong(field: str, why: str) -> InvalidParams:
    return InvalidParams(f"the push configuration's {field} {why}", ((field, why),))
