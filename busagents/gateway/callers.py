"""Who calls: an API key or a bearer token becomes a Caller, before anything else of the request is looked at.

The guards put the caller into the ASGI scope; `caller_of` is how the wires read it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Protocol

import msgspec

from busagents.errors import ConfigError
from busagents.gateway.errors import A2AError
from busagents.gateway.types import Caller

_SCOPE_KEY = "busagents.caller"
_KEY_CHARACTERS = 16  # fewer can be guessed
_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
_HASHED = re.compile(r"sha256:([0-9a-f]{64})")
_OPERATOR = ":operator"


class Unauthenticated(A2AError):
    """No credentials, or wrong ones. `challenge` is the WWW-Authenticate header."""

    code, http, reason, grpc = -32603, 401, "UNAUTHENTICATED", "UNAUTHENTICATED"

    def __init__(self, message: str, challenge: str = "Bearer") -> None:
        super().__init__(message)
        self.challenge = challenge


class Forbidden(A2AError):
    """Known, and not allowed. `challenge` is the WWW-Authenticate header."""

    code, http, reason, grpc = -32603, 403, "PERMISSION_DENIED", "PERMISSION_DENIED"

    def __init__(self, message: str, challenge: str = 'Bearer error="insufficient_scope"') -> None:
        super().__init__(message)
        self.challenge = challenge


class Callers(Protocol):
    """Turns the headers of a request into its caller."""

    @property
    def required(self) -> bool:
        """Whether callers must say who they are."""
        ...

    async def identify(self, headers: Mapping[str, str]) -> Caller:
        """The caller. Header names are lowercase.

        Raises:
            Unauthenticated, Forbidden: answered as 401 and 403.
            Unavailable: the keys of tokens cannot be fetched now.
        """
        ...


class TokenVerifier(Protocol):
    """Checks bearer tokens that are no API keys."""

    async def caller(self, token: str) -> Caller:
        """Who the token was made for; raises as Callers.identify."""
        ...


class ApiKey(msgspec.Struct, frozen=True):
    """A caller's key, of which only the SHA-256 is kept."""

    name: str
    digest: bytes
    may_see_all: bool = False

    def __repr__(self) -> str:  # it ends up in tracebacks and logs
        return f"ApiKey(name={self.name!r})"


class OpenCallers:
    """Everybody is the same anonymous caller."""

    required = False

    async def identify(self, headers: Mapping[str, str]) -> Caller:
        """The anonymous caller."""
        return _ANONYMOUS


class KnownCallers:
    """API keys, in `X-API-Key` or as a bearer token, and tokens that `verifier` checks."""

    required = True

    def __init__(self, keys: Sequence[ApiKey], verifier: TokenVerifier | None = None) -> None:
        self._keys = tuple((key.digest, Caller(key.name, key.may_see_all)) for key in keys)
        self._verifier = verifier

    async def identify(self, headers: Mapping[str, str]) -> Caller:
        """The caller of a key or token; see Callers."""
        secret, is_bearer = _credential(headers)
        caller = self._of_key(secret)
        if caller is not None:
            return caller
        if is_bearer and self._verifier is not None and secret.count(".") == 2:
            return await self._verifier.caller(secret)
        raise Unauthenticated("the key is not one of this gateway's: ask its operator for one", 'Bearer error="invalid_token"')

    def _of_key(self, secret: str) -> Caller | None:
        """Compares with every key, so that the time taken tells nothing about any."""
        digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
        found = None
        for known, caller in self._keys:
            if hmac.compare_digest(known, digest):
                found = caller
        return found


def _credential(headers: Mapping[str, str]) -> tuple[str, bool]:
    authorization = headers.get("authorization", "")
    if authorization:
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() != "bearer" or not value.strip():
            raise Unauthenticated("the Authorization header must be `Bearer <key or token>`")
        return value.strip(), True
    if key := headers.get("x-api-key", ""):
        return key, False
    raise Unauthenticated("this gateway serves known callers only: send `Authorization: Bearer <key>` or `X-API-Key: <key>`")


def parse_keys(text: str) -> tuple[ApiKey, ...]:
    """`name=key` pairs separated by commas or white space. `name=sha256:<hex>` keeps the key itself out of the environment;
    `name:operator=key` may see everybody's tasks.

    Raises:
        ConfigError: a pair that is not one, a name twice, or a key that can be guessed. No key is in the text.
    """
    keys: dict[str, ApiKey] = {}
    for number, pair in enumerate(re.split(r"[,\s]+", text.strip()), start=1):
        if not pair:
            continue
        label, separator, secret = pair.partition("=")
        name = label.removesuffix(_OPERATOR)
        if not separator or not _NAME.fullmatch(name):
            raise ConfigError(
                f"BUSAGENTS_GATEWAY_KEYS: entry {number} is not `name=key`: "
                "a name has 1 to 64 letters, digits, `_`, `.`, `@` or `-`, and entries are separated by commas"
            )
        hashed = _HASHED.fullmatch(secret)
        if not hashed and len(secret) < _KEY_CHARACTERS:
            raise ConfigError(
                f"BUSAGENTS_GATEWAY_KEYS: the key of {name!r} has {len(secret)} characters and could be guessed: "
                f"use {_KEY_CHARACTERS} or more, for example what `openssl rand -hex 24` prints"
            )
        if label in keys:
            raise ConfigError(f"BUSAGENTS_GATEWAY_KEYS: {name!r} is there twice: give each caller a name of its own")
        digest = bytes.fromhex(hashed[1]) if hashed else hashlib.sha256(secret.encode()).digest()
        keys[label] = ApiKey(name, digest, label.endswith(_OPERATOR))
    return tuple(keys.values())


def caller_of(scope: Mapping[str, Any]) -> Caller:
    """Who makes the request of an ASGI scope; the anonymous caller if nobody asked."""
    found = scope.get(_SCOPE_KEY, _ANONYMOUS)
    assert isinstance(found, Caller)
    return found


def set_caller(scope: MutableMapping[str, Any], caller: Caller) -> None:
    """Note who makes the request."""
    scope[_SCOPE_KEY] = caller


_ANONYMOUS = Caller()
