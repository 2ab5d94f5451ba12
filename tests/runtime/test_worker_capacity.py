"""What runs at once is bounded by settings, and what blocks stops nobody else."""

from __future__ import annotations

import asyncio
import threading
from typing import Literal

import pytest

from busagents import Agent, tool
from busagents.adapters.memory.bus import MemoryBus
from busagents.adapters.memory.log import MemoryLog
from busagents.adapters.memory.store import MemoryStore
from busagents.domain import events as e
from busagents.domain.subjects import ThreadRef
from busagents.errors import TaskCanceled
from busagents.runtime.client.client import Client
from busagents.runtime.clock import SystemClock
from busagents.runtime.journal import Journal, OpenThread
from busagents.runtime.thread_cache import ThreadCache
from busagents.testing import ScriptedModel, call_tools, say
from tests.support.log_checks import checked_events
from tests.support.workers import SlowBus, a_client, process, working

PATIENCE = 30


class Crowd:
    """Counts who is inside at once; holds everybody until so many are."""

    def __init__(self, expected: int) -> None:
        self.now = self.most = 0
        self.full = asyncio.Event()
        self._expected = expected

    async def visit(self) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        if self.now >= self._expected:
            self.full.set()
        await self.full.wait()
        for _ in range(20):  # stay while others could come in
            await asyncio.sleep(0)
        self.now -= 1


async def test_one_process_works_on_as_many_threads_at_once_as_it_may_and_no_more() -> None:
    crowd = Crowd(expected=3)

    class Busy(ScriptedModel):
        async def stream(self, request):  # type: ignore[no-untyped-def]
            await crowd.visit()
            async for chunk in super().stream(request):
                yield chunk

    async with working(MemoryStore(), Agent("a", model=Busy([say("done")]), max_parallel_tasks=3)) as client:
        tasks = [await client.send("a", "go") for _ in range(20)]
        results = await asyncio.gather(*(task.result(timeout=PATIENCE) for task in tasks))
        assert [result.text for result in results] == ["done"] * 20
        assert crowd.most == 3


async def test_one_turn_runs_as_many_tools_at_once_as_it_may_and_no_more() -> None:
    crowd = Crowd(expected=2)

    @tool(read_only=True)
    async def visit() -> str:
        """Visit."""
        await crowd.visit()
        return "visited"

    model = ScriptedModel([call_tools(*[("visit", {})] * 8), say("done")])
    async with working(MemoryStore(), Agent("a", model=model, tools=[visit], tool_concurrency=2)) as client:
        task = await client.send("a", "go")
        assert (await task.result(timeout=PATIENCE)).text == "done"
        assert crowd.most == 2
        events = await checked_events(client, task.session)
        assert sum(isinstance(event.event, e.ToolCompleted) for event in events) == 8


async def test_a_sequential_tool_runs_alone() -> None:
    running_now: list[str] = []

    @tool(sequential=True)
    async def alone() -> str:
        """Run alone."""
        assert running_now == []
        running_now.append("alone")
        await asyncio.sleep(0)
        running_now.remove("alone")
        return "was alone"

    @tool
    async def beside() -> str:
        """Run beside others."""
        assert "alone" not in running_now
        running_now.append("beside")
        await asyncio.sleep(0)
        running_now.remove("beside")
        return "was beside"

    calls = [("beside", {}), ("alone", {}), ("alone", {}), ("beside", {}), ("beside", {})]
    model = ScriptedModel([call_tools(*calls), say("done")])
    async with working(MemoryStore(), Agent("a", model=model, tools=[alone, beside])) as client:
        task = await client.send("a", "go")
        await task.result(timeout=PATIENCE)
        assert not [event for event in await checked_events(client, task.session) if isinstance(event.event, e.ToolFailed)]


async def test_a_sync_tool_blocks_nobody_else() -> None:
    other_done = threading.Event()

    @tool
    def blocking() -> str:
        """Block until the other task is done."""
        return "in time" if other_done.wait(PATIENCE) else "too late"

    def turns(request):  # type: ignore[no-untyped-def]
        if request.messages[-1].text == "block":
            return call_tools(("blocking", {}))
        return say(request.messages[-1].parts[0].content if request.messages[-1].role == "tool" else "quick")

    async with working(MemoryStore(), Agent("a", model=ScriptedModel(turns), tools=[blocking])) as client:
        blocked = await client.send("a", "block")
        async for event in blocked.events():
            if isinstance(event.event, e.ToolStarted):
                break
        assert (await (await client.send("a", "other")).result(timeout=PATIENCE)).text == "quick"
        other_done.set()
        assert (await blocked.result(timeout=PATIENCE)).text == "in time"


async def test_a_sync_tool_that_never_ends_keeps_no_process_from_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("busagents.runtime.worker._DRAIN_GRACE", 0.1)
    let_go = threading.Event()
    looked: list[int] = []

    @tool(read_only=True)
    def endless() -> str:
        """Never end, the first time."""
        looked.append(1)
        if len(looked) == 1:
            let_go.wait(60)
        return "ended"

    model = ScriptedModel([call_tools(("endless", {})), say("done")])
    store = MemoryStore()
    client = a_client(store)
    try:
        async with process(SlowBus(store), Agent("a", model=model, tools=[endless])) as first:
            task = await client.send("a", "go")
            async for event in task.events():
                if isinstance(event.event, e.ToolStarted):
                    break
            async with asyncio.timeout(PATIENCE):
                await first.end()
        assert not let_go.is_set()
        async with process(SlowBus(store), Agent("a", model=model, tools=[endless])):
            assert (await task.result(timeout=PATIENCE)).text == "done"
            assert len(looked) == 2
    finally:
        let_go.set()


async def test_a_cancel_heard_before_it_is_stored_reaches_a_process_without_room_for_a_message() -> None:
    class Cluster(MemoryLog):
        """Passes a cancel on at once, and stores it when its other nodes have it."""

        async def send(self, ref: ThreadRef, kind: Literal["in", "stop"], body: bytes, *, entry_id: str, types: str) -> int:
            for _, hear in store.stops:
                hear(ref, body)
            for _ in range(50):
                await asyncio.sleep(0)
            store.stops = []
            return await super().send(ref, kind, body, entry_id=entry_id, types=types)

    class ClusterBus(MemoryBus):
        @property
        def log(self) -> MemoryLog:
            return Cluster(store)

    class Endless(ScriptedModel):
        async def stream(self, request):  # type: ignore[no-untyped-def]
            await asyncio.sleep(3600)
            yield None

    store = MemoryStore()
    async with working(store, Agent("a", model=Endless([say("never")]), max_parallel_tasks=1)) as client:
        task = await client.send("a", "go")
        async for event in task.events():
            if isinstance(event.event, e.ModelRequested):
                break
        cluster = ClusterBus(store)
        canceling = await Client(cluster, Journal(cluster, SystemClock())).task(task.id)
        await canceling.cancel()
        with pytest.raises(TaskCanceled):
            await task.result(timeout=PATIENCE)


def test_the_cache_of_idle_threads_forgets_the_one_unused_for_longest() -> None:
    cache = ThreadCache(size=2)
    refs = [ThreadRef("a", f"s{number}", "main") for number in range(3)]
    for ref in refs[:2]:
        cache.keep(OpenThread(ref))
    used = cache.take(refs[0])
    assert used is not None
    cache.keep(used)
    cache.keep(OpenThread(refs[2]))
    assert cache.take(refs[1]) is None
    assert cache.take(refs[0]) is used
    assert cache.take(refs[0]) is None, "only one run may have it"


async def test_more_threads_than_the_cache_holds_are_all_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("busagents.runtime.worker.ThreadCache", lambda: ThreadCache(size=2))
    async with working(MemoryStore(), Agent("a", model=ScriptedModel([say("done")]))) as client:
        for turn in range(2):
            for number in range(5):
                task = await client.send("a", f"turn {turn}", session=f"s{number}")
                await task.result(timeout=PATIENCE)
        for number in range(5):
            state = next(iter((await client.replay(f"s{number}")).threads.values()))
            assert [message.text for message in state.messages] == ["turn 0", "done", "turn 1", "done"]
