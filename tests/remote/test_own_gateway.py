"""One system's agent as another system's remote agent: our client against our gateway, over sockets and a real server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from busagents import FunctionContext, FunctionTask, RemoteAgent, agent
from busagents.adapters.jetstream.bus import connect_bus
from busagents.adapters.memory.store import MemoryStore
from busagents.bootstrap.gateway import run_gateway
from busagents.domain.gateway import Gateway
from busagents.errors import TaskCanceled, TaskFailed
from tests.support.workers import process, working

PATIENCE = 20.0
Named = Callable[[str], str]


class There:
    """The other system: a participant, and the gateway's address of it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.heard: list[str] = []
        self.stopped = asyncio.Event()


@pytest_asyncio.fixture
async def there(bus_url: str, fresh: Named) -> AsyncIterator[There]:
    """A system behind a gateway."""
    name = fresh("worker")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    system = There(f"http://127.0.0.1:{port}/agents/{name}")

    @agent(name, description="Does as it is told.")
    async def worker(task: FunctionTask, ctx: FunctionContext) -> AsyncIterator[str]:
        system.heard.append(task.text)
        word, _, rest = task.text.partition(" ")
        match word:
            case "ask":
                yield f"heard {await ctx.ask(rest)}"
            case "wait":
                try:
                    await asyncio.sleep(3600)
                finally:
                    system.stopped.set()
            case "fail":
                raise ValueError(rest)
            case _:
                for piece in rest.split():
                    yield f"{piece} "

    ready, stop = asyncio.Event(), asyncio.Event()
    definition = Gateway(fresh("gateway"), port=port, expose=[name])
    async with process(await connect_bus(bus_url), worker):
        gateway = asyncio.create_task(run_gateway(definition, bus_url, stop=stop, on_ready=lambda _: ready.set()))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({gateway, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if gateway.done():
            gateway.result()
        yield system
        stop.set()
        with contextlib.suppress(asyncio.CancelledError):
            await gateway


def remote(there: There) -> RemoteAgent:
    return RemoteAgent("helper", card_url=there.url, description="Helps.")


async def test_it_answers_and_its_text_is_seen_as_it_comes(there: There) -> None:
    async with working(MemoryStore(), remote(there)) as client:
        task = await client.send("helper", "say one two three")
        async with asyncio.timeout(PATIENCE):
            assert "".join([piece async for piece in task.text()]) == "one two three "
        assert (await task.result(timeout=PATIENCE)).text == "one two three "
        assert there.heard == ["say one two three"]


async def test_what_it_asks_is_asked_here_and_answered_there(there: There) -> None:
    async with working(MemoryStore(), remote(there)) as client:
        task = await client.send("helper", "ask Which colour?")
        async with asyncio.timeout(PATIENCE):
            question = await task.question()
        assert question is not None
        assert question.text == "Which colour?"
        await task.reply("green")
        assert (await task.result(timeout=PATIENCE)).text == "heard green"


async def test_a_failure_there_is_one_here(there: There) -> None:
    async with working(MemoryStore(), remote(there)) as client:
        with pytest.raises(TaskFailed, match="the disk is full") as failed:
            await (await client.send("helper", "fail the disk is full")).result(timeout=PATIENCE)
        assert failed.value.reason == "remote_failed"


async def test_a_cancel_here_stops_it_there(there: There) -> None:
    async with working(MemoryStore(), remote(there)) as client:
        task = await client.send("helper", "wait")
        async with asyncio.timeout(PATIENCE):
            async for event in task.events():
                if event.type == "tool.completed":
                    break
        await task.cancel()
        with pytest.raises(TaskCanceled):
            await task.result(timeout=PATIENCE)
        async with asyncio.timeout(PATIENCE):
            await there.stopped.wait()
