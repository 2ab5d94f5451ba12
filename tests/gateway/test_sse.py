"""Streams over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

from busagents.gateway.app import make_app
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
