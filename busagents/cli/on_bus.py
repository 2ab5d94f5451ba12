"""Runs a command's coroutine with a client of the bus it names."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from busagents.runtime.client.client import Client

T = TypeVar("T")


def on_bus(work: Callable[[Client], Awaitable[T]], *, nats: str | None, data_dir: Path | None) -> T:
    """Connect, do the work, disconnect; what the work returns.

    Raises:
        BusUnreachable: see busagents.connect.
    """
    from busagents.bootstrap.connect import connect

    async def run() -> T:
        async with connect(nats, data_dir=data_dir) as client:
            return await work(client)

    return asyncio.run(run())
