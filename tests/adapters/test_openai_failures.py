"""Every error of the SDK becomes one of ours."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import httpx2
import openai
import openai._exceptions
import pytest

from busagents.adapters.openai_chat import OPENAI
from busagents.adapters.openai_chat.call import _upstream_errors
from busagents.adapters.openai_chat.failures import classify, retry_after
from busagents.errors import ModelError, ModelRefused, ModelTransient

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions")

# What each class means for us. A class that a new SDK adds is missing here, and the test below says so.
EXPECTED: dict[str, type[ModelError]] = {
    "APIConnectionError": ModelTransient,
    "APIError": ModelTransient,
    "APIResponseValidationError": ModelTransient,
    "APIStatusError": ModelRefused,
    "APITimeoutError": ModelTransient,
    "AuthenticationError": ModelRefused,
    "BadRequestError": ModelRefused,
    "ConflictError": ModelTransient,
    "ContentFilterFinishReasonError": ModelRefused,
    "InternalServerError": ModelTransient,
    "InvalidWebhookSignatureError": ModelTransient,
    "LengthFinishReasonError": ModelRefused,
    "NotFoundError": ModelRefused,
    "OAuthError": ModelRefused,
    "OpenAIError": ModelRefused,
    "PermissionDeniedError": ModelRefused,
    "RateLimitError": ModelTransient,
    "SubjectTokenProviderError": ModelRefused,
    "UnprocessableEntityError": ModelRefused,
    "WebSocketConnectionClosedError": ModelRefused,
    "WebSocketQueueFullError": ModelRefused,
    "_AmbiguousModuleClientUsageError": ModelRefused,
}

STATUS = {
    "APIStatusError": 418,
    "AuthenticationError": 401,
    "BadRequestError": 400,
    "ConflictError": 409,
    "InternalServerError": 500,
    "NotFoundError": 404,
    "OAuthError": 401,
    "PermissionDeniedError": 403,
    "RateLimitError": 429,
    "UnprocessableEntityError": 422,
}


def sdk_errors() -> Iterator[type[Exception]]:
    seen = set()
    for module in (openai, openai._exceptions):
        for value in list(vars(module).values()):
            if inspect.isclass(value) and issubclass(value, Exception) and value not in seen:
                seen.add(value)
                yield value


def made(kind: type[Exception]) -> Exception:
    """An instance with the least the class needs."""
    if issubclass(kind, openai.APIStatusError):
        response = httpx2.Response(STATUS[kind.__name__], request=REQUEST)
        if issubclass(kind, openai.OAuthError):
            return kind(response=response, body=None)
        return kind("said", response=response, body=None)
    if kind is openai.APIResponseValidationError:
        return kind(response=httpx2.Response(200, request=REQUEST), body=None)
    if issubclass(kind, openai.APIConnectionError):
        return kind(request=REQUEST)
    if kind is openai.APIError:
        return kind("said", REQUEST, body=None)
    error = kind.__new__(kind)  # the others take websocket frames or parsed answers, which classify does not look at
    Exception.__init__(error, "said")
    return error


@pytest.mark.parametrize("kind", list(sdk_errors()), ids=lambda kind: kind.__name__)
def test_every_error_class_of_the_sdk_becomes_one_of_ours(kind: type[Exception]) -> None:
    assert kind.__name__ in EXPECTED, f"the SDK has a new error {kind.__name__}: decide what it means"
    assert type(classify(made(kind), profile=OPENAI, key="secret-key")) is EXPECTED[kind.__name__]
    assert issubclass(kind, _upstream_errors())


@pytest.mark.parametrize("kind", [httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.ConnectError, httpx2.ReadTimeout])
def test_an_error_of_the_http_client_that_leaks_is_transient(kind: type[httpx2.TransportError]) -> None:
    assert issubclass(kind, _upstream_errors())
    assert isinstance(classify(kind("cut", request=REQUEST), profile=OPENAI, key=""), ModelTransient)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_understood_or_ignored(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(httpx2.Headers(headers)) == seconds
