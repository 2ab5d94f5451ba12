"""Anything nests in anything, whatever dies on the way: random trees of participants, random deaths, random cancels."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from busagents.adapters.memory.bus import MemoryBus
from busagents.adapters.memory.store import MemoryStore
from busagents.domain import events as e
from busagents.errors import TaskCanceled
from busagents.runtime.client.client import Client
from busagents.runtime.clock import SystemClock
from busagents.runtime.journal import Journal
from tests.coordination.trees import Built, Shape, build, shapes
from tests.support.log_checks import checked_events
from tests.support.mortal import Immortal, leftovers

PATIENCE = 30.0
lives = st.lists(st.integers(1, 12), max_size=3)


async def _run(built: Built, deaths: list[list[int]], cancel_after: int | None) -> tuple[str, list[Immortal]]:
    store = MemoryStore()
    bus = MemoryBus(store)
    client = Client(bus, Journal(bus, SystemClock()))
    running = [
        Immortal(store, definition, list(deaths[number % len(deaths)]) if deaths else [])
        for number, definition in enumerate(built.all)
    ]
    for participant in running:
        await participant.ready()
    try:
        task = await client.send(built.root.name, "go", session="s")
        if cancel_after is not None:
            return await _cancel(client, task, cancel_after), running
        result = await task.result(timeout=PATIENCE)
        await checked_events(client, "s")
        return result.text, running
    finally:
        for participant in running:
            await participant.end()
        for left in (stuck := leftovers()):
            left.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)


async def _cancel(client: Client, task, after: int) -> str:  # type: ignore[no-untyped-def]
    """Cancel once so many entries are stored; wait until everybody has ended."""
    seen = 0
    async for event in client.tail("s"):
        seen += 1
        if seen >= after or (event.task == task.id and isinstance(event.event, e.TERMINAL)):
            break
    await task.cancel("enough")
    try:
        await task.result(timeout=PATIENCE)
        said = "completed"
    except TaskCanceled:
        said = "canceled"
    async with asyncio.timeout(PATIENCE):
        while any(not info.ended_at for info in await client.tasks(session="s")):  # noqa: ASYNC110 - many threads
            await asyncio.sleep(0.01)
    await checked_events(client, "s")
    return said


many = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@many
@given(shapes(), st.lists(lives, max_size=4))
def test_a_random_tree_gives_its_answer_whoever_dies_on_the_way(shape: Shape, deaths: list[list[int]]) -> None:
    built = build(shape)
    answer, _ = asyncio.run(_run(built, deaths, None))
    assert answer == built.answer


@many
@given(shapes(3), st.lists(lives, max_size=2), st.integers(1, 60))
def test_a_cancel_at_a_random_moment_leaves_every_descendant_ended(shape: Shape, deaths: list[list[int]], after: int) -> None:
    asyncio.run(_run(build(shape), deaths, after))


def test_processes_of_these_tests_do_die() -> None:
    built = build(Shape("swarm", (Shape("agent"),)))
    _, running = asyncio.run(_run(built, [[3, 5]], None))
    assert Counter(participant.deaths for participant in running)[0] < len(running)
