"""FAULTS row 37: a cancel stops a task wherever it is, and leaves a log on which the session goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from busagents import Agent, FunctionTask, Limits, agent, tool
from busagents.domain import events as e
from busagents.errors import TaskCanceled, TaskFailed
from busagents.runtime.client.client import Client
from busagents.runtime.client.task import Task
from busagents.testing import ScriptedModel, call_tools, fail, say
from tests.support.log_checks import checked_events, types
from tests.support.participants import running

Fresh = Callable[[str], str]


async def reached(task: Task, kind: str) -> None:
    """Wait until the task's log has an event of this type."""
    async for event in task.events():
        if event.type == kind:
            return


async def canceled(client: Client, name: str, session: str, kind: str) -> list[str]:
    """Send, wait for an event, cancel; the types of the facts, after the session has done another task."""
    task = await client.send(name, "go", session=session)
    await reached(task, kind)
    await task.cancel("no longer needed")
    with pytest.raises(TaskCanceled, match="no longer needed"):
        await task.result(timeout=30)
    facts = types(await checked_events(client, session))
    assert facts[-1] == "task.canceled"
    return facts


async def test_row_37_during_a_model_call(bus_url: str, fresh: Fresh) -> None:
    closed = asyncio.Event()

    class Endless(ScriptedModel):
        async def stream(self, request):  # type: ignore[no-untyped-def]
            try:
                await asyncio.sleep(3600)
                yield None
            finally:
                closed.set()

    async with running(bus_url, Agent(name := fresh("a"), model=Endless([say("never")]))) as client:
        await canceled(client, name, fresh("s"), "model.requested")
        await closed.wait()


async def test_row_37_during_a_tool_that_must_not_run_twice(bus_url: str, fresh: Fresh) -> None:
    stopped = asyncio.Event()

    @tool
    async def forever() -> None:
        """Never end."""
        try:
            await asyncio.sleep(3600)
        finally:
            stopped.set()

    model = ScriptedModel([call_tools(("forever", {})), say("done")])
    async with running(bus_url, Agent(name := fresh("a"), model=model, tools=[forever])) as client:
        facts = await canceled(client, name, fresh("s"), "tool.started")
        assert facts.count("tool.unknown") == 1  # it may have taken effect: said, not guessed
        await stopped.wait()


async def test_row_37_during_the_wait_for_a_retry(bus_url: str, fresh: Fresh) -> None:
    model = ScriptedModel([fail("rate_limited", retry_after=50), say("done")])
    async with running(bus_url, Agent(name := fresh("a"), model=model)) as client:
        facts = await canceled(client, name, fresh("s"), "model.failed")
        assert facts.count("model.requested") == 1


async def test_row_37_in_the_queue_of_a_busy_thread(bus_url: str, fresh: Fresh) -> None:
    model = ScriptedModel([say("slow answer")], chunk_chars=1, chunk_delay=0.05)
    async with running(bus_url, Agent(name := fresh("a"), model=model)) as client:
        first = await client.send(name, "first", session=(session := fresh("s")))
        second = await client.send(name, "second", session=session)
        await second.cancel()
        with pytest.raises(TaskCanceled):
            await second.result(timeout=30)
        assert (await first.result(timeout=30)).text == "slow answer"
        events = await checked_events(client, session)
        assert not [event for event in events if event.task == second.id and isinstance(event.event, e.TaskStarted)]


async def test_row_37_during_a_function(bus_url: str, fresh: Fresh) -> None:
    @agent(fresh("f"))
    async def endless(task: FunctionTask) -> str:
        await asyncio.sleep(3600)
        return "never"

    async with running(bus_url, endless) as client:
        await canceled(client, endless.name, fresh("s"), "task.started")


async def test_a_cancel_of_a_task_that_has_ended_changes_nothing(bus_url: str, fresh: Fresh) -> None:
    async with running(bus_url, Agent(name := fresh("a"), model=ScriptedModel([say("done")]))) as client:
        task = await client.send(name, "go")
        await task.result(timeout=30)
        await task.cancel()
        again = await client.send(name, "go on", session=task.session)
        assert (await again.result(timeout=30)).text == "done"
        assert "task.canceled" not in types(await checked_events(client, task.session))


async def test_a_task_over_its_time_limit_stops_its_tool_and_says_which_limit(bus_url: str, fresh: Fresh) -> None:
    @tool(read_only=True)
    async def forever() -> None:
        """Never end."""
        await asyncio.sleep(3600)

    model = ScriptedModel([call_tools(("forever", {})), say("done")])
    agent_ = Agent(name := fresh("a"), model=model, tools=[forever], limits=Limits(seconds=0.3))
    async with running(bus_url, agent_) as client:
        task = await client.send(name, "go")
        with pytest.raises(TaskFailed, match=r"limit of 0\.3 seconds") as failed:
            await task.result(timeout=30)
        assert failed.value.reason == "limit_seconds"
        await checked_events(client, task.session)
