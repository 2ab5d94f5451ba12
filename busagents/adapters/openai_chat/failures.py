"""From an error of the SDK to one of ours. Classified by status or, in mid-stream, by the body's code: never by English words.

Source: https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from busagents.adapters.openai_chat.profile import ProviderProfile
from busagents.errors import ContextTooLong, ModelError, ModelRefused, ModelTransient

MAX_TEXT = 500  # characters of a provider's own words

_KEY = re.compile(r"\b(?:sk|pk|gsk|key|xai)[-_][\w*.-]{6,}")
_TRANSIENT_STATUS = {408: "timeout", 409: "conflict", 425: "too_early", 429: "rate_limited", 529: "overloaded"}
_CONTEXT_CODES = frozenset({"context_length_exceeded", "string_above_max_length", "request_too_large"})
_QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})


def classify(error: Exception, *, profile: ProviderProfile, key: str) -> ModelError:
    """The error to raise instead.

    Parameters: `error` is any exception of the SDK, of its HTTP client, or a ValueError of a line that is not JSON.
    `key` is taken out of every text.
    """
    import httpx2
    import openai

    if isinstance(error, openai.APIStatusError):
        return _by_status(error.status_code, _body(error.body), error.response.headers, profile, key)
    if isinstance(error, openai.APITimeoutError):
        return ModelTransient(f"{profile.name} sent nothing within the timeout", code="timeout")
    if isinstance(error, openai.APIConnectionError | httpx2.HTTPError | httpx2.StreamError):
        cause = f": {type(error.__cause__).__name__}" if error.__cause__ is not None else ""
        return ModelTransient(
            f"the connection to {profile.name} failed or was cut{cause}. Check the network and the base URL", code="connection"
        )
    if isinstance(error, openai.APIResponseValidationError | ValueError):
        return ModelTransient(f"{profile.name} sent something that is not the protocol's JSON", code="malformed")
    if isinstance(error, openai.LengthFinishReasonError):
        return ModelRefused("the answer reached the output limit: raise max_tokens, or ask for less", code="output_truncated")
    if isinstance(error, openai.ContentFilterFinishReasonError):
        return ModelRefused(f"{profile.name}'s content filter refused the answer", code="refused")
    if isinstance(error, openai.APIError):
        return _in_stream(_body(error.body), error.message, profile, key)
    # The rest of the SDK's errors are about its own set-up (credentials, websockets): asking again changes nothing.
    return ModelRefused(f"{profile.name}: {_clean(str(error), key) or type(error).__name__}", code="bad_request")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The provider's wish in seconds, from `retry-after-ms` or `retry-after` (seconds or an HTTP date), or None.

    Source: RFC 9110, section 10.2.3.
    """
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wish = float(headers.get(name, "")) * scale
        except ValueError:
            continue
        if 0 <= wish < float("inf"):
            return wish
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _by_status(
    status: int, body: Mapping[str, Any], headers: Mapping[str, str], profile: ProviderProfile, key: str
) -> ModelError:
    code, said = str(body.get("code") or ""), _clean(str(body.get("message") or ""), key)
    if status == 413 or code in _CONTEXT_CODES:
        return ContextTooLong(_text(profile, status, "the conversation does not fit the model", said), code="context_too_long")
    if status == 429 and _QUOTA_CODES & {code, str(body.get("type") or "")}:
        return ModelRefused(_text(profile, status, "the account has no credit left", said), code="insufficient_quota")
    if status in _TRANSIENT_STATUS or status >= 500:
        word = _TRANSIENT_STATUS.get(status, "server_error")
        return ModelTransient(_text(profile, status, word.replace("_", " "), said), code=word, retry_after=retry_after(headers))
    if status in (401, 403):  # without the provider's words: they may hold a part of the key
        return ModelRefused(
            f"{profile.name} refuses the key ({status}): check {profile.key_variable}, and what the key may do", code="bad_key"
        )
    if status == 404:
        return ModelRefused(
            _text(profile, status, "no such model or path: check the model's name and the base URL", said), code="not_found"
        )
    return ModelRefused(_text(profile, status, "the request is refused", said), code=code or "bad_request")


def _in_stream(body: Mapping[str, Any], message: str, profile: ProviderProfile, key: str) -> ModelError:
    """An error sent after the status line said 200. What says nothing plain is taken for transient."""
    words = f"{body.get('type') or ''} {body.get('code') or ''}".lower()
    said = _clean(str(body.get("message") or message), key)
    text = f"{profile.name} gave up in the middle of the answer: {said}"
    if any(code in words for code in _CONTEXT_CODES):
        return ContextTooLong(text, code="context_too_long")
    if any(code in words for code in _QUOTA_CODES):
        return ModelRefused(text, code="insufficient_quota")
    if "overload" in words:
        return ModelTransient(text, code="overloaded")
    if any(word in words for word in ("invalid_request", "authentication", "permission", "not_found")):
        return ModelRefused(text, code="bad_request")
    return ModelTransient(text, code="provider_error")


def _body(body: object) -> Mapping[str, Any]:
    """The error object; some servers put it below `error`, some in a list, some send no JSON at all."""
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        body = body["error"]
    return body if isinstance(body, dict) else {}


def _text(profile: ProviderProfile, status: int, reason: str, said: str) -> str:
    return f"{profile.name} answered {status}, {reason}" + (f": {said}" if said else "")


def _clean(text: str, key: str) -> str:
    """The text without the key, whole or masked by the provider, and not too long."""
    if len(key) >= 6:
        text = text.replace(key, "[key]")
    return _KEY.sub("[key]", text)[:MAX_TEXT]
