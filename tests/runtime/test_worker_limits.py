"""Each limit of a task ends it with a reason of its own, and the thread goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from busagents import Agent, FunctionContext, FunctionTask, Limits, agent, tool
from busagents.adapters.memory.store import MemoryStore
from busagents.domain import events as e
from busagents.domain.messages import Usage
from busagents.errors import TaskFailed
from busagents.ports.model import ModelRequest
from busagents.testing import ScriptedModel, call_tools, say
from busagents.testing.scripted_model import Turn
from tests.support.log_checks import checked_events
from tests.support.workers import working

PATIENCE = 20


@tool(read_only=True)
async def look() -> str:
    """Look."""
    return "seen"


def looks_for_ever(request: ModelRequest) -> Turn:
    if any(message.text == "be quick" for message in request.messages[-1:]):
        return say("quick")
    return call_tools(("look", {}), usage=Usage(input_tokens=10, output_tokens=5))


@pytest.mark.parametrize(
    ("limits", "reason", "turns"),
    [
        (Limits(turns=3), "limit_turns", 3),
        (Limits(total_tokens=40), "limit_total_tokens", 3),
        (Limits(output_tokens=10), "limit_output_tokens", 2),
    ],
)
@pytest.mark.parametrize("by_caller", [False, True], ids=["of-the-agent", "of-the-caller"])
async def test_a_limit_ends_the_task_with_its_reason(limits: Limits, reason: str, turns: int, by_caller: bool) -> None:
    own: dict[str, Any] = {} if by_caller else {"limits": limits}
    async with working(MemoryStore(), Agent("a", model=ScriptedModel(looks_for_ever), tools=[look], **own)) as client:
        task = await client.send("a", "go", session="s", limits=limits if by_caller else None)
        with pytest.raises(TaskFailed, match=r"raise Limits\(") as failed:
            await task.result(timeout=PATIENCE)
        assert failed.value.reason == reason
        events = await checked_events(client, "s")
        assert sum(isinstance(event.event, e.ModelCompleted) for event in events) == turns
        last = events[-1].event
        assert isinstance(last, e.TaskFailed)
        assert last.usage == Usage(10 * turns, 5 * turns)
        after = await client.send("a", "be quick", session="s")
        assert (await after.result(timeout=PATIENCE)).text == "quick"


async def test_a_caller_cannot_raise_an_agents_limit() -> None:
    model = ScriptedModel(looks_for_ever)
    async with working(MemoryStore(), Agent("a", model=model, tools=[look], limits=Limits(turns=2))) as client:
        task = await client.send("a", "go", limits=Limits(turns=1000))
        with pytest.raises(TaskFailed, match="limit of 2 turns"):
            await task.result(timeout=PATIENCE)


async def test_the_time_limit_stops_a_model_that_says_nothing() -> None:
    closed = asyncio.Event()

    class Silent(ScriptedModel):
        async def stream(self, request: ModelRequest) -> Any:
            if request.messages[-1].text == "be quick":
                async for chunk in super().stream(request):
                    yield chunk
                return
            try:
                await asyncio.sleep(3600)
            finally:
                closed.set()

    async with working(MemoryStore(), Agent("a", model=Silent([say("quick")]), limits=Limits(seconds=0.2))) as client:
        task = await client.send("a", "go", session="s")
        with pytest.raises(TaskFailed, match=r"limit of 0\.2 seconds") as failed:
            await task.result(timeout=PATIENCE)
        assert failed.value.reason == "limit_seconds"
        assert closed.is_set()
        after = await client.send("a", "be quick", session="s")
        assert (await after.result(timeout=PATIENCE)).text == "quick"
        await checked_events(client, "s")


async def test_the_time_limit_of_a_function_keeps_the_steps_it_made() -> None:
    made = 0

    @agent("f", limits=Limits(seconds=0.3))
    async def busy(task: FunctionTask, context: FunctionContext) -> str:
        async def step() -> int:
            nonlocal made
            made += 1
            return made

        while True:
            await context.step(f"step {made}", step)

    async with working(MemoryStore(), busy) as client:
        task = await client.send("f", "go")
        with pytest.raises(TaskFailed) as failed:
            await task.result(timeout=PATIENCE)
        assert failed.value.reason == "limit_seconds"
        events = await checked_events(client, task.session)
        results = [event for event in events if isinstance(event.event, e.ToolCompleted | e.ToolUnknown)]
        assert made == len(results), "each step that ran has a recorded outcome"
