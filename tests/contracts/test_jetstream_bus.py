"""The bus on a real nats-server keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from bus_contract import BusContract, Connect

from busagents.adapters.jetstream.bus import connect_bus
from busagents.ports.log import Bus


class TestJetStreamBus(BusContract):
    """Each bus has a connection of its own."""

    @pytest_asyncio.fixture
    async def connect(self, bus_url: str) -> AsyncIterator[Connect]:
        buses: list[Bus] = []

        async def another(*, ack_wait: float = 10.0) -> Bus:
            buses.append(await connect_bus(bus_url, ack_wait=ack_wait))
            return buses[-1]

        yield another
        for bus in buses:
            await bus.close()
