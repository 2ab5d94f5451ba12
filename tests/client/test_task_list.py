"""The tasks in the log: listed, found by the beginning of their id, and sent again when they failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from busagents import Agent, DataPart, FunctionTask, Message, TextPart, agent, connect
from busagents.domain.function import Function
from busagents.errors import InvalidInput, NotFound, TaskCanceled, TaskFailed
from busagents.runtime.client.task import Task
from busagents.testing import ScriptedModel, say
from tests.support.participants import running

Fresh = Callable[[str], str]


class Flaky:
    """A participant that fails until it is mended."""

    def __init__(self, name: str) -> None:
        self.broken = True
        self.runs = 0
        self.got: list[Message] = []

        @agent(name)
        async def flaky(task: FunctionTask) -> str:
            self.runs += 1
            self.got.append(task.message)
            if self.broken:
                raise RuntimeError("out of order")
            return "works"

        self.function: Function = flaky


async def failed(task: Task) -> None:
    with pytest.raises(TaskFailed):
        await task.result()


async def test_tasks_are_listed_in_the_order_they_were_sent_with_where_they_are(bus_url: str, fresh: Fresh) -> None:
    flaky = Flaky(fresh("f"))
    agents = (Agent(name := fresh("a"), model=ScriptedModel([say("done")])), flaky.function)
    stuck = Agent(slow := fresh("slow"), model=ScriptedModel([say("never")], latency=3600.0), max_parallel_tasks=1)
    async with running(bus_url, *agents, stuck) as client:
        session = fresh("s")
        done = await client.send(name, "one", session=session)
        await done.result()
        await failed(wrong := await client.send(flaky.function.name, "two", session=session))
        working = await client.send(slow, "three", session=session)
        async for _ in working.events():
            break
        queued = await client.send(slow, "four")
        listed = {info.task: info for info in await client.tasks() if info.task in (done.id, wrong.id, working.id, queued.id)}
        assert list(listed) == [done.id, wrong.id, working.id, queued.id]
        assert [info.state for info in listed.values()] == ["completed", "failed", "working", "submitted"]
        assert [info.attempts for info in listed.values()] == [1, 1, 1, 0]
        assert (listed[done.id].text, listed[done.id].turns, listed[done.id].usage.total_tokens) == ("done", 1, 15)
        assert "out of order" in listed[wrong.id].text
        assert listed[wrong.id].reason
        assert [info.task for info in await client.tasks(session=session)] == [done.id, wrong.id, working.id]
        assert [info.task for info in await client.tasks(participant=slow)] == [working.id, queued.id]
        assert [info.task for info in await client.tasks(participant=slow, session=session)] == [working.id]
        for task in (working, queued):
            await task.cancel()
            with pytest.raises(TaskCanceled):
                await task.result(timeout=30)
        assert {info.state for info in await client.tasks(participant=slow)} == {"canceled"}


async def test_a_task_is_found_by_the_beginning_of_its_id(bus_url: str, fresh: Fresh) -> None:
    async with running(bus_url, Agent(name := fresh("a"), model=ScriptedModel([say("done")]))) as client:
        task = await client.send(name, "one")
        result = await task.result()
        found = await client.task(task.id[:13])
        assert (found.id, found.ref, await found.result()) == (task.id, task.ref, result)
        assert (await client.task_info(task.id[:13])).task == task.id


async def test_no_task_and_several_are_told_apart(bus_url: str, fresh: Fresh) -> None:
    async with running(bus_url, Agent(name := fresh("a"), model=ScriptedModel([say("done")]))) as client:
        firsts: set[str] = set()
        while len(firsts) < 17:  # two of seventeen hexadecimal ids begin with one digit
            task = await client.send(name, "one")
            if task.id[0] in firsts:
                break
            firsts.add(task.id[0])
        with pytest.raises(NotFound, match=r"tasks begin so.*busagents tasks list"):
            await client.task(task.id[0])
        for missing in ("no-such-task", "", "*"):
            with pytest.raises(NotFound, match="no such task"):
                await client.task_info(missing)
        await task.result()


async def test_a_failed_task_is_sent_again_as_it_was_in_its_session(bus_url: str, fresh: Fresh) -> None:
    flaky = Flaky(fresh("f"))
    async with running(bus_url, flaky.function) as client:
        message = Message("user", (TextPart("see "), DataPart({"order": 17}), TextPart("x" * 200_000)))
        await failed(task := await client.send(flaky.function.name, message, metadata={"by": "me"}))
        flaky.broken = False
        again = await client.redrive(task.id)
        assert (await again.result()).text == "works"
        assert again.id != task.id
        assert again.ref == task.ref
        assert flaky.got == [message, message]
        assert (await client.task_info(again.id)).submitted.metadata == {"by": "me"}
        assert [info.state for info in await client.tasks(session=task.session)] == ["failed", "completed"]


async def test_redriven_twice_and_at_once_it_is_one_new_task(bus_url: str, fresh: Fresh) -> None:
    flaky = Flaky(fresh("f"))
    async with running(bus_url, flaky.function) as client, connect(bus_url) as other:
        await failed(task := await client.send(flaky.function.name, "go"))
        flaky.broken = False
        tasks = await asyncio.gather(*(each.redrive(task.id) for each in (client, other, client)))
        assert len({again.id for again in tasks}) == 1
        await tasks[0].result()
        assert (await client.redrive(task.id)).id == tasks[0].id  # it worked: that one is the answer
        assert (await (await client.redrive(task.id)).result()).text == "works"
        assert flaky.runs == 2


async def test_a_redrive_that_fails_too_is_redriven_in_turn(bus_url: str, fresh: Fresh) -> None:
    flaky = Flaky(fresh("f"))
    async with running(bus_url, flaky.function) as client:
        await failed(task := await client.send(flaky.function.name, "go"))
        await failed(second := await client.redrive(task.id))
        await failed(third := await client.redrive(task.id))
        flaky.broken = False
        fourth = await client.redrive(second.id)
        assert len({task.id, second.id, third.id, fourth.id}) == 4
        assert (await fourth.result()).text == "works"
        assert flaky.runs == 4
        assert (await client.redrive(task.id)).id == fourth.id


async def test_a_canceled_task_can_be_redriven(bus_url: str, fresh: Fresh) -> None:
    waiting = asyncio.Event()

    @agent(name := fresh("f"))
    async def patient(task: FunctionTask) -> str:
        await waiting.wait()
        return "done"

    async with running(bus_url, patient) as client:
        task = await client.send(name, "go")
        await task.cancel()
        with pytest.raises(TaskCanceled):
            await task.result(timeout=30)
        waiting.set()
        assert (await (await client.redrive(task.id)).result()).text == "done"


async def test_a_completed_a_running_and_an_unknown_task_are_not_redriven(bus_url: str, fresh: Fresh) -> None:
    slow = Agent(busy := fresh("slow"), model=ScriptedModel([say("never")], latency=3600.0))
    async with running(bus_url, Agent(name := fresh("a"), model=ScriptedModel([say("done")])), slow) as client:
        done, running_task = await client.send(name, "one"), await client.send(busy, "two")
        await done.result()
        for task, state in ((done, "completed"), (running_task, "(submitted|working)")):
            with pytest.raises(InvalidInput, match=f"{task.id} is {state}"):
                await client.redrive(task.id)
        with pytest.raises(NotFound):
            await client.redrive("no-such-task")
        await running_task.cancel()
