"""What a tool is given: a key that stays over attempts, state that is recorded, and a way to show progress."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from busagents import Agent, FunctionContext, FunctionTask, ToolContext, agent, tool
from busagents.adapters.memory.bus import MemoryBus
from busagents.adapters.memory.store import MemoryStore
from busagents.domain import events as e
from busagents.domain.messages import ToolResultPart
from busagents.ports.model import ModelRequest
from busagents.runtime.performer import Delta
from busagents.testing import ScriptedModel, call_tools, say
from busagents.testing.scripted_model import Turn
from tests.support.log_checks import checked_events
from tests.support.workers import a_client, process, working

PATIENCE = 20


def calls_the_tool_named_by_the_prompt(request: ModelRequest) -> Turn:
    last = request.messages[-1]
    if last.role == "user":
        return call_tools(*[(name, {}) for name in last.text.split()])
    return say(" ".join(part.content for part in last.parts if isinstance(part, ToolResultPart)))


async def test_a_call_keeps_its_key_over_attempts_and_shares_it_with_no_other_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("busagents.runtime.worker._DRAIN_GRACE", 0.1)
    seen: list[tuple[str, int, str]] = []
    reached = asyncio.Event()

    @tool(idempotent=True)
    async def pay(context: ToolContext) -> str:
        """Pay."""
        seen.append((context.call_id, context.attempt, context.idempotency_key))
        if context.attempt == 1 and len(seen) == 2:
            reached.set()
        if context.attempt == 1:
            await asyncio.sleep(3600)
        return "paid"

    definition = Agent("a", model=ScriptedModel(calls_the_tool_named_by_the_prompt), tools=[pay])
    store = MemoryStore()
    client = a_client(store)
    async with process(MemoryBus(store), definition):
        task = await client.send("a", "pay pay", session="s")
        await reached.wait()
    async with process(MemoryBus(store), definition):
        assert (await task.result(timeout=PATIENCE)).text == "paid paid"
    keys = {(call, key) for call, _, key in seen}
    assert sorted(attempt for _, attempt, _ in seen) == [1, 1, 2, 2]
    assert len(keys) == len({key for _, key in keys}) == 2


async def test_the_same_call_id_in_another_task_has_another_key() -> None:
    keys: list[str] = []

    @tool
    async def pay(context: ToolContext) -> str:
        """Pay."""
        keys.append(context.idempotency_key)
        return "paid"

    definition = Agent("a", model=ScriptedModel(calls_the_tool_named_by_the_prompt), tools=[pay])
    async with working(MemoryStore(), definition) as client:
        for session in ("s1", "s1", "s2"):
            await (await client.send("a", "pay", session=session)).result(timeout=PATIENCE)
    assert len(set(keys)) == 3


@tool
async def count(context: ToolContext) -> str:
    """Count in the agent's own state and in the session's."""
    context.state.set("own", context.state.get("own", 0) + 1)
    context.session.set("shared", [*context.session.get("shared", []), context.participant])
    return f"{context.state.get('own')} {context.session.get('shared')}"


@tool
async def forget(context: ToolContext) -> str:
    """Forget the agent's own count."""
    context.state.delete("own")
    return str(context.state.keys())


def counters() -> list[Agent]:
    model = ScriptedModel(calls_the_tool_named_by_the_prompt)
    return [Agent(name, model=model, tools=[count, forget]) for name in ("a", "b")]


async def test_state_is_an_agents_own_or_the_sessions_and_outlives_every_process() -> None:
    store = MemoryStore()
    answers = []
    for name, session in [("a", "s"), ("a", "s"), ("b", "s"), ("a", "other"), ("a", "s")]:
        async with working(store, *counters()) as client:
            task = await client.send(name, "count", session=session)
            answers.append((await task.result(timeout=PATIENCE)).text)
    assert answers == [
        "1 ['a']",
        "2 ['a', 'a']",
        "1 ['a', 'a', 'b']",
        "1 ['a']",
        "3 ['a', 'a', 'b', 'a']",
    ]


async def test_state_is_recorded_with_the_result_of_the_tool_that_set_it() -> None:
    async with working(MemoryStore(), *counters()) as client:
        for prompt in ("count", "forget"):
            await (await client.send("a", prompt, session="s")).result(timeout=PATIENCE)
        events = await checked_events(client, "s")
        changes = [(event.position, event.event) for event in events if isinstance(event.event, e.StateSet)]
        assert [change for _, change in changes] == [
            e.StateSet("own", 1),
            e.StateSet("shared", ["a"], "session"),
            e.StateSet("own", None, deleted=True),
        ]
        results = {event.position for event in events if isinstance(event.event, e.ToolCompleted)}
        assert {position for position, _ in changes} == results
        [state] = (await client.replay("s")).threads.values()
        assert state.values == {}


async def test_state_set_by_a_tool_that_failed_is_not_kept() -> None:
    @tool
    async def half(context: ToolContext) -> str:
        """Set, then fail."""
        context.state.set("own", "half")
        raise RuntimeError("after setting")

    definition = Agent("a", model=ScriptedModel(calls_the_tool_named_by_the_prompt), tools=[half])
    async with working(MemoryStore(), definition) as client:
        await (await client.send("a", "half", session="s")).result(timeout=PATIENCE)
        [state] = (await client.replay("s")).threads.values()
        assert state.values == {}


async def test_what_a_generator_yields_before_its_last_value_is_progress() -> None:
    seen = {"one": asyncio.Event(), "two": asyncio.Event()}

    @tool
    async def walk() -> AsyncIterator[str]:
        """Walk in steps."""
        yield "one"
        yield "two"  # now it is known that "one" was no result
        await seen["one"].wait()
        yield "three"
        await seen["two"].wait()
        yield "arrived"

    definition = Agent("a", model=ScriptedModel(calls_the_tool_named_by_the_prompt), tools=[walk])
    async with working(MemoryStore(), definition) as client:
        task = await client.send("a", "walk")
        shown: list[object] = []
        async for item in task.stream():
            if isinstance(item, Delta) and item.progress is not None:
                shown.append(item.progress)
                assert item.call
                if item.progress in seen:
                    seen[item.progress].set()
        assert shown[:2] == ["one", "two"]
        assert (await task.result()).text == "arrived"


async def test_a_function_is_given_the_same_key_and_state() -> None:
    seen: list[tuple[str, object]] = []

    @agent("f")
    async def function(task: FunctionTask, context: FunctionContext) -> str:
        seen.append((context.idempotency_key, context.state.get("runs", 0)))
        context.state.set("runs", context.state.get("runs", 0) + 1)
        return "done"

    async with working(MemoryStore(), function) as client:
        for _ in range(2):
            await (await client.send("f", "go", session="s")).result(timeout=PATIENCE)
    assert [runs for _, runs in seen] == [0, 1]
    assert len({key for key, _ in seen}) == 2
