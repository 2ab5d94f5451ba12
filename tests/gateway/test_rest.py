"""HTTP+JSON of A2A 1.0 over a real socket."""

from __future__ import annotations

import json

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


async def test_every_path_also_exists_below_a_tenant(http: httpx.AsyncClient) -> None:
    task = (await http.post("/shop/message:send", json=saying("hello"))).json()["task"]
    assert (await http.get(f"/shop/tasks/{task['id']}")).json() == task
    assert (await http.get("/shop/tasks")).json()["totalSize"] == 1


async def test_queries_are_in_camel_case_and_checked(http: httpx.AsyncClient) -> None:
    await http.post("/message:send", json=saying("hello", contextId="c"))
    query = "contextId=c&status=TASK_STATE_COMPLETED&pageSize=5&historyLength=0&includeArtifacts=true&pageToken=&other=1"
    page = (await http.get(f"/tasks?{query}&statusTimestampAfter=2026-01-01T00:00:00Z")).json()
    assert (page["pageSize"], page["totalSize"]) == (5, 1)
    assert "artifacts" in page["tasks"][0]
    for wrong in (
        "pageSize=0",
        "pageSize=x",
        "historyLength=-1",
        "status=DONE",
        "includeArtifacts=yes",
        "statusTimestampAfter=now",
    ):
        answer = await http.get(f"/tasks?{wrong}")
        assert answer.status_code == 400
        assert answer.json()["error"]["details"][1]["fieldViolations"][0]["field"] == wrong.partition("=")[0]


async def test_a_task_id_may_hold_any_character(http: httpx.AsyncClient, echo: EchoService) -> None:
    task = (await http.post("/message:send", json=saying("ask"))).json()["task"]
    known = echo.tasks.pop(task["id"])
    for name in ("a/b", "a:b", "ü", "a%2Fb", "pushNotificationConfigs"):
        echo.tasks[name] = known
        echo.owners[name] = "anonymous"
        path = "".join(f"%{byte:02x}" for byte in name.encode())
        assert (await http.get(f"/tasks/{path}")).status_code == 200
    assert (await http.post("/tasks/a%3Ab:cancel")).status_code == 200


async def test_cancel_takes_an_empty_body(http: httpx.AsyncClient) -> None:
    task = (await http.post("/message:send", json=saying("ask"))).json()["task"]
    assert (await http.post(f"/tasks/{task['id']}:cancel")).json()["status"]["state"] == "TASK_STATE_CANCELED"
    answer = await http.post(f"/tasks/{task['id']}:cancel", json={})
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "FAILED_PRECONDITION")


async def test_subscribe_is_there_for_get_and_post(http: httpx.AsyncClient) -> None:
    task = (await http.post("/message:send", json=saying("ask"))).json()["task"]
    for method in ("GET", "POST"):
        async with http.stream(method, f"/tasks/{task['id']}:subscribe") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert task["id"] in await anext(line async for line in answer.aiter_lines() if line.startswith("data:"))


async def test_the_wrong_method_is_told_the_right_ones(http: httpx.AsyncClient) -> None:
    answer = await http.put("/tasks/x")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert (await http.get("/message:send")).headers["allow"] == "POST"
    assert (await http.get("")).status_code == 405


async def test_without_the_version_a_path_of_1_0_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.get("/tasks", headers={"a2a-version": ""})
    assert (answer.status_code, answer.json()["error"]["details"][0]["reason"]) == (400, "VERSION_NOT_SUPPORTED")
    assert (await http.get("/tasks?A2A-Version=1.0", headers={"a2a-version": ""})).status_code == 200


async def test_both_media_types_are_taken(http: httpx.AsyncClient) -> None:
    for kind in ("application/json", "application/a2a+json"):
        content = json.dumps(saying("hello"))
        assert (await http.post("/message:send", content=content, headers={"content-type": kind})).status_code == 200


async def test_a_body_that_is_not_json_is_an_invalid_argument(http: httpx.AsyncClient) -> None:
    for content in (b"{", b"[]", b"\xff", b"[" * 50_000):
        answer = await http.post("/message:send", content=content, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


async def test_a_defect_of_ours_is_a_500_that_tells_nothing(http: httpx.AsyncClient) -> None:
    answer = await http.post("/message:send", json=saying("boom"))
    assert (answer.status_code, answer.json()["error"]["status"]) == (500, "INTERNAL")
    assert "Zero" not in answer.text


async def test_push_configurations_have_their_paths(http: httpx.AsyncClient) -> None:
    task = (await http.post("/message:send", json=saying("ask"))).json()["task"]
    path = f"/tasks/{task['id']}/pushNotificationConfigs"
    made = (await http.post(path, json={"url": "https://h/x", "id": "p"})).json()
    assert made == {"id": "p", "taskId": task["id"], "url": "https://h/x"}
    assert (await http.get(path)).json() == {"configs": [made], "nextPageToken": ""}
    assert (await http.get(f"{path}/p")).json() == made
    deleted = await http.delete(f"{path}/p")
    assert (deleted.status_code, deleted.json()) == (200, {})
    assert (await http.get(f"{path}/p")).status_code == 404
