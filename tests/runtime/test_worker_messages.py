"""From a delivery to its acknowledgement: who consumes a message, when it is acked, and what a failing one comes to."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable

import msgspec
import pytest

from busagents import Agent, tool
from busagents.adapters.memory.bus import MemoryBus
from busagents.adapters.memory.inbox import MemoryDelivery
from busagents.adapters.memory.store import MemoryStore
from busagents.domain import events as e
from busagents.domain.subjects import MAIN_THREAD, ThreadRef
from busagents.errors import TaskFailed
from busagents.ports.model import ModelRequest
from busagents.runtime.dead_letter import MAX_FAILURES
from busagents.runtime.status import Hold, StatusWriter
from busagents.testing import ScriptedModel, call_tools, say
from busagents.testing.scripted_model import Turn
from tests.support.log_checks import checked_events, inbox_empty, types
from tests.support.participants import running
from tests.support.workers import SlowBus, a_client, process, working

PATIENCE = 20


def echo(request: ModelRequest) -> Turn:
    """Says what it was told; a defect of its own when it is told `poison`."""
    if request.messages[-1].text == "poison":
        raise ZeroDivisionError("a defect in the model's adapter")
    return say(f"heard: {request.messages[-1].text}")


class Held(ScriptedModel):
    """A model that answers when it is let go."""

    def __init__(self) -> None:
        super().__init__(echo)
        self.called, self.let_go = asyncio.Event(), asyncio.Event()
        self.calls = 0

    async def stream(self, request):  # type: ignore[no-untyped-def]
        self.calls += 1
        self.called.set()
        await self.let_go.wait()
        async for chunk in super().stream(request):
            yield chunk


async def test_messages_for_a_busy_thread_are_consumed_by_its_owner_and_acknowledged(
    bus_url: str, fresh: Callable[[str], str]
) -> None:
    model = Held()
    definition = Agent(name := fresh("a"), model=model)
    async with running(bus_url, definition, definition) as client:  # two replicas: most of it reaches the other one
        tasks = [await client.send(name, "0", session=(session := fresh("s")))]
        await model.called.wait()
        tasks += [await client.send(name, str(number), session=session) for number in range(1, 10)]
        consumed: set[str] = set()
        while len(consumed) < 10:  # while the first one is still at work
            state = next(iter((await client.replay(session)).threads.values()))
            consumed = {key for key, _ in state.seen.items()}
            await asyncio.sleep(0.02)
        assert model.calls == 1
        model.let_go.set()
        results = await asyncio.gather(*(task.result(timeout=PATIENCE) for task in tasks))
        assert [result.text for result in results] == [f"heard: {number}" for number in range(10)]
        await inbox_empty(client, name)
        owners = {event.event.owner for event in await checked_events(client, session) if isinstance(event.event, e.TaskStarted)}
        assert len(owners) == 1


async def test_a_process_that_stops_records_what_runs_and_starts_nothing() -> None:
    started, let_go = asyncio.Event(), asyncio.Event()
    ran: list[str] = []

    @tool
    async def first() -> str:
        """Run now."""
        ran.append("first")
        started.set()
        await let_go.wait()
        return "first is done"

    @tool
    async def second() -> str:
        """Run after it."""
        ran.append("second")
        return "second is done"

    model = ScriptedModel([call_tools(("first", {}), ("second", {})), say("both")])
    definition = Agent("a", model=model, tools=[first, second], tool_concurrency=1)
    client = a_client(store := MemoryStore())
    async with process(MemoryBus(store), definition) as stopping:
        task = await client.send("a", "go", session="s")
        await started.wait()
        stopping.stop.set()
        let_go.set()
    events = [event async for event in client.history("s")]
    assert types(events)[-1] == "tool.completed"
    assert ran == ["first"]
    async with process(MemoryBus(store), definition):
        assert (await task.result(timeout=PATIENCE)).text == "both"
        assert ran == ["first", "second"]
        await checked_events(client, "s")


async def test_a_process_that_stops_begins_no_message_that_waits() -> None:
    model = Held()
    definition = Agent("a", model=model, max_parallel_tasks=1)
    client = a_client(store := MemoryStore())
    async with process(MemoryBus(store), definition) as stopping:
        one = await client.send("a", "one", session="s1")
        await model.called.wait()
        two = await client.send("a", "two", session="s2")
        stopping.stop.set()
        model.let_go.set()
    assert model.calls == 1
    assert types([event async for event in client.history("s2")]) == []
    async with process(MemoryBus(store), definition):
        assert (await one.result(timeout=PATIENCE)).text == "heard: one"
        assert (await two.result(timeout=PATIENCE)).text == "heard: two"


async def test_a_message_on_which_the_work_fails_waits_longer_each_time_and_can_be_redriven(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []
    give_back = MemoryDelivery.nak

    async def at_once(delivery: MemoryDelivery, delay: float = 0.0) -> None:
        waits.append(delay)
        await give_back(delivery)

    monkeypatch.setattr(MemoryDelivery, "nak", at_once)
    async with working(MemoryStore(), Agent("a", model=ScriptedModel(echo))) as client:
        poison = await client.send("a", "poison", session="s")
        with pytest.raises(TaskFailed, match="ZeroDivisionError: a defect in the model's adapter") as failed:
            await poison.result(timeout=PATIENCE)
        assert failed.value.reason == "dead_letter"
        assert len(waits) == MAX_FAILURES - 1
        assert all(longer > shorter for shorter, longer in itertools.pairwise(waits))
        again = await client.redrive(poison.id)
        with pytest.raises(TaskFailed):
            await again.result(timeout=PATIENCE)
        good = await client.send("a", "good", session="s")
        assert (await good.result(timeout=PATIENCE)).text == "heard: good"
        await checked_events(client, "s")


async def test_the_owner_of_a_thread_answers_for_it_while_it_works_and_not_after() -> None:
    model = Held()
    async with working(store := MemoryStore(), Agent("a", model=model)) as client:
        task = await client.send("a", "go", session="s")
        await model.called.wait()
        other = MemoryBus(store)
        assert await other.ask_owner(task.ref, timeout=0.01)
        assert not await other.ask_owner(ThreadRef("a", "s", "another"), timeout=0.01)
        model.let_go.set()
        await task.result(timeout=PATIENCE)
        for _ in range(50):  # until it is acknowledged
            await asyncio.sleep(0)
        assert not await other.ask_owner(ThreadRef("a", "s", MAIN_THREAD), timeout=0.01)


async def test_the_supervisor_is_told_the_task_that_a_process_holds() -> None:
    model = Held()
    reading, writing = os.pipe()
    store = MemoryStore()
    client = a_client(store)
    with os.fdopen(reading) as lines:
        async with process(SlowBus(store), Agent("a", model=model), status=StatusWriter(writing)):
            task = await client.send("a", "go", session="s")
            await model.called.wait()
            held = msgspec.json.decode(lines.readline(), type=Hold)
            model.let_go.set()
            await task.result(timeout=PATIENCE)
        os.close(writing)
        released = [msgspec.json.decode(line) for line in lines]
    assert (held.task, held.session, held.thread) == (task.id, "s", MAIN_THREAD)
    assert released == [{"release": held.hold}]
