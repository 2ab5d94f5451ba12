"""The gateway's operations on a bus in memory, with workers in the test's own process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from busagents import Agent, agent
from busagents.adapters.memory.bus import MemoryBus
from busagents.adapters.memory.store import MemoryStore
from busagents.bootstrap.gateway_bus import BusOfGateway
from busagents.bootstrap.kinds import Definition
from busagents.gateway.exposure import Exposure
from busagents.gateway.index import TaskIndex
from busagents.gateway.log_service import LogService
from busagents.gateway.types import Caller, Message, Part, SendRequest, Task
from busagents.testing import ScriptedModel, say
from tests.support.workers import working

ANN, BOB = Caller("ann"), Caller("bob")


@asynccontextmanager
async def gateway(store: MemoryStore, **exposure: object) -> AsyncIterator[LogService]:
    """A gateway's process."""
    bus = BusOfGateway(MemoryBus(store))
    index = TaskIndex(bus)
    try:
        yield LogService(bus, index, Exposure(bus, **exposure))
    finally:
        await index.close()
        await bus.close()


@asynccontextmanager
async def serving(*definitions: Definition) -> AsyncIterator[LogService]:
    """Participants, and a gateway to them."""
    store = MemoryStore()
    async with working(store, *definitions), gateway(store) as service:
        yield service


def asks(text: str, **more: object) -> SendRequest:
    """A request of one text."""
    message = {key: more.pop(key) for key in ("context_id", "task_id", "metadata") if key in more}
    return SendRequest(Message("m-1", "user", (Part(text=text),), **message), **more)


@agent("echo")
async def echo(task):
    """Says it again."""
    return task.text


async def test_a_blocking_send_returns_the_completed_task_with_its_answer_as_artifact() -> None:
    async with serving(echo) as service:
        task = await service.send(ANN, "echo", asks("hello"))
    assert isinstance(task, Task)
    assert task.status.state == "completed"
    assert [(item.artifact_id, item.parts) for item in task.artifacts] == [("answer", (Part(text="hello"),))]
    assert [(item.role, item.message_id, item.parts) for item in task.history] == [("user", "m-1", (Part(text="hello"),))]
    assert task.id.startswith(f"echo.{task.context_id}.")


async def test_get_gives_what_send_gave() -> None:
    async with serving(echo) as service:
        task = await service.send(ANN, "echo", asks("hello"))
        assert await service.get(ANN, task.id) == task


async def test_a_stream_begins_with_the_task_and_ends_completed() -> None:
    async with serving(Agent("a", model=ScriptedModel([say("one two three")], chunk_chars=3))) as service:
        items = [item async for item in service.stream(ANN, "a", asks("count"))]
    assert isinstance(items[0].update, Task)
    assert items[0].update.status.state == "submitted"
    assert items[-1].update.status.state == "completed"
    assert items[-1].update.final
