"""Many sessions at once on two agent processes: `python -m tests.bench.bench_many_sessions`.

Prints one line of JSON: tool tasks per second with 20, 100 and 200 sessions that each do one task after another, and how
200 compare with 20.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from typing import Any

from busagents.settings import Durability
from tests.bench.system import System, system


async def _session(running: System, name: str, tasks: int) -> None:
    for _ in range(tasks):
        await (await running.client.send("bench_tool", "What is 2 + 3?", session=name)).result()


async def _rate(running: System, sessions: int, total: int) -> float:
    each = max(1, total // sessions)
    began = time.perf_counter()
    await asyncio.gather(*(_session(running, f"{sessions}-{number}", each) for number in range(sessions)))
    return sessions * each / (time.perf_counter() - began)


async def run(total: int, durability: Durability) -> dict[str, Any]:
    """Measure `total` tasks at each number of sessions."""
    async with system(["bench_tool", "bench_tool"], durability=durability) as running:
        await _rate(running, 10, total // 10)
        rates = {sessions: await _rate(running, sessions, total) for sessions in (20, 100, 200)}
    figures: dict[str, Any] = {f"tasks_per_s_{sessions}": round(rate) for sessions, rate in rates.items()}
    return figures | {"ratio_200_to_20": round(rates[200] / rates[20], 2), "n": total, "durability": durability}


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description="Measure many sessions at once.")
    parser.add_argument("-n", type=int, default=1000, help="tasks at each number of sessions (default 1000)")
    parser.add_argument("--durability", choices=["process", "power"], default="process")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(run(options.n, options.durability))))


if __name__ == "__main__":
    main()
