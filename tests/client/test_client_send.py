"""A task from a Python program: sent, watched, awaited, canceled, and refused before it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from busagents import Agent, Artifact, FunctionTask, Limits, Message, Progress, TextPart, agent, tool
from busagents.domain.messages import Usage, assistant
from busagents.errors import InvalidInput, InvalidName, NotFound, TaskCanceled, TaskFailed, TaskTimeout
from busagents.ports.model import ModelRequest
from busagents.runtime.client.submission import MAX_PROMPT
from busagents.runtime.client.task import Task
from busagents.runtime.client.task_event import TaskEvent
from busagents.runtime.performer import Delta
from busagents.testing import ScriptedModel, call_tools, fail, say
from busagents.testing.scripted_model import Turn
from tests.support.participants import running

Fresh = Callable[[str], str]


def count_words(request: ModelRequest) -> Turn:
    """Answers with what it was told in this session so far."""
    return say(" | ".join(message.text for message in request.messages if message.role == "user"))


async def events_of(task: Task) -> list[TaskEvent]:
    return [event async for event in task.events()]


@tool(read_only=True)
async def double(number: int) -> int:
    """Double a number."""
    return 2 * number


async def test_a_result_has_the_answer_its_usage_and_where_it_belongs(bus_url: str, fresh: Fresh) -> None:
    async with running(bus_url, Agent(name := fresh("a"), model=ScriptedModel([say("six")]))) as client:
        task = await client.send(name, "three twice?", session=(session := fresh("s")))
        result = await task.result()
        assert (result.text, result.task, result.session) == ("six", task.id, session)
        assert result.usage.total_tokens == 15
        assert (result.output, result.artifacts) == (None, ())
        assert await task.result() == result  # as often as wanted


async def test_events_are_the_recorded_facts_of_this_task_in_order_for_every_reader(bus_url: str, fresh: Fresh) -> None:
    model = ScriptedModel([call_tools(("double", {"number": 3})), say("six")])
    async with running(bus_url, Agent(name := fresh("a"), model=model, tools=[double])) as client:
        other = await client.send(name, "another one", session=(session := fresh("s")))
        task = await client.send(name, "three twice?", session=session)
        readers = await asyncio.gather(*(events_of(task) for _ in range(3)))
        late = await events_of(await client.task(task.id))
        await other.result()
    assert readers[0] == readers[1] == readers[2] == late
    assert [event.type for event in late] == [
        "task.started",
        "model.requested",
        "model.completed",
        "tool.started",
        "tool.completed",
        "model.requested",
        "model.completed",
        "task.completed",
    ]
    assert {event.task for event in late} == {task.id}
    assert [event.seq for event in late] == sorted(event.seq for event in late)


async def test_text_is_what_the_model_wrote_over_all_its_turns(bus_url: str, fresh: Fresh) -> None:
    model = ScriptedModel([call_tools(("double", {"number": 3}), text="Let me see."), say("It is six.")], chunk_chars=2)
    async with running(bus_url, Agent(name := fresh("a"), model=model, tools=[double])) as client:
        task = await client.send(name, "three twice?")
        assert "".join([piece async for piece in task.text()]) == "Let me see.\n\nIt is six."
        assert "".join([piece async for piece in task.text()]) == "Let me see.\n\nIt is six."  # again, from the log alone


async def test_text_comes_while_the_model_still_writes(bus_url: str, fresh: Fresh) -> None:
    read = asyncio.Event()

    class Waits(ScriptedModel):
        async def stream(self, request):  # type: ignore[no-untyped-def]
            async for chunk in super().stream(request):
                yield chunk
                await read.wait()

    async with running(bus_url, Agent(name := fresh("a"), model=Waits([say("one two")], chunk_chars=4))) as client:
        pieces = []
        async for piece in (await client.send(name, "count")).text():
            pieces.append(piece)
            read.set()
    assert pieces[0] == "one "
    assert "".join(pieces) == "one two"


async def test_a_function_gives_text_progress_and_artifacts(bus_url: str, fresh: Fresh) -> None:
    seen = asyncio.Event()

    @agent(name := fresh("f"))
    async def report(task: FunctionTask):  # type: ignore[no-untyped-def]
        yield Progress("half way")
        await seen.wait()
        yield f"about {task.text}"
        yield Artifact("notes.txt", (TextPart("some notes"),))

    async with running(bus_url, report) as client:
        task = await client.send(name, "rain")
        async for item in task.stream():
            if isinstance(item, Delta) and item.progress == "half way":
                seen.set()
        result = await task.result()
        assert "".join([piece async for piece in task.text()]) == "about rain"
    assert result.text == "about rain"
    assert [(item.name, item.parts) for item in result.artifacts] == [("notes.txt", (TextPart("some notes"),))]


async def test_a_session_goes_on_where_it_was_and_another_one_knows_nothing_of_it(bus_url: str, fresh: Fresh) -> None:
    async with running(bus_url, Agent(name := fresh("a"), model=ScriptedModel(count_words))) as client:
        first = await (await client.send(name, "one")).result()
        again = await (await client.send(name, "two", session=first.session)).result()
        other = await (await client.send(name, "three")).result()
        aside = await (await client.send(name, "four", session=first.session, thread="aside")).result()
    assert (first.text, again.text, other.text, aside.text) == ("one", "one | two", "three", "four")
    assert first.session == again.session == aside.session != other.session


async def test_two_tasks_at_once_in_one_session_are_done_one_after_the_other(bus_url: str, fresh: Fresh) -> None:
    async with running(bus_url, Agent(name := fresh("a"), model=ScriptedModel(count_words))) as client:
        session = fresh("s")
        tasks = [await client.send(name, str(number), session=session) for number in range(5)]
        results = await asyncio.gather(*(task.result() for task in tasks))
    assert [result.text for result in results] == ["0", "0 | 1", "0 | 1 | 2", "0 | 1 | 2 | 3", "0 | 1 | 2 | 3 | 4"]


async def test_a_message_of_several_parts_and_a_prompt_of_300_kilobytes_arrive_whole(bus_url: str, fresh: Fresh) -> None:
    async with running(bus_url, Agent(name := fresh("a"), model=ScriptedModel(count_words))) as client:
        message = Message("user", (TextPart("first, "), TextPart("second")))
        assert (await (await client.send(name, message)).result()).text == "first, second"
        long = "grüße " * 50_000
        task = await client.send(name, long)
        assert (await task.result()).text == long
        assert (await client.task_info(task.id)).submitted.prompt.text == long
        assert "".join([piece async for piece in task.text()]) == long


async def test_metadata_is_kept_with_the_request(bus_url: str, fresh: Fresh) -> None:
    async with running(bus_url, Agent(name := fresh("a"), model=ScriptedModel([say("ok")]))) as client:
        task = await client.send(name, "hello", metadata={"order": 17, "tags": ["a", "b"]})
        await task.result()
        assert (await client.task_info(task.id)).submitted.metadata == {"order": 17, "tags": ["a", "b"]}


async def test_limits_of_a_task_are_tighter_than_the_agents_and_never_wider(bus_url: str, fresh: Fresh) -> None:
    model = ScriptedModel(lambda request: call_tools(("double", {"number": 1})))
    async with running(bus_url, Agent(name := fresh("a"), model=model, tools=[double], limits=Limits(turns=3))) as client:
        for asked, allowed in ((2, 2), (100, 3)):
            task = await client.send(name, "go on for ever", limits=Limits(turns=asked))
            with pytest.raises(TaskFailed, match=f"limit of {allowed} turns") as failed:
                await task.result()
            assert failed.value.reason == "limit_turns"
            assert (await client.task_info(task.id)).turns == allowed


async def test_a_failed_task_raises_with_the_recorded_reason(bus_url: str, fresh: Fresh) -> None:
    model = ScriptedModel([fail("bad_key", retry_after=3600.0)])
    async with running(bus_url, Agent(name := fresh("a"), model=model)) as client:
        task = await client.send(name, "hello", session=(session := fresh("s")))
        with pytest.raises(TaskFailed, match="bad_key") as failed:
            await task.result()
        assert (failed.value.task, failed.value.session, failed.value.reason) == (task.id, session, "bad_key")
        with pytest.raises(TaskFailed):
            async for _ in task.text():
                pass
        assert [event.type async for event in task.events()][-1] == "task.failed"  # events() tells, and does not raise


async def test_a_timeout_names_the_task_which_goes_on(bus_url: str, fresh: Fresh) -> None:
    gate = asyncio.Event()

    @agent(name := fresh("f"))
    async def gated(task: FunctionTask) -> str:
        await gate.wait()
        return "done"

    async with running(bus_url, gated) as client:
        task = await client.send(name, "hello")
        with pytest.raises(TaskTimeout, match=f"goes on.*{task.id}") as late:
            await task.result(timeout=0.05)
        assert (late.value.task, late.value.session) == (task.id, task.session)
        gate.set()
        assert (await task.result(timeout=30)).text == "done"


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
async def test_a_timeout_that_is_no_time_is_refused(bus_url: str, fresh: Fresh, seconds: float) -> None:
    async with running(bus_url, Agent(name := fresh("a"), model=ScriptedModel([say("ok")]))) as client:
        task = await client.send(name, "hello")
        with pytest.raises(InvalidInput, match="timeout"):
            await task.result(timeout=seconds)


async def test_cancel_ends_the_task_and_the_session_goes_on(bus_url: str, fresh: Fresh) -> None:
    model = ScriptedModel([say("never", usage=Usage())], latency=3600.0)
    async with running(bus_url, Agent(name := fresh("a"), model=model)) as client:
        task = await client.send(name, "hello")
        await task.cancel("changed my mind")
        await task.cancel("changed my mind")
        with pytest.raises(TaskCanceled, match="changed my mind"):
            await task.result(timeout=30)
        events = [event.type async for event in client.history(task.session)]
        assert events.count("task.cancel") == 1
        assert events.count("task.canceled") == 1


async def test_a_cancel_after_the_end_changes_nothing(bus_url: str, fresh: Fresh) -> None:
    async with running(bus_url, Agent(name := fresh("a"), model=ScriptedModel([say("done")]))) as client:
        task = await client.send(name, "hello")
        await task.result()
        await task.cancel()
        assert (await (await client.send(name, "again", session=task.session)).result()).text == "done"
        assert (await (await client.task(task.id)).result()).text == "done"


async def test_a_cancel_that_cannot_be_written_down_is_refused(bus_url: str, fresh: Fresh) -> None:
    async with running(bus_url, Agent(name := fresh("a"), model=ScriptedModel([say("done")]))) as client:
        task = await client.send(name, "hello")
        with pytest.raises(InvalidInput, match="Unicode"):
            await task.cancel("\udcff")
        assert (await task.result()).text == "done"


async def test_an_unknown_participant_is_not_found_and_the_closest_live_one_is_named(bus_url: str, fresh: Fresh) -> None:
    async with running(bus_url, Agent(name := fresh("librarian"), model=ScriptedModel([say("ok")]))) as client:
        with pytest.raises(NotFound, match=f"did you mean '{name}'"):
            await client.send(name[:-1], "hello")
        with pytest.raises(NotFound, match="live now: "):
            await client.send("zzzzzz", "hello")


@pytest.mark.parametrize("name", ["", "two words", "dots.in.it", "*", ">", "ü", "a" * 65, "\udcff", "a\n"])
async def test_a_name_no_subject_can_hold_is_refused_wherever_it_stands(bus_url: str, fresh: Fresh, name: str) -> None:
    async with running(bus_url, Agent(good := fresh("a"), model=ScriptedModel([say("ok")]))) as client:
        for send in (
            client.send(name, "hello"),
            client.send(good, "hello", session=name),
            client.send(good, "hello", thread=name),
            client.replay(name),
            client.tasks(session=name),
            client.tasks(participant=name),
            anext(client.history(name)),
            anext(client.tail(name)),
        ):
            with pytest.raises(InvalidName, match="for example"):
                await send
        assert await client.tasks(participant=good) == []


@pytest.mark.parametrize(
    ("prompt", "why"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        (Message("user", ()), "empty"),
        ("x" * (MAX_PROMPT + 1), str(MAX_PROMPT)),
        ("\udcff", "Unicode"),
        (assistant("I am the agent"), "assistant"),
        (17, "int"),
    ],
    ids=["empty", "blank", "no-parts", "over-long", "not-Unicode", "not-the-user", "not-text"],
)
async def test_a_prompt_nobody_can_work_on_is_refused_before_it_is_stored(
    bus_url: str, fresh: Fresh, prompt: str | Message, why: str
) -> None:
    async with running(bus_url, Agent(name := fresh("a"), model=ScriptedModel([say("ok")]))) as client:
        with pytest.raises(InvalidInput, match=why):
            await client.send(name, prompt)
        assert await client.tasks(participant=name) == []


async def test_metadata_that_is_no_json_is_refused(bus_url: str, fresh: Fresh) -> None:
    async with running(bus_url, Agent(name := fresh("a"), model=ScriptedModel([say("ok")]))) as client:
        endless: dict[str, object] = {}
        endless["self"] = endless
        for metadata in ({"x": object()}, {"x": "\udcff"}, endless):
            with pytest.raises(InvalidInput):
                await client.send(name, "hello", metadata=metadata)
        assert await client.tasks(participant=name) == []


async def test_agents_are_those_that_are_live_now(bus_url: str, fresh: Fresh) -> None:
    name = fresh("a")
    async with running(bus_url, Agent(name, model=ScriptedModel([say("ok")]), description="Says ok.")) as client:
        [mine] = [item for item in await client.agents() if item.name == name]
        assert (mine.description, mine.metadata) == ("Says ok.", {"model": "scripted:test", "kind": "agent"})
        async with running(bus_url, Agent(name, model=ScriptedModel([say("ok")]))):
            assert len([item for item in await client.agents() if item.name == name]) == 2
        assert len([item for item in await client.agents() if item.name == name]) == 1
