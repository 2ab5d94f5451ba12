"""Runs participants inside the test's own process, on a real bus: the same assembly as `busagents run`, without a supervisor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from busagents.bootstrap.connect import connect
from busagents.bootstrap.kinds import Definition
from busagents.bootstrap.participant import run_participant
from busagents.runtime.client.client import Client


@asynccontextmanager
async def running(url: str, *definitions: Definition) -> AsyncIterator[Client]:
    """Run the participants until the block ends, and give a client of the same bus."""
    stop = asyncio.Event()
    started: list[asyncio.Task[None]] = []
    for definition in definitions:
        ready = asyncio.Event()
        task = asyncio.create_task(run_participant(definition, url, stop=stop, on_ready=lambda _, ready=ready: ready.set()))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            waiting.cancel()
            task.result()
        started.append(task)
    try:
        async with connect(url) as client:
            yield client
    finally:
        stop.set()
        await asyncio.gather(*started)
