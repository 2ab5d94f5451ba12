"""Whatever is sent, the answer is one the specification knows: no 5xx, no hang. Real sockets, raw bytes."""

from __future__ import annotations

import asyncio
import json
import string
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from busagents.gateway.app import make_app
from busagents.gateway.wire_v1_read import METHODS
from tests.gateway.conftest import saying
from tests.gateway.echo_service import EchoService
from tests.support.http_server import serving

CODES = {-32700, -32600, -32601, -32602, -32603, *range(-32009, -32000)}
DEEP = 100_000
SLOW = 5  # seconds
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(string.ascii_letters, max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = ["id", "taskId", "contextId", "messageId", "role", "parts", "message", "configuration", "historyLength", "pageSize", "pageToken", "status", "url", "metadata", "text", "raw", "data", "mediaType", "extensions", "referenceTaskIds", "statusTimestampAfter", "returnImmediately", "taskPushNotificationConfig", "authentication", "scheme", "task_id", "message_id", "history_length"]  # fmt: skip
wire_objects = st.recursive(
    json_values | st.sampled_from(["ROLE_USER", "TASK_STATE_WORKING", "text/plain", "wait"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=15,
)
SHORT = [name for name in METHODS if "Streaming" not in name and "Subscribe" not in name]


def checked(answer: httpx.Response) -> Any:
    """The JSON-RPC response, which must be one of the specification's."""
    assert answer.status_code == 200, answer.text
    if answer.headers["content-type"].startswith("text/event-stream"):
        return None
    body = answer.json()
    assert body["jsonrpc"] == "2.0"
    assert "id" in body
    assert ("error" in body) != ("result" in body)
    if "error" in body:
        assert body["error"]["code"] in CODES - {-32603}, body
        assert isinstance(body["error"]["message"], str)
        assert isinstance(body["error"]["data"], list)
    return body


@pytest_asyncio.fixture
async def post(http: httpx.AsyncClient, echo_url: str) -> Any:
    """Posts bytes and gives the checked response."""

    async def send(body: bytes) -> Any:
        headers = {"content-type": "application/json"}
        return checked(await asyncio.wait_for(http.post(echo_url, content=body, headers=headers), SLOW))

    return send


def envelope(params: bytes, method: str = "SendMessage", ident: bytes = b"1") -> bytes:
    """A request around raw parameters."""
    return b'{"jsonrpc":"2.0","id":%s,"method":"%s","params":%s}' % (ident, method.encode(), params)


def with_data(data: bytes) -> bytes:
    """A message with a data part of raw JSON."""
    return envelope(b'{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"data":%s}]}}' % data)


# Hypothesis drives its tests without an event loop, and a server needs one that runs between examples; so each law draws a list of
# requests and a plain async test sends them.
def drawn(strategy: st.SearchStrategy[Any]) -> list[Any]:
    """Examples of a strategy, the same on every run."""
    found: list[Any] = []

    @settings(max_examples=100, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found


async def test_any_bytes_are_answered(post: Any) -> None:
    for body in drawn(st.binary(max_size=200)):
        assert (await post(body))["error"]["code"] in (-32700, -32600)


async def test_any_json_is_answered(post: Any) -> None:
    for body in drawn(json_values):
        assert (await post(json.dumps(body).encode()))["error"]["code"] == -32600, body


async def test_an_envelope_of_wrong_types_is_answered(post: Any) -> None:
    fields = st.fixed_dictionaries(
        {}, optional={name: json_values | st.sampled_from(["2.0", "GetTask"]) for name in ("jsonrpc", "method", "params", "id")}
    )
    for body in drawn(fields):
        assert "error" in await post(json.dumps(body).encode())


async def test_parameters_of_wrong_types_are_answered(post: Any) -> None:
    for method, params in drawn(st.tuples(st.sampled_from(SHORT), wire_objects)):
        await post(envelope(json.dumps(params).encode(), method))


async def test_a_message_of_wrong_types_is_answered(post: Any) -> None:
    part = st.dictionaries(st.sampled_from(["text", "raw", "url", "data", "mediaType", "filename", "metadata"]), json_values)
    fields = {"messageId": json_values, "role": json_values | st.just("ROLE_USER"), "parts": st.lists(part) | json_values}
    message = st.fixed_dictionaries({}, optional=fields)
    for value in drawn(st.fixed_dictionaries({"message": message}, optional={"configuration": wire_objects})):
        value["configuration"] = {"returnImmediately": True} if value["message"] == "wait" else value.get("configuration")
        await post(envelope(json.dumps(value).encode()))


@pytest.mark.parametrize(
    "ident", [b"1" * 1000, b"-9" * 1 + b"9" * 40, b"1e400", b'"' + b"x" * 50_000 + b'"', b'"\\u00e9 \xc3\xa9"', b"null"]
)
async def test_an_id_of_any_size_goes_back_as_it_came(post: Any, http: httpx.AsyncClient, echo_url: str, ident: bytes) -> None:
    await post(envelope(b"{}", "GetTask", ident))
    answer = await http.post(echo_url, content=envelope(b"{}", "GetTask", ident), headers={"content-type": "application/json"})
    assert answer.content.startswith(b'{"jsonrpc":"2.0","id":' + ident + b',"error":')


@pytest.mark.parametrize("ident", [b"true", b"false", b"[1]", b'{"a":1}'])
async def test_an_id_of_no_such_type_is_refused(post: Any, ident: bytes) -> None:
    answer = await post(envelope(b"{}", "GetTask", ident))
    assert (answer["id"], answer["error"]["code"]) == (None, -32600)


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (b"", {-32700}),
        (b"{", {-32700}),
        (b"\xff\xfe", {-32700}),
        (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', {-32700}),
        (b'{"jsonrpc":"2.0","id":"\xff","method":"GetTask"}', {-32700}),
        (b'{"jsonrpc":"2.0","id":"\\ud800","method":"GetTask"}', {-32700, -32602}),
        (envelope(b'{"id":"\\ud800"}', "GetTask"), {-32700}),
        (b'{"jsonrpc":"2.0","id":1,"method":"GetTask","params":{"id":"a"}} x', {-32700}),
        (b"[" * DEEP, {-32700, -32600}),
        (b'{"a":' * DEEP, {-32700, -32600}),
        (envelope(b"[" * 30_000 + b"]" * 30_000), {-32600, -32602}),
        (with_data(b"[" * 30_000 + b"]" * 30_000), {-32600, -32602}),
        (with_data(b"[" * 200 + b"]" * 200), {-32602}),
        (with_data(b"1" + b"0" * 5000), {-32600}),
        (with_data(b"1e400"), {-32600}),
        (with_data(b"NaN"), {-32700}),
        (b"[]", {-32600}),
        (b'[{"jsonrpc":"2.0","id":1,"method":"GetTask"}]', {-32600}),
        (b'{"jsonrpc":"1.0","id":1,"method":"GetTask"}', {-32600}),
        (b'{"jsonrpc":"2.0","id":1}', {-32600}),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', {-32600}),
        (b'{"jsonrpc":"2.0","id":1,"method":"Nothing"}', {-32601}),
        (b'{"jsonrpc":"2.0","id":1,"method":"GetTask"}', {-32602}),
        (b'{"jsonrpc":"2.0","id":1,"method":"GetTask","params":[1]}', {-32602}),
    ],
)
async def test_each_defect_of_a_request_has_its_code(post: Any, body: bytes, codes: set[int]) -> None:
    assert (await post(body[:99_000] if len(body) > 100_000 else body))["error"]["code"] in codes


@pytest.mark.parametrize(
    "data",
    [b"[" * 100 + b"]" * 100, b"18446744073709551615", b"1" + b"0" * 400, b"-1" + b"0" * 300, b'"\\u0000"', b"null", b"1.5e-7"],
)
async def test_unusual_data_comes_back(post: Any, data: bytes) -> None:
    answer = await post(with_data(data))
    assert answer["result"]["task"]["artifacts"][0]["parts"][0]["data"] == json.loads(data)


async def test_a_defect_of_ours_is_an_internal_error_and_the_server_goes_on(
    http: httpx.AsyncClient, echo_url: str, post: Any
) -> None:
    for text in ("boom", "unwritable"):
        body = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": saying(text)}
        answer = await http.post(echo_url, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (200, -32603 if text == "boom" else -32006)
        assert "ZeroDivision" not in answer.text
    await post(envelope(b'{"id":"x"}', "GetTask"))


async def test_a_body_beyond_the_limit_is_refused_however_it_comes(http: httpx.AsyncClient, echo_url: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 10_000

    headers = {"content-type": "application/json"}
    for content in (b" " * 200_000, pieces()):
        answer = await http.post(echo_url, content=content, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, -32600)
        answer = await http.post("/message:send", content=content if isinstance(content, bytes) else pieces(), headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, 413)


async def test_a_body_that_never_comes_is_not_waited_for(echo_url: str) -> None:
    url = httpx.URL(echo_url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"POST {url.path} HTTP/1.1\r\nhost: {url.host}\r\ncontent-length: 10\r\ncontent-type: application/json\r\n\r\n"
    writer.write(head.encode() + b"{")
    assert b" 408 " in await asyncio.wait_for(reader.readline(), SLOW)
    writer.close()


PATHS = ["/message:send", "/message:stream", "/tasks", "/tasks/x", "/tasks/x:cancel", "/tasks/x:subscribe", "/tasks/:cancel", "/v1/x",
         "/tasks/x/pushNotificationConfigs", "/tasks/x/pushNotificationConfigs/y", "/extendedAgentCard", "/tenant/tasks", "/%ff/%00",
         "/tasks/%2F%2e", "//tasks//", "/x/y/z/tasks", "/tasks/" + "x" * 3000]  # fmt: skip


async def test_any_request_below_the_agents_url_is_answered(http: httpx.AsyncClient, echo_url: str) -> None:
    query = st.dictionaries(st.sampled_from(NAMES), st.text(st.characters(codec="utf-8"), max_size=10), max_size=4)
    methods = st.sampled_from(["GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"])
    body = st.binary(max_size=30) | json_values.map(lambda value: json.dumps(value).encode())
    for method, path, params, content in drawn(st.tuples(methods, st.sampled_from(PATHS), query, body)):
        asked = http.request(
            method, echo_url + path, params=params, content=content, headers={"content-type": "application/json"}
        )
        answer = await asyncio.wait_for(asked, SLOW)
        assert answer.status_code < 500
        if answer.status_code != 200 and method != "HEAD":
            error = answer.json()["error"]
            assert error["code"] == answer.status_code
            assert error["details"][0]["reason"]


TEN_MB = 10_000_000


def message_of(parts: bytes) -> bytes:
    """The parameters of a send, around raw parts."""
    return b'{"message":{"messageId":"m","role":"ROLE_USER","parts":[%s]}}' % parts


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (message_of(b'{"text":"%s"}' % (b"x" * TEN_MB)), 200),
        (message_of(b'{"text":"%s"}' % ("é".encode() * (TEN_MB // 2))), 200),
        (message_of(b'{"raw":"%s"}' % (b"AAAA" * (TEN_MB // 4))), 200),
        (message_of(b'{"data":[%s{}]}' % (b'{"a":1},' * (TEN_MB // 8))), 200),
        (message_of(b'{"text":""},' * (TEN_MB // 12) + b'{"text":""}'), 400),
        (message_of(b'{"data":%s}' % (b"1" * TEN_MB)), 400),
        (b"[" * TEN_MB, 400),
        (b"{" + b'"a":1,' * (TEN_MB // 6) + b'"b":1}', 400),
        (message_of(b'{"text":"%s"}' % (b"x" * 2 * TEN_MB)), 413),
    ],
    ids=["text", "utf8", "raw", "data", "parts", "digits", "deep", "keys", "beyond"],
)
async def test_a_body_of_ten_megabytes_is_answered_in_both_bindings(body: bytes, status: int) -> None:
    headers = {"a2a-version": "1.0", "content-type": "application/json"}
    async with serving(make_app(EchoService())) as base, httpx.AsyncClient(headers=headers, timeout=4 * SLOW) as client:
        assert (await client.post(f"{base}/message:send", content=body)).status_code == status
        answer = await client.post(base, content=envelope(body))
        assert answer.status_code == (413 if status == 413 else 200)
        assert ("result" in answer.json()) == (status == 200)
