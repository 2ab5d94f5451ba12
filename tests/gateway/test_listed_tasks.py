"""Lists of tasks: the caller's, the newest status first, page by page, from the log alone."""

from __future__ import annotations

import asyncio

import pytest

from busagents import FunctionTask, agent
from busagents.adapters.memory.bus import MemoryBus
from busagents.adapters.memory.store import MemoryStore
from busagents.domain.person import Person
from busagents.gateway.errors import InvalidParams
from busagents.gateway.log_service import LogService
from busagents.gateway.types import Caller, ListRequest, Task
from tests.support.gateways import asks, gateway, serving
from tests.support.workers import working

ANN, BOB, OPERATOR = Caller("ann"), Caller("bob"), Caller("operator", may_see_all=True)


@agent("echo")
async def echo(task: FunctionTask) -> str:
    """Says it again."""
    return task.text


async def sent(service: LogService, participant: str, *, by: Caller = ANN, context: str = "", task: str = "") -> Task:
    answer = await service.send(by, participant, asks("hello", context=context, task=task))
    assert isinstance(answer, Task)
    return answer


async def pages(service: LogService, size: int) -> list[str]:
    """The ids of all tasks, page by page."""
    found: list[str] = []
    token = ""
    while True:
        page = await service.list(ANN, ListRequest(page_size=size, page_token=token))
        assert (page.page_size, page.total_size) == (size, 5)
        found += [task.id for task in page.tasks]
        token = page.next_page_token
        if not token:
            return found


@pytest.mark.parametrize("size", [1, 2, 5, 100])
async def test_pages_hold_each_task_once_the_newest_status_first(size: int) -> None:
    async with serving(echo) as service:
        tasks = [await sent(service, "echo") for _ in range(5)]
        await sent(service, "echo", by=BOB)
        assert await pages(service, size) == [task.id for task in reversed(tasks)]


async def test_a_task_whose_status_changes_is_the_newest_again() -> None:
    async with serving(Person("person"), echo) as service:
        asking = await sent(service, "person")
        other = await sent(service, "echo")
        assert [task.id for task in (await service.list(ANN, ListRequest())).tasks] == [other.id, asking.id]
        await sent(service, "person", task=asking.id)
        assert [task.id for task in (await service.list(ANN, ListRequest())).tasks] == [asking.id, other.id]


async def test_a_listed_task_is_as_it_is_without_history_and_artifacts() -> None:
    async with serving(Person("person"), echo) as service:
        for name in ("person", "echo"):
            task = await sent(service, name)
            listed = (await service.list(ANN, ListRequest(page_size=1))).tasks[0]
            assert (listed.id, listed.context_id, listed.status) == (task.id, task.context_id, task.status)
            assert (listed.history, listed.artifacts, listed.metadata) == (None, None, task.metadata)


async def test_history_and_artifacts_come_if_they_are_asked_for() -> None:
    async with serving(echo) as service:
        task = await sent(service, "echo")
        (whole,) = (await service.list(ANN, ListRequest(include_artifacts=True, history_length=5))).tasks
        assert whole == task
        (short,) = (await service.list(ANN, ListRequest(history_length=1))).tasks
        assert (short.history, short.artifacts) == (task.history, None)


async def test_a_list_may_be_of_a_context_a_state_a_participant_or_a_time() -> None:
    async with serving(Person("person"), echo) as service:
        asking = await sent(service, "person", context="trip")
        done = await sent(service, "echo", context="trip")
        other = await sent(service, "echo")

        async def ids(request: ListRequest, participant: str | None = None) -> list[str]:
            return [task.id for task in (await service.list(ANN, request, participant)).tasks]

        assert await ids(ListRequest(context_id="trip")) == [done.id, asking.id]
        assert await ids(ListRequest(state="input-required")) == [asking.id]
        assert await ids(ListRequest(context_id="trip", state="completed")) == [done.id]
        assert await ids(ListRequest(), "echo") == [other.id, done.id]
        assert await ids(ListRequest(status_after="2999-01-01T00:00:00Z")) == []
        assert await ids(ListRequest(status_after="2001-01-01T00:00:00+02:00")) == [other.id, done.id, asking.id]
        assert await ids(ListRequest(context_id="nowhere")) == []


async def test_tasks_of_the_bus_itself_are_an_operators_to_see() -> None:
    store = MemoryStore()
    async with working(store, echo) as client, gateway(MemoryBus(store)) as service:
        inside = await client.send("echo", "hello")
        await inside.result()
        task = await sent(service, "echo")
        assert [item.id for item in (await service.list(ANN, ListRequest())).tasks] == [task.id]
        assert {item.id for item in (await service.list(OPERATOR, ListRequest())).tasks} == {task.id, inside.id}


async def test_a_gateway_that_begins_lists_what_others_did() -> None:
    store = MemoryStore()
    async with working(store, echo):
        async with gateway(MemoryBus(store)) as service:
            tasks = [await sent(service, "echo") for _ in range(3)]
        async with gateway(MemoryBus(store)) as service:
            lists = await asyncio.gather(*(service.list(ANN, ListRequest()) for _ in range(5)))
            assert all([task.id for task in page.tasks] == [task.id for task in reversed(tasks)] for page in lists)


@pytest.mark.parametrize(
    "request_",
    [
        ListRequest(page_size=0),
        ListRequest(page_size=101),
        ListRequest(page_token="not a token"),
        ListRequest(page_token="W10"),
        ListRequest(page_token="ä"),
        ListRequest(status_after="yesterday"),
        ListRequest(history_length=-1),
    ],
)
async def test_a_list_that_cannot_be_is_refused(request_: ListRequest) -> None:
    async with serving(echo) as service:
        with pytest.raises(InvalidParams):
            await service.list(ANN, request_)
