"""What is wrong with a request before it is a call: the errors of JSON-RPC and of HTTP, and a defect of ours."""

from __future__ import annotations

import math

from busagents.gateway.errors import A2AError, TooManyRequests, Unavailable


class ParseError(A2AError):
    """Not JSON."""

    code, http, reason, grpc = -32700, 400, "PARSE_ERROR", "INVALID_ARGUMENT"


class InvalidRequest(A2AError):
    """Not a request."""

    code, http, reason, grpc = -32600, 400, "INVALID_REQUEST", "INVALID_ARGUMENT"


class MethodNotFound(A2AError):
    """No such method of JSON-RPC."""

    code, http, reason, grpc = -32601, 404, "METHOD_NOT_FOUND", "NOT_FOUND"


class NoSuchPath(A2AError):
    """Nothing is served there."""

    code, http, reason, grpc = -32601, 404, "METHOD_NOT_FOUND", "NOT_FOUND"


class WrongMethod(A2AError):
    """The path is there, for other methods of HTTP. `allowed` is the header `Allow`."""

    code, http, reason, grpc = -32600, 405, "METHOD_NOT_ALLOWED", "UNIMPLEMENTED"

    def __init__(self, message: str, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed


class MediaTypeUnknown(A2AError):
    """The body is not declared as JSON."""

    code, http, reason, grpc = -32600, 415, "MEDIA_TYPE_NOT_SUPPORTED", "INVALID_ARGUMENT"


class BodyTooLarge(A2AError):
    """More bytes than are taken."""

    code, http, reason, grpc = -32600, 413, "BODY_TOO_LARGE", "OUT_OF_RANGE"


class BodyTooSlow(A2AError):
    """It did not arrive in time, or the caller left."""

    code, http, reason, grpc = -32600, 408, "BODY_TOO_SLOW", "DEADLINE_EXCEEDED"


class Internal(A2AError):
    """A defect of ours. The log of the gateway has it; the caller learns no more than that."""

    reason = "INTERNAL_ERROR"

    def __init__(self) -> None:
        super().__init__("the gateway failed: its log tells more")


AT_HTTP_LEVEL = (BodyTooLarge, BodyTooSlow, MediaTypeUnknown, NoSuchPath, WrongMethod, TooManyRequests, Unavailable)
"""Of these, HTTP's status tells also in JSON-RPC, whose errors are else in a 200: proxies and clients act on it."""


def error_headers(error: A2AError) -> tuple[tuple[bytes, bytes], ...]:
    """What an error has to say in headers."""
    if isinstance(error, TooManyRequests):
        return ((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))),)
    if isinstance(error, Unavailable):
        return ((b"retry-after", b"1"),)
    if isinstance(error, WrongMethod):
        return ((b"allow", error.allowed.encode()),)
    if isinstance(error, BodyTooLarge | BodyTooSlow):
        return ((b"connection", b"close"),)  # the rest of the body may not have been read
    return ()
