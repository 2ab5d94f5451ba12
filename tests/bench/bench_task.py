"""What a task costs, from a client through the bus to an agent process and back: `python -m tests.bench.bench_task`.

Prints one line of JSON. `*_ms` are medians, `*_ratio` multiples of the floor: a raw acknowledged publish of nats-py on the
same server in the same run, measured before, between and after. `flat` is the median of a session's last 20 tasks over
that of its first 20.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from busagents.settings import Durability
from tests.bench.system import System, floor_ms, p50, system, timed

_AGENTS = {"plain": "bench_plain", "tool": "bench_tool", "ten_tools": "bench_ten_tools"}


async def _one(running: System, agent: str, session: str | None = None) -> None:
    await (await running.client.send(agent, "What is 2 + 3?", session=session)).result()


async def run(n: int, durability: Durability) -> dict[str, Any]:
    """Measure `n` tasks of each kind, and one session of `n` tool tasks."""
    async with system(list(_AGENTS.values()), durability=durability) as running:
        for agent in _AGENTS.values():
            await timed(20, lambda agent=agent: _one(running, agent))  # type: ignore[misc]
        floor = await floor_ms(running.server, n)
        taken: dict[str, list[float]] = {kind: [] for kind in _AGENTS}
        for _ in range(4):  # rounds of all, so that a busy machine slows all
            for kind, agent in _AGENTS.items():
                count = max(2, n // (20 if kind == "ten_tools" else 4))
                taken[kind] += await timed(count, lambda agent=agent: _one(running, agent))  # type: ignore[misc]
            floor += await floor_ms(running.server, n // 4)
        session = await timed(n, lambda: _one(running, "bench_tool", "one-session"))
        sizes = await _bytes_per_task(running, "one-session")
        floor += await floor_ms(running.server, n)
    edge = min(20, n // 2)
    figures: dict[str, Any] = {"floor_ms": round(p50(floor), 3), "n": n, "durability": durability}
    for kind, values in taken.items():
        figures[f"{kind}_ms"] = round(p50(values), 2)
        figures[f"{kind}_ratio"] = round(p50(values) / p50(floor), 1)
    figures["flat"] = round(p50(session[-edge:]) / p50(session[:edge]), 2)
    figures["bytes_first_task"], figures["bytes_last_task"] = sizes[0], sizes[-1]
    return figures


async def _bytes_per_task(running: System, session: str) -> list[int]:
    sizes: list[int] = []
    async for stored in running.client.bus.log.read_session(session):
        if stored.kind == "in":
            sizes.append(0)
        sizes[-1] += len(stored.body)
    return sizes


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description="Measure a task from a client through the bus and back.")
    parser.add_argument("-n", type=int, default=200, help="tasks of each kind (default 200)")
    parser.add_argument("--durability", choices=["process", "power"], default="process")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(run(options.n, options.durability))))


if __name__ == "__main__":
    main()
