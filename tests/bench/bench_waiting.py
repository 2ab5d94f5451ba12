"""What tasks cost that wait: `python -m tests.bench.bench_waiting`. Prints one line of JSON.

A coordinator is given tasks that all wait for a person. `pss_mb_*` is the memory of its process after the first ones, which fill its
cache of threads, and after all; `bytes_per_waiting_task` is what each further one added. `answer_ms` is the time from a person's
answer to the end of one of the oldest tasks, which no process has in memory.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
from typing import Any

from busagents.domain import events as e
from busagents.domain.subjects import ThreadRef
from busagents.runtime.client.client import Client
from tests.bench.system import p50, proportional_set_size_mb, system, timed

_AT_ONCE = 64
_FIRST = 3000  # more than all caches of a process keep: 512 folded threads, 4096 subjects


async def run(n: int, first: int = _FIRST) -> dict[str, Any]:
    """Let `n` tasks wait, the first `first` of them before the first measurement."""
    async with system(["bench_waiting", "bench_boss"], teams=True) as running:
        client = running.client
        await _wait_for(client, 0, first)
        before = proportional_set_size_mb(running.processes[0].pid)
        await _wait_for(client, first, n)
        after = proportional_set_size_mb(running.processes[0].pid)
        answered = await timed(min(10, first), iter([_answer(client, number) for number in range(min(10, first))]).__next__)
    gc.collect()
    return {
        "n": n,
        f"pss_mb_{first}": round(before, 1),
        f"pss_mb_{n}": round(after, 1),
        "bytes_per_waiting_task": round((after - before) * 1024 * 1024 / max(1, n - first)),
        "answer_ms": round(p50(answered), 1),
    }


async def _wait_for(client: Client, begin: int, end: int) -> None:
    for start in range(begin, end, _AT_ONCE):
        await asyncio.gather(*(_ask(client, number) for number in range(start, min(end, start + _AT_ONCE))))


async def _ask(client: Client, number: int) -> None:
    """A task that waits; returns once the coordinator has asked."""
    task = await client.send("bench_waiting", "May we?", session=f"w{number}", idempotency_key=str(number))
    async for event in task.events():
        if isinstance(event.event, e.InputRequired):
            return


async def _answer(client: Client, number: int) -> None:
    task = await client.send("bench_waiting", "May we?", session=f"w{number}", idempotency_key=str(number))
    assert task.ref == ThreadRef("bench_waiting", f"w{number}")
    await task.reply("yes")
    await task.result()


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description="Measure tasks that wait for a person.")
    parser.add_argument("-n", type=int, default=10_000, help="waiting tasks (default 10,000)")
    print(json.dumps(asyncio.run(run(parser.parse_args().n))))


if __name__ == "__main__":
    main()
