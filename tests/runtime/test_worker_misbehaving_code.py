"""Whatever the user's code does, a call ends in one recorded result, and the thread goes on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest

from busagents import Agent, FunctionContext, FunctionTask, ToolContext, agent, tool
from busagents.adapters.memory.store import MemoryStore
from busagents.domain import events as e
from busagents.domain.codec import decode_entry
from busagents.domain.subjects import ThreadRef
from busagents.errors import TaskCanceled, TaskFailed
from busagents.runtime.performer import Delta
from busagents.testing import ScriptedModel, call_tools, say
from tests.support.log_checks import checked_events
from tests.support.workers import working

HALF = "half a sign: \ud83d"


class Unspeakable(Exception):
    """An error that cannot be shown."""

    def __str__(self) -> str:
        raise ValueError("no words")


def raise_cancelled() -> None:
    raise asyncio.CancelledError


def raise_exit() -> None:
    sys.exit(3)


def raise_half() -> None:
    raise OSError(HALF)


def raise_unspeakable() -> None:
    raise Unspeakable


def raise_stop() -> None:
    raise StopAsyncIteration


RAISES = [raise_cancelled, raise_exit, raise_half, raise_unspeakable, raise_stop]


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
@pytest.mark.parametrize("act", RAISES)
async def test_a_tool_that_raises_anything_at_all_ran_once_and_the_model_is_told(act: Callable[[], None], sync: bool) -> None:
    ran: list[str] = []

    async def in_the_loop() -> None:
        """Do it."""
        ran.append("")
        act()

    def in_a_thread() -> None:
        """Do it."""
        ran.append("")
        act()

    model = ScriptedModel([call_tools(("act", {})), say("noted")])
    act_tool = tool(name="act")(in_a_thread if sync else in_the_loop)
    async with working(MemoryStore(), Agent("a", model=model, tools=[act_tool])) as client:
        task = await client.send("a", "go")
        assert (await task.result(timeout=20)).text == "noted"
        assert len(ran) == 1
        [failed] = [event.event for event in await checked_events(client, task.session) if isinstance(event.event, e.ToolFailed)]
        assert failed.code == "error"
        failed.message.encode()


@pytest.mark.parametrize("act", RAISES)
async def test_a_function_that_raises_anything_at_all_ran_once_and_its_task_failed(act: Callable[[], None]) -> None:
    ran: list[str] = []

    @agent("f")
    async def function(task: FunctionTask) -> str:
        ran.append("")
        act()
        return "never"

    async with working(MemoryStore(), function) as client:
        task = await client.send("f", "go")
        with pytest.raises(TaskFailed) as failed:
            await task.result(timeout=20)
        assert failed.value.reason == "error"
        assert len(ran) == 1


async def test_a_model_that_raises_a_cancellation_of_its_own_failed_and_is_called_again() -> None:
    class Once(ScriptedModel):
        calls = 0

        async def stream(self, request: Any) -> Any:
            self.calls += 1
            if self.calls == 1:
                raise asyncio.CancelledError
            async for chunk in super().stream(request):
                yield chunk

    model = Once([say("done")])
    async with working(MemoryStore(), Agent("a", model=model)) as client:
        task = await client.send("a", "go")
        assert (await task.result(timeout=20)).text == "done"
        [failed] = [event.event for event in await checked_events(client, task.session) if isinstance(event.event, e.ModelFailed)]
        assert failed.code == "cancelled"


async def test_progress_that_is_no_json_is_shown_as_far_as_it_can_be_and_hides_nothing_else() -> None:
    seen = asyncio.Event()

    @tool
    async def act(context: ToolContext) -> str:
        """Act."""
        context.emit({"odd": object()})  # type: ignore[dict-item]
        context.emit(HALF)
        context.emit("last")
        await seen.wait()
        return "acted"

    model = ScriptedModel([call_tools(("act", {})), say("done")])
    async with working(MemoryStore(), Agent("a", model=model, tools=[act])) as client:
        task = await client.send("a", "go")
        shown: list[Any] = []
        async for item in task.stream():
            if isinstance(item, Delta) and item.progress is not None:
                shown.append(item.progress)
            if shown and shown[-1] == "last":
                seen.set()
        assert list(shown[0]) == ["odd"]
        assert shown[1:] == ["half a sign: \N{REPLACEMENT CHARACTER}", "last"]


async def test_a_function_that_will_not_be_canceled_writes_nothing_into_the_next_task() -> None:
    began, tidied = asyncio.Event(), asyncio.Event()

    @agent("f")
    async def stubborn(task: FunctionTask, context: FunctionContext) -> str:
        if task.message.text == "next":
            return "the next one"

        async def tidy() -> str:
            tidied.set()
            return "tidy"

        began.set()
        try:
            await asyncio.sleep(3600)
        finally:
            await context.step("tidy", tidy)
        return "never"

    async with working(MemoryStore(), stubborn) as client:
        task = await client.send("f", "go")
        await began.wait()
        following = await client.send("f", "next", session=task.session)
        await task.cancel()
        with pytest.raises(TaskCanceled):
            await task.result(timeout=20)
        assert (await following.result(timeout=20)).text == "the next one"
        events = await checked_events(client, task.session)
        steps = [event for event in events if isinstance(event.event, e.ToolStarted)]
        assert tidied.is_set() == bool(steps), "a step runs only if its start is recorded"


async def test_a_call_that_cannot_be_made_loses_no_result_of_another() -> None:
    ran: list[str] = []

    @tool(idempotent=True)
    async def sound() -> str:
        """Work."""
        ran.append("sound")
        return "sound"

    @tool(read_only=True)
    async def shared(context: ToolContext) -> str:
        """Need the session's state."""
        return str(context.session.get("key"))

    model = ScriptedModel([call_tools(("shared", {}), ("sound", {})), say("done")])
    store = MemoryStore()
    async with working(store, Agent("a", model=model, tools=[sound, shared])) as client:
        store.store(ThreadRef("other", "s", "main"), "ev", b"state.set, but no entry", "e1")  # the shared state is unreadable
        live = await client.bus.watch_session("s")
        await client.send("a", "go", session="s")
        async for message in live:
            if message.position and decode_entry(message.body, where="live").events[0].attempt == 3:
                break
        assert ran == ["sound"]
