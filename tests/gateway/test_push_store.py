"""Push configurations: what one gateway stores, every other sees."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from busagents.adapters.jetstream.bus import JetStreamBus
from busagents.adapters.jetstream.values import JetStreamValues
from busagents.adapters.memory.values import MemoryValues
from busagents.gateway.errors import InvalidParams
from busagents.gateway.push_store import MOST, StoredPush, Values
from busagents.gateway.types import PushConfig

Fresh = Callable[[str], str]


@pytest.fixture(params=["memory", "server"])
def values(request: pytest.FixtureRequest, bus: JetStreamBus, fresh: Fresh) -> Values:
    """Shared values."""
    return MemoryValues() if request.param == "memory" else JetStreamValues(bus.client, fresh("bucket"))


async def test_a_configuration_is_there_until_it_is_deleted(values: Values) -> None:
    one, two = StoredPush(values), StoredPush(values)
    config = await one.put("t", PushConfig("https://example.org/", "mine", token="secret"))
    assert config == PushConfig("https://example.org/", "mine", "t", "secret")
    assert await two.get("t", "mine") == config
    assert await two.list("other") == ()
    await two.delete("t", "mine")
    await two.delete("t", "mine")
    assert await one.get("t", "mine") is None
    assert await one.put("t", config) == config


async def test_the_same_without_an_id_is_stored_once(values: Values) -> None:
    store = StoredPush(values)
    first = await store.put("t", PushConfig("https://example.org/"))
    assert await store.put("t", PushConfig("https://example.org/")) == first
    assert list(await store.list("t")) == [first]


async def test_configurations_that_are_stored_at_once_are_all_kept(values: Values) -> None:
    stores = [StoredPush(values) for _ in range(5)]
    await asyncio.gather(*(store.put("t", PushConfig(f"https://example.org/{n}")) for n, store in enumerate(stores)))
    assert {item.url for item in await stores[0].list("t")} == {f"https://example.org/{n}" for n in range(5)}


async def test_a_task_has_only_so_many(values: Values) -> None:
    store = StoredPush(values)
    for number in range(MOST):
        await store.put("t", PushConfig(f"https://example.org/{number}"))
    with pytest.raises(InvalidParams):
        await store.put("t", PushConfig("https://example.org/more"))
    await store.put("t", PushConfig("https://example.org/0", token="another"))
    await store.clear("t")
    assert await store.list("t") == ()
