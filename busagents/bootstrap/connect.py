"""`busagents.connect()`: a Python program's way onto the bus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from busagents.adapters.jetstream.bus import connect_bus
from busagents.bootstrap.connection import find_connection
from busagents.runtime.client.client import Client
from busagents.runtime.clock import SystemClock
from busagents.runtime.journal import Journal


@asynccontextmanager
async def connect(nats: str | None = None, *, data_dir: Path | None = None) -> AsyncIterator[Client]:
    """Connect to the bus: the server at URL `nats`, else the running `busagents up` here or above, else BUSAGENTS_NATS_URL.

    Raises:
        BusUnreachable: none of them answers.
    """
    where = find_connection(nats, data_dir)
    bus = await connect_bus(where.url, user=where.user, password=where.password, name="busagents-client")
    client = Client(bus, Journal(bus, SystemClock()))
    try:
        yield client
    finally:
        await client.close()
