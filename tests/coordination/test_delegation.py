"""Participants as tools: a call is a task in a thread of its own, and the caller's thread sleeps until its end."""

from __future__ import annotations

import asyncio

import pytest

from busagents import Agent, FunctionContext, FunctionTask, Limits, Participant, ToolContext, Usage, agent, tool
from busagents.adapters.memory.store import MemoryStore
from busagents.domain import events as e
from busagents.errors import CallFailed, DefinitionError, TaskCanceled, TaskFailed
from busagents.ports.model import ModelRequest
from busagents.testing import ScriptedModel, call_tools, fail, say
from busagents.testing.scripted_model import Turn
from tests.support.workers import working


@agent("shout")
async def shout(task: FunctionTask) -> str:
    """Answer in capitals."""
    return task.text.upper()


def asking(*inputs: str, tool_name: str = "shout", then: str = "done") -> ScriptedModel:
    """A model that calls the tool once for each input, then answers with the results."""

    def turn(request: ModelRequest) -> Turn:
        results = [part.content for part in request.messages[-1].parts if hasattr(part, "content")]
        return say(f"{then}: {' '.join(results)}") if results else call_tools(*((tool_name, {"input": text}) for text in inputs))

    return ScriptedModel(turn)


async def test_a_participant_is_called_as_a_tool_and_its_answer_is_the_result() -> None:
    boss = Agent("boss", model=asking("hello"), tools=[shout])
    async with working(MemoryStore(), boss, shout) as client:
        task = await client.send("boss", "go")
        assert (await task.result(timeout=10)).text == "done: HELLO"
        facts = [event.type for event in [item async for item in client.history(task.session)] if event.ref.participant == "boss"]
        assert facts == [
            "task.submitted", "task.started", "model.requested", "model.completed", "task.delegated",
            "task.outcome", "model.requested", "model.completed", "task.completed",
        ]  # fmt: skip


async def test_two_calls_to_one_participant_in_a_turn_have_a_thread_each_and_answer_in_the_order_of_the_calls() -> None:
    boss = Agent("boss", model=asking("a", "b", "c"), tools=[shout])
    async with working(MemoryStore(), boss, shout) as client:
        task = await client.send("boss", "go")
        assert (await task.result(timeout=10)).text == "done: A B C"
        replay = await client.replay(task.session)
        assert len([ref for ref in replay.threads if ref.participant == "shout"]) == 3


async def test_a_participant_is_shown_the_callers_conversation_only_if_that_was_asked_for() -> None:
    @agent("echo")
    async def echo(task: FunctionTask) -> str:
        """Repeat."""
        return f"<{task.text}>"

    for share in (False, True):
        boss = Agent("boss", model=asking("repeat this", tool_name="echo"), tools=[echo.as_tool(share_context=share)])
        async with working(MemoryStore(), boss, echo) as client:
            text = (await (await client.send("boss", "a secret plan")).result(timeout=10)).text
            assert ("a secret plan" in text) is share
            assert "repeat this" in text


async def test_a_participant_that_keeps_its_context_remembers_the_earlier_calls_of_this_caller() -> None:
    def counting(request: ModelRequest) -> Turn:
        return say(str(sum(message.role == "user" for message in request.messages)))

    memory = Agent("memory", system="Counts.", model=ScriptedModel(counting))
    for keep, heard in ((True, "1 2"), (False, "1 1")):
        boss = Agent("boss", model=asking("a", "b", tool_name="memory"), tools=[memory.as_tool(preserve_context=keep)])
        async with working(MemoryStore(), boss, memory) as client:
            assert (await (await client.send("boss", "go")).result(timeout=10)).text == f"done: {heard}"


async def test_a_delegate_answers_in_place_of_its_caller() -> None:
    model = ScriptedModel([call_tools(("shout", {"input": "as it is"})), say("never said")])
    async with working(MemoryStore(), Agent("boss", model=model, tools=[shout.as_tool(delegate=True)]), shout) as client:
        assert (await (await client.send("boss", "go")).result(timeout=10)).text == "AS IT IS"


async def test_a_child_that_fails_is_an_error_that_the_caller_is_told_with_its_reason() -> None:
    broken = Agent("broken", system="Fails.", model=ScriptedModel([fail("overloaded", times=None, retry_after=100)]))
    async with working(MemoryStore(), Agent("boss", model=asking("x", tool_name="broken"), tools=[broken]), broken) as client:
        text = (await (await client.send("boss", "go")).result(timeout=10)).text
        assert "broken did not finish: failed (overloaded)" in text


async def test_a_participant_that_was_never_on_the_bus_is_an_error_and_nobody_waits_for_it() -> None:
    ghost = Participant("ghost", description="Nobody.")
    async with working(MemoryStore(), Agent("boss", model=asking("boo", tool_name="ghost"), tools=[ghost])) as client:
        text = (await (await client.send("boss", "go")).result(timeout=10)).text
        assert "no participant 'ghost' was ever on this bus" in text


@pytest.mark.parametrize("arguments", ["not json", "[]", '{"prompt": "x"}', '{"input": ""}', '{"input": 5}'])
async def test_arguments_that_name_no_request_are_told_to_the_model(arguments: str) -> None:
    def turn(request: ModelRequest) -> Turn:
        results = [part.content for part in request.messages[-1].parts if hasattr(part, "content")]
        return say(results[0]) if results else call_tools(("shout", arguments))

    async with working(MemoryStore(), Agent("boss", model=ScriptedModel(turn), tools=[shout]), shout) as client:
        assert "input" in (await (await client.send("boss", "go")).result(timeout=10)).text


async def test_a_chain_of_more_than_ten_participants_is_refused_and_the_error_names_it() -> None:
    def passing_on(request: ModelRequest) -> Turn:
        results = [part.content for part in request.messages[-1].parts if hasattr(part, "content")]
        return say(results[0]) if results else call_tools(("loop", {"input": "go on"}))

    loop = Agent("loop", model=ScriptedModel(passing_on), tools=[Participant("loop", description="Itself.")])
    async with working(MemoryStore(), loop) as client:
        task = await client.send("loop", "go")
        assert "at most 10: loop → loop" in (await task.result(timeout=20)).text
        assert len(await client.tasks(session=task.session)) == 10


async def test_a_cancel_reaches_every_descendant() -> None:
    gate = asyncio.Event()

    @agent("slow", description="Never ends.")
    async def slow(task: FunctionTask) -> str:
        gate.set()
        await asyncio.sleep(3600)
        return "never"

    middle = Agent("middle", system="Passes on.", model=asking("x", tool_name="slow"), tools=[slow])
    top = Agent("top", model=asking("y", tool_name="middle"), tools=[middle])
    async with working(MemoryStore(), top, middle, slow) as client:
        task = await client.send("top", "go")
        await gate.wait()
        await task.cancel("no longer needed")
        with pytest.raises(TaskCanceled, match="no longer needed"):
            await task.result(timeout=10)
        async with asyncio.timeout(10):
            for info in await client.tasks(session=task.session):
                async for _ in (await client.task(info.task)).events():
                    pass
        assert {info.state for info in await client.tasks(session=task.session)} == {"canceled"}


async def test_what_children_used_counts_for_the_caller_and_its_budget_binds_them() -> None:
    eager = Agent("eager", system="Uses tokens.", model=ScriptedModel([say("used", usage=Usage(60, 40))]))

    def turn(request: ModelRequest) -> Turn:
        rounds = sum(message.role == "tool" for message in request.messages)
        return call_tools(("eager", {"input": f"round {rounds}"})) if rounds < 5 else say("done")

    top = Agent("top", model=ScriptedModel(turn), tools=[eager])
    async with working(MemoryStore(), top, eager) as client:
        whole = await (await client.send("top", "go")).result(timeout=10)
        assert whole.usage.total_tokens == 5 * 100 + 6 * 15
        task = await client.send("top", "go", limits=Limits(total_tokens=200))
        with pytest.raises(TaskFailed, match="200 total tokens") as failed:
            await task.result(timeout=10)
        assert failed.value.reason == "limit_total_tokens"
        given = [
            item.event.limits.total_tokens
            async for item in client.history(task.session)
            if isinstance(item.event, e.TaskDelegated) and item.event.limits is not None
        ]
        assert given == [185, 70]


async def test_a_callers_time_binds_its_children() -> None:
    @agent("slow", description="Never ends.")
    async def slow(task: FunctionTask) -> str:
        await asyncio.sleep(3600)
        return "never"

    top = Agent("top", model=asking("x", tool_name="slow"), tools=[slow], limits=Limits(seconds=0.3))
    async with working(MemoryStore(), top, slow) as client:
        with pytest.raises(TaskFailed, match=r"0\.3 seconds") as failed:
            await (await client.send("top", "go")).result(timeout=10)
        assert failed.value.reason == "limit_seconds"


async def test_a_tool_calls_a_participant_once_however_often_it_runs() -> None:
    runs: list[str] = []

    @tool
    async def review(text: str, ctx: ToolContext) -> str:
        """Review."""
        runs.append(text)
        louder = await ctx.call("shout", text)
        return f"{louder}!"

    boss = Agent("boss", model=ScriptedModel([call_tools(("review", {"text": "well"})), say("ok")]), tools=[review])
    async with working(MemoryStore(), boss, shout) as client:
        task = await client.send("boss", "go")
        await task.result(timeout=10)
        assert runs == ["well", "well"]
        results = [item.event.content async for item in client.history(task.session) if isinstance(item.event, e.ToolCompleted)]
        assert results == ["WELL!"]
        assert len([info for info in await client.tasks(session=task.session) if info.ref.participant == "shout"]) == 1


async def test_a_call_that_fails_raises_where_it_was_made() -> None:
    @agent("careful")
    async def careful(task: FunctionTask, ctx: FunctionContext) -> str:
        try:
            return str(await ctx.call("ghost", "boo"))
        except CallFailed as error:
            return f"{error.participant}: {error.reason}"

    async with working(MemoryStore(), careful) as client:
        assert (await (await client.send("careful", "go")).result(timeout=10)).text == "ghost: undeliverable"


def test_a_participant_without_a_description_cannot_be_a_tool() -> None:
    with pytest.raises(DefinitionError, match="description"):
        Agent("quiet").as_tool()
    assert Agent("quiet").as_tool(description="Speaks seldom.").name == "quiet"
