"""Gateways in the test's own process: each `gateway` block is what a gateway's process is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from busagents.adapters.memory.bus import MemoryBus
from busagents.adapters.memory.store import MemoryStore
from busagents.bootstrap.gateway_bus import BusOfGateway
from busagents.bootstrap.kinds import Definition
from busagents.gateway.exposure import Exposure
from busagents.gateway.index import TaskIndex
from busagents.gateway.log_service import LogService
from busagents.gateway.push_store import PushStore
from busagents.gateway.types import Message, Part, SendRequest
from busagents.ports.log import Bus
from tests.support.workers import working


@asynccontextmanager
async def gateway(
    bus: Bus, *, only: Collection[str] | None = None, by_message: Collection[str] = (), push: PushStore | None = None
) -> AsyncIterator[LogService]:
    """A gateway's service on a connection of its own."""
    seen = BusOfGateway(bus)
    index = TaskIndex(seen)
    try:
        yield LogService(seen, index, Exposure(seen, only=only, by_message=by_message), push=push)
    finally:
        await index.close()
        await seen.close()
        await bus.close()


@asynccontextmanager
async def serving(
    *definitions: Definition, by_message: Collection[str] = (), store: MemoryStore | None = None
) -> AsyncIterator[LogService]:
    """Participants on a bus in memory, and a gateway to them."""
    store = store or MemoryStore()
    async with working(store, *definitions), gateway(MemoryBus(store), by_message=by_message) as service:
        yield service


def asks(
    text: str,
    *,
    context: str = "",
    task: str = "",
    key: str = "",
    history: int | None = None,
    at_once: bool = False,
    parts: tuple[Part, ...] = (),
    message_id: str = "m-1",
) -> SendRequest:
    """A request of one text, or of `parts`."""
    message = Message(message_id, "user", parts or (Part(text=text),), context, task)
    return SendRequest(message, history_length=history, return_immediately=at_once, idempotency_key=key)
