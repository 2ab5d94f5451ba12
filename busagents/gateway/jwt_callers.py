"""Bearer tokens: JWTs of one issuer for one audience, checked with the issuer's public keys (RFC 7519, 7517, 8725).

Only its gateway's process imports this: it loads cryptography.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
import jwt
import msgspec

from busagents.gateway.callers import Forbidden, Unauthenticated
from busagents.gateway.errors import Unavailable
from busagents.gateway.types import Caller

_FRESH = 600.0  # seconds a set of keys is used
_PAUSE = 10.0  # seconds between fetches, whatever callers send
_TIMEOUT = 5.0  # seconds
_LARGEST = 1024 * 1024  # bytes of a set of keys
_LEEWAY = 30.0  # seconds that clocks may differ
_REMEMBERED = 60.0  # seconds a token that was checked is not checked again
_TOKENS = 4096
_FAMILIES = {"RSA": ("RS", "PS"), "EC": ("ES",), "OKP": ("EdDSA",)}

Fetch = Callable[[], Awaitable[bytes]]


class _Key(msgspec.Struct, frozen=True):
    kid: str
    key: Any
    algorithms: tuple[str, ...]


class JwtVerifier:
    """gateway.callers.TokenVerifier.

    The caller's name is `jwt:` and the token's subject, so that no subject is taken for an API key's caller.

    Args:
        url: where the issuer's JSON Web Key Set is.
        algorithms: those a token may be signed with; what the token itself says decides nothing.
        scope: a scope that tokens must have; "": none.
    """

    def __init__(
        self,
        url: str,
        *,
        issuer: str,
        audience: str,
        algorithms: Sequence[str],
        scope: str = "",
        fetch: Fetch | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._algorithms = tuple(algorithms)
        self._scope = scope
        self._keys = KeySet(fetch or (lambda: _fetched(url)), self._algorithms, now)
        self._now = now
        self._checked: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()

    async def caller(self, token: str) -> Caller:
        """Who the token was made for.

        Raises:
            Unauthenticated: it is none of the issuer's, not for us, or over.
            Forbidden: it lacks the scope.
            Unavailable: the keys cannot be fetched.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._checked.get(digest)
        if known is not None and self._now() < known[1]:
            return known[0]
        claims = await self._claims(token)
        caller = Caller(f"jwt:{claims['sub']}")
        until = min(_REMEMBERED, claims["exp"] + _LEEWAY - time.time())
        self._checked[digest] = (caller, self._now() + until)
        self._checked.move_to_end(digest)
        if len(self._checked) > _TOKENS:
            self._checked.popitem(last=False)
        return caller

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            key = await self._keys.find(str(header.get("kid", "")), str(header.get("alg", "")))
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=list(key.algorithms),
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise _refused(f"the token cannot be used ({error}): ask {self._issuer} for another") from None
        if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 256:
            raise _refused("the token's subject is empty or longer than 256 characters")
        if self._scope and self._scope not in _scopes(claims):
            raise Forbidden(
                f"the token lacks the scope {self._scope!r}", f'Bearer error="insufficient_scope", scope="{self._scope}"'
            )
        return claims


class KeySet:
    """The issuer's keys: fetched when they are old, or when a token names one that is not among them."""

    def __init__(self, fetch: Fetch, algorithms: Sequence[str], now: Callable[[], float]) -> None:
        self._fetch = fetch
        self._algorithms = tuple(algorithms)
        self._now = now
        self._keys: tuple[_Key, ...] = ()
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, kid: str, algorithm: str) -> _Key:
        """The key that a token names; without a name, the only one that fits its algorithm.

        Raises:
            Unauthenticated: there is none.
            Unavailable: no keys can be fetched, and there are none from before.
        """
        if self._now() - self._fetched > _FRESH:
            await self._refresh()
        found = self._choose(kid, algorithm)
        if found is None:
            await self._refresh()
            found = self._choose(kid, algorithm)
        if not self._keys:
            raise Unavailable("the keys of bearer tokens cannot be fetched now: try again")
        if found is None:
            raise _refused("the token is signed with a key that its issuer does not publish, or in a way that is not accepted")
        return found

    def _choose(self, kid: str, algorithm: str) -> _Key | None:
        fitting = [key for key in self._keys if algorithm in key.algorithms and kid in ("", key.kid)]
        return fitting[0] if len(fitting) == 1 or (kid and fitting) else None

    async def _refresh(self) -> None:
        asked = self._now()
        async with self._lock:
            if self._tried >= asked or self._now() - self._tried < _PAUSE:
                return  # another call did just now
            self._tried = self._now()
            try:
                self._keys = _read_keys(await self._fetch(), self._algorithms)
                self._fetched = self._now()
            except (httpx.HTTPError, msgspec.DecodeError, ValueError):
                return  # those from before are used on


class _Jwks(msgspec.Struct):
    keys: list[dict[str, Any]]


def _read_keys(body: bytes, algorithms: Sequence[str]) -> tuple[_Key, ...]:
    """The public keys for signatures; what is not understood is left out."""
    keys = []
    for item in msgspec.json.decode(body, type=_Jwks).keys:
        family = _FAMILIES.get(str(item.get("kty")), ())
        named = item.get("alg")
        usable = tuple(name for name in algorithms if name.startswith(family) and named in (None, name))
        if not usable or item.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK({name: value for name, value in item.items() if name != "d"}, algorithm=usable[0]).key
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        keys.append(_Key(str(item.get("kid", "")), key, usable))
    return tuple(keys)


async def _fetched(url: str) -> bytes:
    async with (
        httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False) as client,
        client.stream("GET", url, headers={"accept": "application/json"}) as response,
    ):
        if response.status_code != 200:
            raise ValueError(f"HTTP {response.status_code}")
        body = b""
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > _LARGEST:
                raise ValueError("too large for a set of keys")
        return body


def _scopes(claims: dict[str, Any]) -> Sequence[str]:
    given = claims.get("scope", claims.get("scp", ""))
    return given.split() if isinstance(given, str) else [str(item) for item in given] if isinstance(given, list) else ()


def _refused(message: str) -> Unauthenticated:
    return Unauthenticated(message, 'Bearer error="invalid_token"')
