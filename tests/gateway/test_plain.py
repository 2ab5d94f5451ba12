"""Plain HTTP in front of a service, on a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio

from busagents import FunctionTask, agent
from busagents.adapters.memory.bus import MemoryBus
from busagents.adapters.memory.store import MemoryStore
from busagents.bootstrap.gateway_bus import BusOfGateway
from busagents.bootstrap.kinds import Definition
from busagents.domain.person import Person
from busagents.gateway.app import make_app
from busagents.gateway.callers import caller_of
from busagents.gateway.errors import TaskNotFound
from busagents.gateway.exposure import Exposure
from busagents.gateway.plain import Plain
from busagents.gateway.session_events import LoggedSessions
from busagents.gateway.types import ArtifactUpdate, Caller, StatusUpdate, StreamItem, Task
from busagents.gateway.wire_v03_rest import RestWireV03
from tests.gateway.echo_service import EchoService
from tests.support.gateways import asks, gateway
from tests.support.http_server import serving
from tests.support.workers import working

ANN = Caller("ann")


@agent("shout")
async def shout(task: FunctionTask) -> str:
    """Says it louder."""
    return task.text.upper()


@pytest_asyncio.fixture
async def plain(echo: EchoService) -> AsyncIterator[httpx.AsyncClient]:
    """A client of plain HTTP in front of the echo service."""
    routes = [Plain(echo, caller_of=caller_of, keep_alive=0.2, max_body=10_000)]
    async with (
        serving(make_app(echo, extra_routes=routes, rest_v03=RestWireV03())) as base,
        httpx.AsyncClient(base_url=f"{base}/v1", timeout=10) as client,
    ):
        yield client


async def given(client: httpx.AsyncClient, text: str, **more: Any) -> dict[str, Any]:
    """A task, as it was answered."""
    answer = await client.post("/tasks", json={"agent": "echo", "text": text, **more})
    assert answer.status_code in (200, 202), answer.text
    task: dict[str, Any] = answer.json()
    return task


async def events(client: httpx.AsyncClient, path: str, **headers: str) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream until it ends, with their ids."""
    answer = await client.get(path, headers={name.replace("_", "-"): text for name, text in headers.items()})
    assert answer.headers["content-type"].startswith("text/event-stream"), answer.text
    found = []
    for block in answer.text.split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append((fields.get("id", ""), json.loads(fields["data"])))
    return found


async def test_a_task_is_answered_at_once_with_where_it_is(plain: httpx.AsyncClient) -> None:
    answer = await plain.post("/tasks", json={"agent": "echo", "text": "wait"})
    assert answer.status_code == 202
    task = answer.json()
    assert task["state"] == "working"
    assert answer.headers["location"] == f"/v1/tasks/{task['id']}"
    assert (await plain.get(f"/tasks/{task['id']}")).json() == task


async def test_a_waiting_call_is_answered_with_the_finished_task(plain: httpx.AsyncClient) -> None:
    answer = await plain.post("/tasks", json={"agent": "echo", "text": "hello", "session": "s1", "wait": True})
    assert answer.status_code == 200
    task = answer.json()
    assert (task["state"], task["ended"], task["session"], task["agent"]) == ("completed", True, "s1", "echo")
    assert task["answer"] == {"text": "hello", "data": None, "files": []}


async def test_data_comes_back_as_data(plain: httpx.AsyncClient) -> None:
    answer = await plain.post("/tasks", json={"agent": "echo", "data": {"n": [1, None]}, "wait": True})
    assert answer.json()["answer"]["data"] == {"n": [1, None]}


async def test_a_wait_that_is_over_gives_the_task_as_it_is(plain: httpx.AsyncClient) -> None:
    answer = await plain.post("/tasks", json={"agent": "echo", "text": "wait", "wait": 0.05})
    assert answer.status_code == 202
    assert answer.json()["state"] == "working"


async def test_a_question_is_answered_with_a_reply(plain: httpx.AsyncClient) -> None:
    task = await given(plain, "ask", wait=True)
    assert task["state"] == "input-required"
    assert task["question"] is not None
    answer = await plain.post(f"/tasks/{task['id']}/reply", json={"text": "yes", "wait": True})
    assert answer.status_code == 200
    assert answer.json()["answer"]["text"] == "yes"
    again = await plain.post(f"/tasks/{task['id']}/reply", json={"text": "yes"})
    assert again.status_code == 409
    assert again.json()["code"] == "UNSUPPORTED_OPERATION"


async def test_a_task_is_canceled_once(plain: httpx.AsyncClient) -> None:
    task = await given(plain, "wait")
    canceled = await plain.post(f"/tasks/{task['id']}/cancel")
    assert (canceled.status_code, canceled.json()["state"]) == (200, "canceled")
    assert canceled.json()["error"]["reason"] == "canceled"
    again = await plain.post(f"/tasks/{task['id']}/cancel")
    assert (again.status_code, again.headers["content-type"]) == (409, "application/problem+json")


async def test_tasks_are_listed_page_by_page(plain: httpx.AsyncClient) -> None:
    for number in range(3):
        await given(plain, f"n{number}", session="s1", wait=True)
    await given(plain, "another", wait=True)
    first = (await plain.get("/tasks", params={"session": "s1", "limit": 2})).json()
    assert (len(first["tasks"]), first["total"]) == (2, 3)
    second = (await plain.get("/tasks", params={"session": "s1", "limit": 2, "cursor": first["next_cursor"]})).json()
    assert (len(second["tasks"]), second["next_cursor"]) == (1, None)
    assert (await plain.get("/tasks", params={"state": "working"})).json()["tasks"] == []


async def test_the_events_of_a_task_begin_with_it_and_end_with_its_end(plain: httpx.AsyncClient) -> None:
    task = await given(plain, "wait")
    async with plain.stream("GET", f"/tasks/{task['id']}/events") as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == "id: 1"
        assert json.loads((await anext(lines)).removeprefix("data: "))["event"] == "task"
        await plain.post(f"/tasks/{task['id']}/cancel")
        told = [json.loads(line.removeprefix("data: ")) async for line in lines if line.startswith("data: ")]
    assert [(item["event"], item["state"], item["ended"]) for item in told] == [("status", "canceled", True)]


async def test_a_task_that_has_ended_is_told_once_and_to_who_knows_it_not_at_all(plain: httpx.AsyncClient) -> None:
    task = await given(plain, "hello", wait=True)
    (told,) = await events(plain, f"/tasks/{task['id']}/events")
    assert told[1]["task"]["answer"]["text"] == "hello"
    after = await plain.get(f"/tasks/{task['id']}/events", headers={"last-event-id": "9"})
    assert after.status_code == 204


async def test_a_place_is_taken_from_the_header_or_the_query(plain: httpx.AsyncClient) -> None:
    task = await given(plain, "wait")
    for options in ({"headers": {"last-event-id": "7"}}, {"params": {"after": "7"}}):
        async with plain.stream("GET", f"/tasks/{task['id']}/events", **options) as answer:
            assert await anext(answer.aiter_lines()) == "id: 7"


async def test_the_key_of_a_request_goes_along(plain: httpx.AsyncClient, echo: EchoService) -> None:
    await plain.post("/tasks", json={"agent": "echo", "text": "hi"}, headers={"Idempotency-Key": "k1"})
    assert echo.asked[-1].idempotency_key == "k1"


async def test_who_takes_tasks_is_listed(plain: httpx.AsyncClient) -> None:
    (agent,) = (await plain.get("/agents")).json()["agents"]
    assert (agent["name"], agent["description"]) == ("echo", "the agent echo")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": "hi"}, "body"),
        ({"agent": "echo"}, "text"),
        ({"agent": "echo", "text": 7}, "text"),
        ({"agent": "echo", "text": "hi", "wait": -1}, "wait"),
        ({"agent": "echo", "text": "hi", "weight": 1}, "body"),
        ([], "body"),
    ],
)
async def test_a_wrong_field_is_named(plain: httpx.AsyncClient, body: Any, field: str) -> None:
    answer = await plain.post("/tasks", json=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["type"]) == (400, "urn:busagents:invalid-argument")
    assert [item["field"] for item in problem["errors"]] == [field]


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b'"\\ud800"', b"[" * 5000, b'{"agent":"echo","data":' + b"[" * 3000 + b"]" * 3000 + b"}"]
)
async def test_what_is_no_json_is_refused(plain: httpx.AsyncClient, body: bytes) -> None:
    answer = await plain.post("/tasks", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["status"] == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/tasks/none", 404),
        ("GET", "/tasks/none/events", 404),
        ("POST", "/tasks/none/cancel", 404),
        ("DELETE", "/tasks/none", 405),
        ("PUT", "/tasks", 405),
        ("OPTIONS", "/tasks", 405),
        ("GET", "/tasks?state=done", 400),
        ("GET", "/tasks?limit=0", 400),
        ("GET", "/tasks?since=yesterday", 400),
    ],
)
async def test_errors_are_problems(plain: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    answer = await plain.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


async def test_a_head_is_asked_for_without_its_body_and_streams_have_none(plain: httpx.AsyncClient) -> None:
    task = await given(plain, "hello", wait=True)
    answer = await plain.head(f"/tasks/{task['id']}")
    assert (answer.status_code, answer.content) == (200, b"")
    assert (await plain.head(f"/tasks/{task['id']}/events")).status_code == 405


async def test_a_defect_is_a_problem_without_its_secrets(plain: httpx.AsyncClient, echo: EchoService) -> None:
    echo.exposed = None  # type: ignore[assignment]
    answer = await plain.get("/agents")
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")


async def test_another_callers_task_is_as_one_that_does_not_exist(echo: EchoService) -> None:
    who = {"name": "ann"}
    async with (
        serving(make_app(echo, extra_routes=[Plain(echo, caller_of=lambda scope: Caller(who["name"]))])) as base,
        httpx.AsyncClient(base_url=f"{base}/v1", timeout=10) as client,
    ):
        task = await given(client, "wait")
        who["name"] = "bob"
        assert (await client.get(f"/tasks/{task['id']}")).status_code == 404
        assert (await client.get("/tasks")).json()["tasks"] == []


async def test_where_a_participant_is_served_at_the_root_its_paths_are_its_own(echo: EchoService) -> None:
    routes = [Plain(echo, caller_of=caller_of, at_short=False)]
    async with (
        serving(make_app(echo, default="echo", extra_routes=routes, rest_v03=RestWireV03())) as base,
        httpx.AsyncClient(base_url=base, timeout=10) as client,
    ):
        answer = await client.post("/api/v1/tasks", json={"agent": "echo", "text": "wait"})
        task = answer.json()
        assert answer.headers["location"] == f"/api/v1/tasks/{task['id']}"
        assert (await client.get(f"/v1/tasks/{task['id']}")).json()["contextId"] == task["session"]
        assert (await client.get(f"/api/v1/tasks/{task['id']}")).json() == task
        assert (await client.get("/openapi.json")).json()["servers"] == [{"url": "/api/v1"}]


async def test_the_paths_of_0_3_go_on_beside_it(plain: httpx.AsyncClient) -> None:
    task = await given(plain, "wait")
    answer = await plain.post(f"/tasks/{task['id']}:cancel")
    assert answer.json()["status"]["state"] == "TASK_STATE_CANCELLED"


async def test_a_session_is_followed_and_resumed_in_the_logs_order() -> None:
    store = MemoryStore()
    async with working(store, shout), gateway(MemoryBus(store)) as service:
        seen = BusOfGateway(MemoryBus(store))
        sessions = LoggedSessions(seen, Exposure(seen))
        for text in ("one", "two"):
            await service.send(ANN, "shout", asks(text, context="s1"))
        whole = await taken(sessions.events(ANN, "s1"), 8)
        assert [type(item.update) for item in whole] == [Task, StatusUpdate, ArtifactUpdate, StatusUpdate] * 2
        assert whole[6].update.artifact.parts[0].text == "TWO"
        for number, item in enumerate(whole[:-1], start=1):
            rest = await taken(sessions.events(ANN, "s1", after=item.place), 8 - number)
            assert rest == whole[number:]
        with pytest.raises(TaskNotFound):
            await taken(sessions.events(Caller("bob"), "s1"), 1)
        await seen.close()


@asynccontextmanager
async def on_a_bus(*definitions: Definition) -> AsyncIterator[httpx.AsyncClient]:
    """A client of plain HTTP in front of participants on a bus."""
    store = MemoryStore()
    async with (
        working(store, *definitions),
        gateway(MemoryBus(store)) as service,
        serving(make_app(service, extra_routes=[Plain(service, caller_of=caller_of)])) as base,
        httpx.AsyncClient(base_url=f"{base}/v1", timeout=10) as client,
    ):
        yield client


async def test_the_same_request_with_the_same_key_is_the_same_task() -> None:
    async with on_a_bus(shout) as client:
        body, key = {"agent": "shout", "text": "hi", "wait": True}, {"Idempotency-Key": "k1"}
        first, again = [await client.post("/tasks", json=body, headers=key) for _ in range(2)]
        assert first.json() == again.json()
        assert first.json()["answer"]["text"] == "HI"
        other = await client.post("/tasks", json={**body, "text": "ho"}, headers=key)
        assert (other.status_code, other.json()["errors"][0]["field"]) == (400, "Idempotency-Key")
        assert (await client.get("/tasks")).json()["total"] == 1


async def test_a_person_is_asked_and_answered() -> None:
    async with on_a_bus(Person("boss")) as client:
        task = (await client.post("/tasks", json={"agent": "boss", "text": "May I?", "wait": True})).json()
        assert (task["state"], task["question"]["text"]) == ("input-required", "May I?")
        path, question = f"/tasks/{task['id']}/reply", task["question"]["id"]
        assert (await client.post(path, json={"text": "x", "question": "no such"})).status_code == 409
        answered = await client.post(path, json={"text": "You may.", "question": question, "wait": True})
        assert (answered.status_code, answered.json()["answer"]["text"]) == (200, "You may.")
        told = await events(client, f"/tasks/{task['id']}/events", last_event_id="0.0")
        assert told[0][1]["event"] == "task"
        assert told[-1][1]["state"] == "completed"
        states = [item["state"] for _, item in told if item["event"] == "status"]
        assert states == ["working", "input-required", "working", "completed"]
        assert all(place for place, _ in told)


async def taken(items: AsyncIterator[StreamItem], count: int) -> list[StreamItem]:
    """The first recorded ones."""
    found: list[StreamItem] = []
    async with aclosing(items), asyncio.timeout(10):
        async for item in items:
            found += [item] if item.place else []
            if len(found) == count:
                break
    return found
