"""JSON-RPC of A2A 1.0 over a real socket."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.gateway.conftest import Rpc, saying
from tests.gateway.echo_service import EchoService


async def test_a_message_is_answered_with_its_task(rpc: Rpc) -> None:
    answer = await rpc("SendMessage", saying("hello"))
    task = answer["result"]["task"]
    assert answer["jsonrpc"] == "2.0"
    assert answer["id"] == 1
    assert task["status"]["state"] == "TASK_STATE_COMPLETED"
    assert task["artifacts"] == [{"artifactId": "answer", "parts": [{"text": "hello"}]}]


async def test_a_participant_may_answer_with_a_bare_message(rpc: Rpc) -> None:
    assert (await rpc("SendMessage", saying("bare")))["result"]["message"]["role"] == "ROLE_AGENT"


async def test_a_task_can_be_got(rpc: Rpc) -> None:
    task = (await rpc("SendMessage", saying("hello")))["result"]["task"]
    assert (await rpc("GetTask", {"id": task["id"]}))["result"] == task
    assert "history" not in (await rpc("GetTask", {"id": task["id"], "historyLength": 0}))["result"]


async def test_a_missing_task_is_told_with_its_error_info(rpc: Rpc) -> None:
    error = (await rpc("GetTask", {"id": "nobody's"}))["error"]
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "TASK_NOT_FOUND", "domain": "a2a-protocol.org"}
    assert error["code"] == -32001
    assert error["data"] == [{**info, "metadata": {}}]
