"""FAULTS row 35, for one caller's key: a send that is repeated is the same task."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from busagents import Agent, FunctionTask, agent, connect
from busagents.domain.function import Function
from busagents.errors import InvalidInput
from busagents.testing import ScriptedModel, say
from tests.support.participants import running

Fresh = Callable[[str], str]


def counting(name: str, runs: Counter[str]) -> Function:
    @agent(name)
    async def count(task: FunctionTask) -> str:
        runs[task.text] += 1
        return f"{task.text}, run {runs[task.text]}"

    return count


async def test_the_same_key_twice_at_once_from_two_connections_is_one_task(bus_url: str, fresh: Fresh) -> None:
    runs: Counter[str] = Counter()
    async with running(bus_url, counting(name := fresh("f"), runs)) as client, connect(bus_url) as other:
        sends = [sender.send(name, "order 17", idempotency_key="17") for sender in (client, other, client, other)]
        tasks = await asyncio.gather(*sends)
        results = await asyncio.gather(*(task.result() for task in tasks))
        assert {(result.task, result.text) for result in results} == {(tasks[0].id, "order 17, run 1")}
        assert len(await client.tasks(participant=name)) == 1
    assert runs == {"order 17": 1}


async def test_the_same_key_after_the_first_ended_gives_its_result_at_once(bus_url: str, fresh: Fresh) -> None:
    runs: Counter[str] = Counter()
    async with running(bus_url, counting(name := fresh("f"), runs)) as client:
        first = await (await client.send(name, "order 17", idempotency_key="17")).result()
        again = await client.send(name, "order 17", idempotency_key="17")
        assert await again.result() == first
        assert "".join([piece async for piece in again.text()]) == "order 17, run 1"
    assert runs == {"order 17": 1}


async def test_the_same_key_while_the_first_is_at_work_follows_it(bus_url: str, fresh: Fresh) -> None:
    model = ScriptedModel([say("one answer")], chunk_chars=3, chunk_delay=0.02)
    async with running(bus_url, Agent(name := fresh("a"), model=model)) as client:
        first = await client.send(name, "go", idempotency_key="k")
        async for _ in first.events():
            break  # it has started
        again = await client.send(name, "go", idempotency_key="k")
        assert "".join([piece async for piece in again.text()]) == "one answer"
        assert again.id == first.id


async def test_another_participant_session_or_key_is_another_task(bus_url: str, fresh: Fresh) -> None:
    runs: Counter[str] = Counter()
    names = fresh("f"), fresh("g")
    async with running(bus_url, *(counting(name, runs) for name in names)) as client:
        session = fresh("s")
        tasks = [
            await client.send(names[0], "x", idempotency_key="k"),
            await client.send(names[1], "x", idempotency_key="k"),
            await client.send(names[0], "x", idempotency_key="k", session=session),
            await client.send(names[0], "x", idempotency_key="k", session=session, thread="aside"),
            await client.send(names[0], "x", idempotency_key="K", session=session),
        ]
        for task in tasks:
            await task.result()
    assert len({task.id for task in tasks}) == 5
    assert runs == {"x": 5}


async def test_without_a_key_two_equal_sends_are_two_tasks(bus_url: str, fresh: Fresh) -> None:
    runs: Counter[str] = Counter()
    async with running(bus_url, counting(name := fresh("f"), runs)) as client:
        session = fresh("s")
        results = [await (await client.send(name, "x", session=session)).result() for _ in range(2)]
    assert [result.text for result in results] == ["x, run 1", "x, run 2"]


@pytest.mark.parametrize(("key", "why"), [("", "empty"), (" \n", "empty"), ("\udcff", "Unicode")])
async def test_a_key_that_can_name_nothing_is_refused(bus_url: str, fresh: Fresh, key: str, why: str) -> None:
    async with running(bus_url, counting(name := fresh("f"), Counter())) as client:
        with pytest.raises(InvalidInput, match=why):
            await client.send(name, "x", idempotency_key=key)
        assert await client.tasks(participant=name) == []


async def test_any_other_text_is_a_key(bus_url: str, fresh: Fresh) -> None:
    async with running(bus_url, counting(name := fresh("f"), Counter())) as client:
        keys = ["a b", "a.b", "ü", "*", ">", "x" * 10_000, "\x00"]
        tasks = [await client.send(name, "x", idempotency_key=key) for key in keys]
        assert len({(await task.result()).task for task in tasks}) == len(keys)
