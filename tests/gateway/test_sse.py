"""Streams over a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

from busagents.gateway.app import make_app
from busagents.gateway.types import Artifact, ArtifactUpdate, Caller, Part, SendRequest, StreamItem
from tests.gateway.conftest import saying
from tests.gateway.echo_service import EchoService
from tests.support.http_server import serving


def events(text: str) -> list[tuple[str, str, Any]]:
    """The id, the event's name and the data of each event; comments are left out."""
    found = []
    for block in text.split("\n\n"):
        lines = [line.partition(": ") for line in block.splitlines() if not line.startswith(":")]
        fields = {name: value for name, _, value in lines}
        if fields:
            found.append((fields.get("id", ""), fields.get("event", ""), json.loads(fields["data"])))
    return found


async def test_a_stream_has_the_task_first_then_each_update_with_its_place(http: httpx.AsyncClient) -> None:
    answer = await http.post("/message:stream", json=saying("chunks 3"))
    found = events(answer.text)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    assert [place for place, _, _ in found] == ["1", "2", "3", "4", "5"]
    assert list(found[0][2]) == ["task"]
    assert [item["artifactUpdate"]["artifact"]["parts"][0]["text"] for _, _, item in found[1:4]] == [
        "piece 0",
        "piece 1",
        "piece 2",
    ]
    assert [item["artifactUpdate"].get("append", False) for _, _, item in found[1:4]] == [False, True, True]
    assert found[4][2]["statusUpdate"]["status"]["state"] == "TASK_STATE_COMPLETED"


async def test_in_json_rpc_each_item_is_a_whole_response(http: httpx.AsyncClient, echo_url: str) -> None:
    body = {"jsonrpc": "2.0", "id": "x", "method": "SendStreamingMessage", "params": saying("hello")}
    found = events((await http.post(echo_url, json=body)).text)
    assert [item["id"] for _, _, item in found] == ["x", "x", "x"]
    assert [list(item["result"]) for _, _, item in found] == [["task"], ["artifactUpdate"], ["statusUpdate"]]


async def test_an_error_before_the_first_item_is_the_answer_itself(http: httpx.AsyncClient, echo_url: str) -> None:
    answer = await http.post("/message:stream", json=saying("refuse"))
    assert (answer.status_code, answer.json()["error"]["details"][0]["reason"]) == (400, "UNSUPPORTED_OPERATION")
    body = {"jsonrpc": "2.0", "id": 7, "method": "SendStreamingMessage", "params": saying("refuse")}
    answer = await http.post(echo_url, json=body)
    assert (answer.status_code, answer.json()["id"], answer.json()["error"]["code"]) == (200, 7, -32004)


async def test_an_error_in_the_middle_is_the_last_event(http: httpx.AsyncClient, echo_url: str) -> None:
    found = events((await http.post("/message:stream", json=saying("bad 2"))).text)
    assert [name for _, name, _ in found] == ["", "", "", "error"]
    assert found[-1][2]["error"]["details"][0]["reason"] == "UNSUPPORTED_OPERATION"
    body = {"jsonrpc": "2.0", "id": 7, "method": "SendStreamingMessage", "params": saying("bad 2")}
    found = events((await http.post(echo_url, json=body)).text)
    assert [item.get("error", {}).get("code") for _, _, item in found] == [None, None, None, -32004]
    found = events((await http.post("/message:stream", json=saying("boom"))).text)
    assert found[-1][2]["error"]["status"] == "INTERNAL"


async def test_a_bare_message_is_the_only_event(http: httpx.AsyncClient) -> None:
    [(place, _, item)] = events((await http.post("/message:stream", json=saying("bare"))).text)
    assert (place, list(item)) == ("", ["message"])


async def test_last_event_id_reaches_the_service(http: httpx.AsyncClient) -> None:
    task = (await http.post("/message:send", json=saying("ask"))).json()["task"]
    async with http.stream("GET", f"/tasks/{task['id']}:subscribe", headers={"last-event-id": "41"}) as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == "id: 41"
        assert json.loads((await anext(lines)).removeprefix("data: "))["task"]["metadata"] == {"after": "41"}


async def test_a_quiet_stream_gets_comments(http: httpx.AsyncClient) -> None:
    async with http.stream("POST", "/message:stream", json=saying("wait")) as answer:
        lines = answer.aiter_lines()
        comments = 0
        while comments < 2:
            comments += await anext(lines) == ": keep-alive"


async def test_a_stream_that_is_left_ends_its_source_and_not_its_task(http: httpx.AsyncClient, echo: EchoService) -> None:
    async with http.stream("POST", "/message:stream", json=saying("wait")) as answer:
        await anext(answer.aiter_lines())
    closed = await asyncio.wait_for(echo.closed.get(), 5)
    assert echo.tasks[closed].status.state == "working"


async def test_a_blocking_call_that_is_left_is_given_up_and_not_its_task(http: httpx.AsyncClient, echo: EchoService) -> None:
    with contextlib.suppress(httpx.ReadTimeout):
        await http.post("/message:send", json=saying("wait"), timeout=0.2)
    closed = await asyncio.wait_for(echo.closed.get(), 5)
    assert echo.tasks[closed].status.state == "working"


class Flood(EchoService):
    """Streams pieces for as long as they are taken, and counts them."""

    given = 0

    async def stream(self, caller: Caller, participant: str, request: SendRequest) -> AsyncIterator[StreamItem]:
        for number in range(100_000):
            self.given += 1
            yield StreamItem(ArtifactUpdate("t", "c", Artifact("a", (Part(text="x" * 1000),)), append=True), str(number))


async def test_a_slow_reader_stops_the_source_and_loses_nothing() -> None:
    flood = Flood()
    async with serving(make_app(flood)) as base:
        url = httpx.URL(base)
        reader, writer = await asyncio.open_connection(url.host, url.port, limit=1024)
        body = json.dumps(saying("x")).encode()
        head = f"POST /message:stream HTTP/1.0\r\na2a-version: 1.0\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await reader.read(1)
        before = -1
        while before != flood.given:
            before = flood.given
            await asyncio.sleep(0.2)  # until it stands still
        assert flood.given < 50_000
        places = 0
        while chunk := await reader.read(1024):
            places += chunk.count(b"id: ")
        writer.close()
    assert flood.given == 100_000
    assert abs(places - 100_000) < 1000  # some stand across two reads


async def test_a_server_that_stops_ends_its_streams(echo: EchoService) -> None:
    async with httpx.AsyncClient(headers={"a2a-version": "1.0"}) as client:
        async with serving(make_app(echo)) as base:
            answer = await client.send(client.build_request("POST", f"{base}/message:stream", json=saying("wait")), stream=True)
            await anext(answer.aiter_lines())
        assert await asyncio.wait_for(echo.closed.get(), 5)
        await answer.aclose()


async def test_many_streams_of_one_task_see_the_same(http: httpx.AsyncClient) -> None:
    task = (await http.post("/message:send", json=saying("ask"))).json()["task"]

    async def read() -> list[Any]:
        async with http.stream("GET", f"/tasks/{task['id']}:subscribe") as answer:
            lines = answer.aiter_lines()
            first = [await anext(lines), await anext(lines)]
            begun.release()
            return [*first, *[line async for line in lines if line and not line.startswith(":")]]

    begun = asyncio.Semaphore(0)
    readers = [asyncio.create_task(read()) for _ in range(20)]
    for _ in readers:
        await begun.acquire()
    await http.post(f"/tasks/{task['id']}:cancel")
    found = await asyncio.gather(*readers)
    assert len(found[0]) == 4
    assert all(lines == found[0] for lines in found)
