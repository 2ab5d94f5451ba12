"""What went wrong between here and a remote agent, as the port's errors. The one question that counts: was it sent?"""

from __future__ import annotations

from typing import Any

import httpx

from busagents.domain.storable_text import storable
from busagents.ports.remote import (
    RemoteError,
    RemoteInvalid,
    RemoteLost,
    RemoteNotCancelable,
    RemoteRefused,
    RemoteTaskUnknown,
    RemoteUnauthorized,
    RemoteUnreachable,
    RemoteUnsupported,
)

_MAX_WORDS = 500
_CODES = {
    "TASK_NOT_FOUND": -32001,
    "TASK_NOT_CANCELABLE": -32002,
    "PUSH_NOTIFICATION_NOT_SUPPORTED": -32003,
    "UNSUPPORTED_OPERATION": -32004,
    "VERSION_NOT_SUPPORTED": -32009,
}


def of_transport(error: httpx.HTTPError, host: str) -> RemoteError:
    """A request that got no response."""
    told = f"{type(error).__name__}{f': {error}' if str(error) else ''}"
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return RemoteUnreachable(f"{host} cannot be reached ({told}): check its card URL, the network and that it runs")
    return RemoteLost(f"{host} did not answer ({told})")


def of_error_object(error: Any) -> RemoteError:
    """The `error` of a JSON-RPC response."""
    if not isinstance(error, dict):
        return RemoteInvalid("the remote agent answered with an error that is no object")
    code = error.get("code")
    return _of_code(code if isinstance(code, int) else 0, _words(error.get("message")))


def of_status(status: int, body: Any, host: str, *, retry_after: str = "", task: bool = False, variable: str = "") -> RemoteError:
    """A response whose HTTP status is an error. `task`: the request was about one task; `variable` is that of the credentials."""
    error = body.get("error") if isinstance(body, dict) else None
    if status in (401, 403):
        return RemoteUnauthorized(
            f"{host} answered {status}: it wants other credentials. Set {variable}_TOKEN or {variable}_API_KEY in the environment "
            "of this participant's process; they are sent to the host of its card only"
        )
    if status in (429, 503):
        return RemoteUnreachable(f"{host} is busy (HTTP {status})", retry_after=_seconds(retry_after))
    if isinstance(error, dict):
        reason = _reason(error)
        if reason in _CODES:
            return _of_code(_CODES[reason], _words(error.get("message")))
        if isinstance(error.get("code"), int) and error["code"] < 0:  # JSON-RPC over a status of its own
            return of_error_object(error)
    words = _words(error.get("message") if isinstance(error, dict) else _first_text(body)) or f"HTTP {status}"
    if status >= 500 and status != 501:
        return RemoteLost(f"{host} answered HTTP {status}: {words}")
    if status == 404 and task:
        return RemoteTaskUnknown(words)
    if status == 409 and task:
        return RemoteNotCancelable(words)
    if status in (404, 405, 501):
        return RemoteUnsupported(f"{host} does not offer this (HTTP {status}): {words}")
    return RemoteRefused(f"{host} refused: {words}", bad_request=status in (400, 422))


def _of_code(code: int, words: str) -> RemoteError:
    match code:
        case -32001:
            return RemoteTaskUnknown(words or "it does not know the task")
        case -32002:
            return RemoteNotCancelable(words or "the task cannot be canceled")
        case -32003 | -32004 | -32009 | -32601:
            return RemoteUnsupported(words or f"it does not offer this ({code})")
        case _:
            return RemoteRefused(
                words or f"it answered with error {code}", bad_request=code in (-32602, -32600), internal=code == -32603
            )


def _reason(error: dict[str, Any]) -> str:
    details = error.get("details")
    for item in details if isinstance(details, list) else ():
        if isinstance(item, dict) and isinstance(item.get("reason"), str):
            return str(item["reason"])
    return ""


def _first_text(body: Any) -> Any:
    if isinstance(body, dict):
        return body.get("message") or body.get("detail")
    return None


def _words(value: Any) -> str:
    return storable(value)[:_MAX_WORDS] if isinstance(value, str) else ""


def _seconds(value: str) -> float | None:
    try:
        return max(0.0, float(value))
    except ValueError:
        return None
