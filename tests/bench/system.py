"""A server and agent processes for a benchmark, and the floor: a raw acknowledged publish of nats-py on the same server."""

from __future__ import annotations

import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import nats

from busagents.bootstrap.connect import connect
from busagents.runtime.client.client import Client
from busagents.runtime.supervisor.nats_server import NatsServer
from busagents.settings import Durability
from tests.support.processes import ParticipantProcess, participant

AGENTS = Path(__file__).with_name("bench_agents.py")
TEAMS = Path(__file__).with_name("bench_teams.py")
_BODY = b"x" * 500


class System(msgspec.Struct):
    """What a benchmark works with."""

    server: NatsServer
    client: Client
    processes: list[ParticipantProcess]


@asynccontextmanager
async def system(names: list[str], *, durability: Durability = "process", teams: bool = False) -> AsyncIterator[System]:
    """A fresh server and one process per name of bench_agents, or of bench_teams."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = await stack.enter_async_context(NatsServer(folder, durability=durability))
        client = await stack.enter_async_context(connect(server.url))
        processes = [
            await stack.enter_async_context(participant(name, server.url, file=TEAMS if teams else AGENTS, ack_wait=10.0))
            for name in names
        ]
        yield System(server, client, processes)


async def floor_ms(server: NatsServer, count: int) -> list[float]:
    """Milliseconds of acknowledged raw publishes, on a stream of their own beside ours."""
    connection = await nats.connect(server.url)
    stream = connection.jetstream()
    await stream.add_stream(name="FLOOR", subjects=["floor.>"])
    subject = f"floor.{uuid.uuid4().hex}"
    taken = await timed(count, lambda: stream.publish(subject, _BODY, headers={"Nats-Msg-Id": str(uuid.uuid4())}))
    await connection.close()
    return taken


async def timed(count: int, work: Callable[[], Awaitable[Any]]) -> list[float]:
    """Milliseconds of each of `count` calls in a row."""
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def p50(values: list[float]) -> float:
    """The median."""
    return statistics.median(values)


def proportional_set_size_mb(pid: int) -> float:
    """Memory of a process in MB, shared pages divided by those who share them (PSS)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("the kernel reports no Pss")
