"""A real nats-server for the run, and buses on it. Tests share the log, so each works in participants and sessions of its own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from busagents.adapters.jetstream.bus import JetStreamBus, connect_bus
from busagents.adapters.jetstream.provision import provision
from busagents.runtime.supervisor.nats_server import NatsServer


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def nats_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """One server on a port of its own, provisioned; it dies with this process, however that ends. Do not kill or fill it."""
    async with NatsServer(tmp_path_factory.mktemp("nats"), durability="process") as server:
        bus = await connect_bus(server.url)
        await provision(bus.client)
        await bus.close()
        yield server


@pytest.fixture
def bus_url(nats_server: NatsServer) -> str:
    """The address of the shared server."""
    return nats_server.url


@pytest_asyncio.fixture
async def bus(bus_url: str) -> AsyncIterator[JetStreamBus]:
    """A connection to the shared, provisioned server."""
    connected = await connect_bus(bus_url)
    yield connected
    await connected.close()


@pytest_asyncio.fixture
async def own_server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A server for one test alone, which may kill, restart or damage it. Not provisioned."""
    async with NatsServer(tmp_path / "own", durability="process") as server:
        yield server


@pytest.fixture
def fresh() -> Callable[[str], str]:
    """Makes names nobody else uses: `fresh("agent")` is a new participant or session each time."""
    return lambda what: f"{what}_{uuid.uuid4().hex[:12]}"
