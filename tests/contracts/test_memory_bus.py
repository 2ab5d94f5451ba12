"""The bus in memory keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from bus_contract import BusContract, Connect

from busagents.adapters.memory.bus import MemoryBus
from busagents.adapters.memory.store import MemoryStore
from busagents.ports.log import Bus


class TestMemoryBus(BusContract):
    """Several buses on one store stand for several processes."""

    @pytest_asyncio.fixture
    async def connect(self) -> AsyncIterator[Connect]:
        store, buses = MemoryStore(), []

        async def another(*, ack_wait: float = 10.0) -> Bus:
            buses.append(MemoryBus(store, ack_wait=ack_wait))
            return buses[-1]

        yield another
        for bus in buses:
            await bus.close()
