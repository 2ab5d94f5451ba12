"""What a call over HTTP costs, durable, beside a2a-sdk's own default server: `python -m tests.bench.bench_gateway`.

Ours is the gateway's process before an echo function in a process of its own, on a nats-server: every task is stored, worked on and
stored again before the answer goes out. The SDK's is its default handler and an echo executor in memory, in one process. Both serve
under uvicorn, and raw sockets ask both in turn. Prints one line of JSON: SendMessage per second at 1, 16 and 64 connections; streams of
100 pieces per second (ours joins pieces that come within 30 ms, so streams are compared, not events); and the gateway's memory
before and after `--tasks` more tasks.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from busagents import FunctionTask, agent
from busagents.domain.gateway import Gateway
from busagents.runtime.supervisor.nats_server import NatsServer
from busagents.settings import Durability
from tests.bench import bench_gateway_wire as wire
from tests.bench.system import proportional_set_size_mb
from tests.support.processes import participant

_HERE = Path(__file__)

gateway = Gateway(open_calls=10_000)


@agent("echo", description="Repeats, whole or in pieces.", max_parallel_tasks=256)
async def echo(task: FunctionTask):  # type: ignore[no-untyped-def]
    """`chunks 100` yields a hundred pieces."""
    word, _, number = task.text.partition(" ")
    if word == "chunks":
        for index in range(int(number)):
            yield f"piece {index}"
    else:
        yield word


async def one_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> int:
    """One stream of pieces, read to its end."""
    writer.write(wire.request("SendStreamingMessage", f"chunks {wire.PIECES}", number))
    await reader.readuntil(b"\r\n\r\n")
    last = b""
    while size := int(await reader.readline(), 16):
        last = await reader.readexactly(size + 2)
    await reader.readline()
    assert b"TASK_STATE_COMPLETED" in last, last
    return 1


async def run(seconds: float, tasks: int, durability: Durability = "process") -> dict[str, Any]:
    """All figures."""
    figures: dict[str, Any] = {"durability": durability}
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        server = await stack.enter_async_context(NatsServer(folder, durability=durability))
        await stack.enter_async_context(participant("echo", server.url, file=_HERE, ack_wait=10.0))
        ports = {"ours": _free_port(), "sdk": 0}
        env = {"BUSAGENTS_GATEWAY_PORT": str(ports["ours"])}
        ours = await stack.enter_async_context(participant("gateway", server.url, file=_HERE, ack_wait=10.0, env=env))
        ports["sdk"] = stack.enter_context(_sdk())
        for port in ports.values():
            await wire.until_served(port)
        for name, once, counts in (("send_rps", wire.one_send, (1, 16, 64)), ("streams_per_s", one_stream, (1, 16))):
            for connections in counts:
                for which, port in ports.items():
                    figures[f"{which}_{name}_c{connections}"] = round(await wire.rate(port, once, connections, seconds))
                mine, theirs = (figures[f"{which}_{name}_c{connections}"] for which in ports)
                figures[f"ratio_{name}_c{connections}"] = round(mine / max(theirs, 1), 1)
        figures["gateway_pss_mb"] = round(proportional_set_size_mb(ours.pid), 1)
        await _tasks(ports["ours"], tasks)
        figures[f"gateway_pss_mb_after_{tasks}_tasks"] = round(proportional_set_size_mb(ours.pid), 1)
    return figures


async def _tasks(port: int, count: int) -> None:
    """So many more tasks, 32 at a time."""

    async def client(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
        for number in range(first, count, 32):
            await wire.one_send(reader, writer, number)
        writer.close()

    await asyncio.gather(*(client(first) for first in range(min(32, count))))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _sdk:
    """The SDK's server in a process of its own; its port."""

    def __enter__(self) -> int:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        listener.listen(256)
        port = int(listener.getsockname()[1])
        self._process = multiprocessing.get_context("spawn").Process(target=wire.serve, args=("sdk", listener), daemon=True)
        self._process.start()
        listener.close()
        return port

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure calls over HTTP.")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--tasks", type=int, default=10_000, help="tasks between the two looks at the gateway's memory")
    parser.add_argument("--durability", choices=["process", "power"], default="process")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(run(options.seconds, options.tasks, options.durability))))


if __name__ == "__main__":
    main()
