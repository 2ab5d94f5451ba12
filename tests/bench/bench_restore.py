"""How long a process needs to open a session it has never seen: `python -m tests.bench.bench_restore`.

Prints one line of JSON: medians in ms of reading, checking and folding a session of 200 and of 2,000 turns, and the PSS
in MB of an agent process that has done nothing yet.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from busagents.bootstrap.connect import connect
from busagents.domain.subjects import ThreadRef
from busagents.runtime.clock import SystemClock
from busagents.runtime.journal import Journal
from tests.bench.system import floor_ms, p50, proportional_set_size_mb, system, timed


async def run(small: int, large: int, rounds: int) -> dict[str, Any]:
    """Make sessions of `small` and `large` turns (two a task) and open each `rounds` times."""
    async with system(["bench_tool"]) as running:
        idle = proportional_set_size_mb(running.processes[0].pid)
        floor = await floor_ms(running.server, 200)
        figures: dict[str, Any] = {"idle_pss_mb": round(idle, 1), "floor_ms": round(p50(floor), 3)}
        for turns in (small, large):
            for _ in range(turns // 2):
                await (await running.client.send("bench_tool", "What is 2 + 3?", session=f"s{turns}")).result()
            async with connect(running.server.url) as cold:
                journal = Journal(cold.bus, SystemClock())
                ref = ThreadRef("bench_tool", f"s{turns}")
                taken = await timed(rounds, lambda journal=journal, ref=ref: journal.open(ref))  # type: ignore[misc]
            figures[f"restore_{turns}_turns_ms"] = round(p50(taken), 1)
    return figures


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description="Measure the cold restore of sessions.")
    parser.add_argument("--small", type=int, default=200, help="turns of the small session (default 200)")
    parser.add_argument("--large", type=int, default=2000, help="turns of the large session (default 2000)")
    parser.add_argument("--rounds", type=int, default=7, help="how often each is opened (default 7)")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(run(options.small, options.large, options.rounds))))


if __name__ == "__main__":
    main()
