"""What a durable append costs above the client's own acknowledged publish: `python -m tests.bench.bench_append`.

Prints one line of JSON: {"floor_us", "append_us", "ratio", "n", "durability"}. The floor is nats-py's `js.publish` with the
same headers, on the same server, in the same run. Rounds of both alternate, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
import uuid
from typing import Any

from busagents.adapters.jetstream.bus import JetStreamBus, connect_bus
from busagents.adapters.jetstream.provision import provision
from busagents.domain.subjects import STREAM, ThreadRef, log_subject
from busagents.runtime.supervisor.nats_server import NatsServer
from busagents.settings import Durability

_BODY = b'{"v":1,"events":[{"type":"model.completed","data":"' + b"x" * 450 + b'"}]}'
_ROUND = 50  # appends
_TYPES = "model.completed,tool.started"


async def measure(url: str, n: int) -> tuple[float, float]:
    """Median microseconds of a raw publish and of an append, `n` of each, on a provisioned server."""
    bus = await connect_bus(url)
    ours, raw = ThreadRef("bench", uuid.uuid4().hex), ThreadRef("raw", uuid.uuid4().hex)
    floor: list[float] = []
    append: list[float] = []
    head = raw_head = 0
    await _append_round(bus, ours, 0, 1)
    head = (await bus.log.head(ours)).position  # type: ignore[union-attr]  # it was just appended
    for _ in range(max(1, n // _ROUND)):
        count = min(_ROUND, n)
        taken, raw_head = await _raw_round(bus, raw, raw_head, count)
        floor += taken
        taken, head = await _append_round(bus, ours, head, count)
        append += taken
    await bus.close()
    return statistics.median(floor), statistics.median(append)


async def _raw_round(bus: JetStreamBus, ref: ThreadRef, head: int, count: int) -> tuple[list[float], int]:
    publish = bus.client.jetstream().publish
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        headers = {
            "Nats-Expected-Last-Subject-Sequence": str(head),
            "Nats-Msg-Id": str(uuid.uuid4()),
            "Nats-Expected-Stream": STREAM,
            "Busagents-Type": _TYPES,
        }
        head = (await publish(log_subject(ref, "ev"), _BODY, timeout=5, headers=headers)).seq
        taken.append((time.perf_counter() - started) * 1e6)
    return taken, head


async def _append_round(bus: JetStreamBus, ref: ThreadRef, head: int, count: int) -> tuple[list[float], int]:
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        head = await bus.log.append(ref, _BODY, entry_id=str(uuid.uuid4()), head=head, types=_TYPES)
        taken.append((time.perf_counter() - started) * 1e6)
    return taken, head


async def run(n: int, durability: Durability) -> dict[str, Any]:
    """Start a server, measure, and give the figures back."""
    with tempfile.TemporaryDirectory() as folder:
        async with NatsServer(folder, durability=durability) as server:
            bus = await connect_bus(server.url)
            await provision(bus.client)
            await bus.close()
            floor, append = await measure(server.url, n)
    return {
        "floor_us": round(floor, 1),
        "append_us": round(append, 1),
        "ratio": round(append / floor, 3),
        "n": n,
        "durability": durability,
    }


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description="Compare a durable append with the client's own publish.")
    parser.add_argument("-n", type=int, default=2000, help="appends of each kind (default 2000)")
    parser.add_argument("--durability", choices=["process", "power"], default="process")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(run(options.n, options.durability))))


if __name__ == "__main__":
    main()
