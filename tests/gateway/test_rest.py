"""HTTP+JSON of A2A 1.0 over a real socket."""

from __future__ import annotations

import httpx

from tests.gateway.conftest import saying
from tests.gateway.echo_service import EchoService


async def test_a_message_is_answered_with_its_task(http: httpx.AsyncClient) -> None:
    answer = await http.post("/message:send", json=saying("hello"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/a2a+json"
    assert answer.json()["task"]["artifacts"][0]["parts"] == [{"text": "hello"}]


async def test_an_error_is_a_status_with_details(http: httpx.AsyncClient) -> None:
    answer = await http.get("/tasks/none")
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert (error["code"], error["status"]) == (404, "NOT_FOUND")
    assert error["details"][0]["reason"] == "TASK_NOT_FOUND"
