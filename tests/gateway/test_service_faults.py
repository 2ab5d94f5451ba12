"""What a caller sees when processes die: the stream goes on, and ends with the whole answer."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from busagents.adapters.jetstream.bus import connect_bus
from busagents.gateway.types import ArtifactUpdate, Caller, StreamItem, Task
from tests.support.a2a_reader import applied
from tests.support.fault_agents import TEXT
from tests.support.forked import Forks, place
from tests.support.gateways import asks, gateway

ANN = Caller("ann")


@pytest_asyncio.fixture
async def forks(tmp_path: Path) -> AsyncIterator[Forks]:
    """A place of its own for the test's processes."""
    folder = tmp_path / "faults"
    folder.mkdir()
    async with place(tmp_path / "place") as opened:
        started = Forks(opened, "tests.support.fault_agents", {"FAULT_DIR": str(folder)})
        yield started
        await started.end_all()


def shows_text(item: StreamItem) -> bool:
    return isinstance(item.update, ArtifactUpdate) and not item.place


async def test_a_stream_goes_on_when_the_agent_is_killed_in_the_middle_of_its_answer(forks: Forks) -> None:
    await forks.start("slow")
    async with gateway(await connect_bus(forks.place.server.url)) as service:
        items: list[StreamItem] = []
        async for item in service.stream(ANN, "slow", asks("go")):
            items.append(item)
            if sum(map(shows_text, items)) == 3 and not forks.kills("slow"):
                await forks.signal("slow", signal.SIGKILL)
        task = await service.get(ANN, items[0].update.id)
    assert forks.kills("slow") == 1
    assert (applied(items).status, applied(items).artifacts) == (task.status, task.artifacts)
    assert [part.text for artifact in task.artifacts or () for part in artifact.parts] == [TEXT]
    places = [item.place for item in items if item.place]
    assert len(places) == len(set(places))


async def test_readers_of_a_gateway_that_goes_go_on_at_another_with_each_event_once(forks: Forks) -> None:
    await forks.start("slow")
    url = forks.place.server.url
    async with gateway(await connect_bus(url)) as other:
        async with gateway(await connect_bus(url)) as first:

            async def begin(number: int) -> list[StreamItem]:
                seen = []
                async for item in first.stream(ANN, "slow", asks(f"go {number}")):
                    seen.append(item)
                    if sum(map(shows_text, seen)) == 2:
                        break
                return seen

            begun = await asyncio.gather(*(begin(number) for number in range(10)))

        async def go_on(seen: list[StreamItem]) -> None:
            assert isinstance(seen[0].update, Task)
            last = [item.place for item in seen if item.place][-1]
            rest = [item async for item in other.subscribe(ANN, seen[0].update.id, after=last)]
            places = [item.place for item in (*seen, *rest[1:]) if item.place]
            assert len(places) == len(set(places)) == 4  # the task, working, the answer, completed
            task = await other.get(ANN, seen[0].update.id)
            assert (applied(rest).status, applied(rest).artifacts) == (task.status, task.artifacts)
            assert task.status.state == "completed"

        await asyncio.gather(*map(go_on, begun))
