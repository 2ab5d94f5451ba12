"""What coordination costs: `python -m tests.bench.bench_coordination`. Prints one line of JSON.

A swarm of three agents with two handoffs and a diamond graph of five nodes, each participant in a process of its own, with scripted
models; chains of 5, 50 and 500 nodes (`node_ms_*` is the time of one node, `node_flat` that at 500 over that at 5); and tasks for
many children at once, joined. `*_ms` are medians; `floor_ms` is an acknowledged raw publish of nats-py on the same server, and
`*_ratio` multiples of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from busagents.settings import Durability
from tests.bench.system import System, floor_ms, p50, system, timed

_SWARM = ["bench_swarm", "bench_first", "bench_second", "bench_third"]
_DIAMOND = ["bench_diamond", *(f"bench_node_{name}" for name in "abcde")]


async def run(n: int, durability: Durability, chains: tuple[int, ...] = (5, 50, 500), children: int = 1000) -> dict[str, Any]:
    """Measure `n` runs of the swarm and the diamond, chains of these lengths, and one fan-out over so many children."""
    figures: dict[str, Any] = {"n": n, "durability": durability}
    async with system(_SWARM + _DIAMOND, durability=durability, teams=True) as running:
        floor = await floor_ms(running.server, n)
        for name, label in (("bench_swarm", "swarm"), ("bench_diamond", "diamond")):
            await timed(5, lambda name=name: _one(running, name, "go"))  # type: ignore[misc]
            taken = await timed(n, lambda name=name: _one(running, name, "go"))  # type: ignore[misc]
            figures[f"{label}_ms"] = round(p50(taken), 2)
            floor += await floor_ms(running.server, n)
    figures["floor_ms"] = round(p50(floor), 3)
    for label in ("swarm", "diamond"):
        figures[f"{label}_ratio"] = round(figures[f"{label}_ms"] / p50(floor), 1)
    names = ["bench_item", "bench_fan_out", *(f"bench_chain_{length}" for length in chains)]
    async with system(names, durability=durability, teams=True) as running:
        for length in chains:
            await _one(running, f"bench_chain_{length}", "go")
            taken = await timed(max(1, min(5, 250 // length)), lambda: _one(running, f"bench_chain_{length}", "go"))  # noqa: B023
            figures[f"node_ms_{length}"] = round(p50(taken) / length, 2)
        figures["node_flat"] = round(figures[f"node_ms_{chains[-1]}"] / figures[f"node_ms_{chains[0]}"], 2)
        await _one(running, "bench_fan_out", "10")
        figures["children"] = children
        figures["children_s"] = round((await timed(1, lambda: _one(running, "bench_fan_out", str(children))))[0] / 1000, 2)
    return figures


async def _one(running: System, name: str, prompt: str) -> None:
    await (await running.client.send(name, prompt)).result()


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description="Measure swarms, graphs and fan-outs.")
    parser.add_argument("-n", type=int, default=50, help="runs of the swarm and of the diamond (default 50)")
    parser.add_argument("--durability", choices=["process", "power"], default="process")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(run(options.n, options.durability))))


if __name__ == "__main__":
    main()
