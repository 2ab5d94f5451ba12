"""How a guard turns a request away, at HTTP's level: proxies and clients act on the status and its headers."""

from __future__ import annotations

import math

import msgspec

from busagents.gateway.callers import Forbidden, Unauthenticated
from busagents.gateway.cards import Reply
from busagents.gateway.errors import A2AError, TooManyRequests, Unavailable


class Refused(A2AError):
    """A guard's answer that is no A2A error. `status` is HTTP's."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.word = reason


def word_of(error: A2AError) -> str:
    """What metrics call it."""
    return (
        error.word if isinstance(error, Refused) else {401: "caller", 403: "caller", 429: "limit"}.get(error.http, "unavailable")
    )


def refusal(error: A2AError) -> Reply:
    """The HTTP answer: the status, the headers that belong to it, and google.rpc.Status as the body."""
    status = error.status if isinstance(error, Refused) else error.http
    headers: list[tuple[bytes, bytes]] = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    if isinstance(error, Unauthenticated | Forbidden):
        headers.append((b"www-authenticate", error.challenge.encode("latin-1", "replace")))
    if isinstance(error, TooManyRequests):
        headers.append((b"retry-after", str(max(1, math.ceil(error.retry_after))).encode()))
    elif isinstance(error, Unavailable):
        headers += [(b"retry-after", b"1"), (b"connection", b"close")]
    elif status in (408, 413):
        headers.append((b"connection", b"close"))  # the rest of the body is not read
    name = {408: "DEADLINE_EXCEEDED", 413: "OUT_OF_RANGE", 421: "PERMISSION_DENIED", 403: "PERMISSION_DENIED"}.get(
        status, error.grpc
    )
    return Reply(status, tuple(headers), msgspec.json.encode({"error": {"code": status, "status": name, "message": str(error)}}))
