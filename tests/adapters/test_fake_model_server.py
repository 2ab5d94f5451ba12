"""The fake model server, spoken to without an SDK, and as a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from busagents.testing import FakeModelServer, Fault, Wire, call_tools, say


async def post(base_url: str, body: Any, path: str = "/chat/completions") -> tuple[bytes, bytes]:
    """Head and raw body of one request on a connection of its own."""
    address = urlsplit(base_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    raw = json.dumps(body).encode()
    writer.write(f"POST {address.path}{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(raw)}\r\n\r\n".encode() + raw)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), None)
    rest = await (reader.readexactly(int(length.split(b":")[1])) if length else reader.readuntil(b"\r\n0\r\n\r\n"))
    writer.close()
    await writer.wait_closed()
    return head, rest


def ask(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages) or [{"role": "user", "content": "hi"}], "stream": True, **fields}


async def test_a_turn_is_streamed_as_events_that_end_with_done() -> None:
    async with FakeModelServer([say("hello")]) as server:
        head, body = await post(server.base_url, ask())
    assert b"text/event-stream" in head
    assert b'"content":"hello"' in body
    assert b'"finish_reason":"stop"' in body
    assert b"data: [DONE]" in body


async def test_the_turn_follows_from_the_conversation() -> None:
    async with FakeModelServer([call_tools(("add", {"a": 1})), say("sum")]) as server:
        _, first = await post(server.base_url, ask())
        _, second = await post(server.base_url, ask({"role": "user", "content": "hi"}, {"role": "assistant", "content": None}))
    assert b'"name":"add"' in first
    assert b'"content":"sum"' in second


async def test_usage_is_sent_only_when_asked_for() -> None:
    async with FakeModelServer([say("hello")]) as server:
        _, silent = await post(server.base_url, ask())
        _, told = await post(server.base_url, ask(stream_options={"include_usage": True}))
    assert b"prompt_tokens" not in silent
    assert b'"prompt_tokens":10' in told


async def test_faults_come_in_order_and_then_all_is_well() -> None:
    faults = [Fault("status", status=429, retry_after="3"), None, Fault("status", status=500)]
    async with FakeModelServer([say("ok")], faults=faults) as server:
        heads = [(await post(server.base_url, ask()))[0] for _ in range(4)]
        assert len(server.requests) == 4
    assert [head.split()[1] for head in heads] == [b"429", b"200", b"500", b"200"]
    assert b"retry-after: 3" in heads[0]


@pytest.mark.parametrize(
    ("body", "path", "status"),
    [
        (ask(), "/embeddings", b"404"),
        ({"model": "m", "messages": []}, "/chat/completions", b"400"),
        ({"stream": True}, "/chat/completions", b"400"),
        ([], "/chat/completions", b"400"),
    ],
)
async def test_a_wrong_request_is_answered_with_what_is_wrong(body: Any, path: str, status: bytes) -> None:
    async with FakeModelServer([say("ok")]) as server:
        head, answer = await post(server.base_url, body, path)
    assert head.split()[1] == status
    assert json.loads(answer)["error"]["message"]


async def test_a_wrong_key_is_refused() -> None:
    async with FakeModelServer([say("ok")], key="right") as server:
        head, _ = await post(server.base_url, ask())
    assert head.split()[1] == b"401"


async def test_bytes_can_come_one_by_one() -> None:
    async with FakeModelServer([say("hello")], wire=Wire(chunk_bytes=1)) as server:
        _, body = await post(server.base_url, ask())
    assert body.startswith(b"1\r\nd\r\n1\r\na\r\n")


async def test_as_a_process_it_prints_its_address_and_counts_requests(tmp_path: Path) -> None:
    script, count = tmp_path / "script.json", tmp_path / "count"
    script.write_text(
        '{"turns": [{"text": "hi", "calls": [["add", {"a": 1}]]}], "faults": [{"kind": "status", "status": 503}, null]}'
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "busagents.testing.fake_model_server", "--script", str(script), "--count-file", str(count),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        base_url = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
        failed, _ = await post(base_url, ask())
        answered, body = await post(base_url, ask())
    finally:
        process.terminate()
        await process.wait()
    assert (failed.split()[1], answered.split()[1]) == (b"503", b"200")
    assert b'"name":"add"' in body
    assert count.read_text().splitlines() == ["POST /v1/chat/completions"] * 2
