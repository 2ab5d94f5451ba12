"""Plain HTTP's events and errors, in bytes."""

from __future__ import annotations

from busagents.gateway import plain_types as p
from busagents.gateway.calls import Call, Result
from busagents.gateway.errors import A2AError, InvalidParams, TaskNotCancelable, UnsupportedOperation
from busagents.gateway.exchange import encode
from busagents.gateway.plain_views import plain_event
from busagents.gateway.types import Update

_CONFLICTS = (TaskNotCancelable, UnsupportedOperation)  # in HTTP's own words: not in this state


class PlainFraming:
    """Events and errors."""

    media_type = b"application/problem+json"
    error_event = b"event: error\n"

    def result(self, call: Call, result: Result) -> bytes:
        """Never asked: answers are made by the operations."""
        raise NotImplementedError

    def item(self, update: Update) -> bytes:
        """The data of one event."""
        return encode(plain_event(update))

    def error(self, error: A2AError) -> tuple[int, bytes]:
        """A problem."""
        status = 409 if isinstance(error, _CONFLICTS) else error.http
        code = error.reason or "INTERNAL_ERROR"
        fields = error.violations if isinstance(error, InvalidParams) else ()
        return status, encode(
            p.Problem(
                type=f"urn:busagents:{code.lower().replace('_', '-')}",
                title=code.replace("_", " ").capitalize(),
                status=status,
                detail=str(error),
                code=code,
                errors=[p.Wrong(path, why) for path, why in fields],
            )
        )
