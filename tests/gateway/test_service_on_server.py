"""The gateway's operations on a real server, where two gateways are two connections."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from busagents import Agent, tool
from busagents.adapters.jetstream.bus import connect_bus
from busagents.domain.person import Person
from busagents.gateway.errors import InvalidParams
from busagents.gateway.types import Caller, ListRequest, Task
from busagents.testing import ScriptedModel, call_tools, say
from tests.support.a2a_reader import applied
from tests.support.gateways import asks, gateway
from tests.support.participants import running

Fresh = Callable[[str], str]
ANN = Caller("ann")


@tool(read_only=True)
async def double(number: int) -> int:
    """Double a number."""
    return 2 * number


async def test_what_one_gateway_streams_another_goes_on_with(bus_url: str, fresh: Fresh) -> None:
    model = ScriptedModel([call_tools(("double", {"number": 3}), text="Let me see."), say("It is six.")], chunk_chars=3)
    definition = Agent(name := fresh("a"), model=model, tools=[double])
    async with (
        running(bus_url, definition),
        gateway(await connect_bus(bus_url)) as one,
        gateway(await connect_bus(bus_url)) as two,
    ):
        items = [item async for item in one.stream(ANN, name, asks("three twice?"))]
        task = await two.get(ANN, items[0].update.id)
        assert (applied(items).status, applied(items).artifacts) == (task.status, task.artifacts)
        for item in items[:-1]:
            if item.place:
                again = [after async for after in two.subscribe(ANN, task.id, after=item.place)]
                assert (applied(again).status, applied(again).artifacts) == (task.status, task.artifacts)
        (listed,) = (await two.list(ANN, ListRequest(context_id=task.context_id))).tasks
        assert (listed.id, listed.status) == (task.id, task.status)


async def test_a_question_is_asked_by_one_gateway_and_answered_by_another(bus_url: str, fresh: Fresh) -> None:
    async with (
        running(bus_url, Person(name := fresh("person"))),
        gateway(await connect_bus(bus_url)) as one,
        gateway(await connect_bus(bus_url)) as two,
    ):
        asking = await one.send(ANN, name, asks("how much?"))
        assert isinstance(asking, Task)
        assert asking.status.state == "input-required"
        done = await two.send(ANN, "", asks("three", task=asking.id))
        assert isinstance(done, Task)
        assert done.status.state == "completed"
        assert await one.get(ANN, asking.id) == done


async def test_a_key_is_known_to_every_gateway(bus_url: str, fresh: Fresh) -> None:
    model = ScriptedModel([say("six")])
    async with (
        running(bus_url, Agent(name := fresh("a"), model=model)),
        gateway(await connect_bus(bus_url)) as one,
        gateway(await connect_bus(bus_url)) as two,
    ):
        first = await one.send(ANN, name, asks("three twice?", key="k"))
        assert await two.send(ANN, name, asks("three twice?", key="k")) == first
        with pytest.raises(InvalidParams):
            await two.send(ANN, name, asks("four twice?", key="k"))
