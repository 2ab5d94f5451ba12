"""The same definition and the same answers give the same log, in any process: nothing hangs on the order of a set or a hash."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_SEEDS = range(10)


def test_ten_processes_with_different_hash_seeds_write_the_same_log() -> None:
    def start(seed: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.coordination.test_order"],
            cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": str(seed)}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    logs = set()
    for pair in zip(*[iter(_SEEDS)] * 2, strict=True):  # two at a time: there may be two cores
        running = [start(seed) for seed in pair]
        logs |= {process.communicate(timeout=60)[0] for process in running}
        assert [process.returncode for process in running] == [0, 0]
    assert len(logs) == 1
    assert len(logs.pop().splitlines()) > 60


async def _log() -> list[str]:
    """What a graph with a swarm, a fan-out, conditions and tools writes, thread by thread, without owners and times."""
    from busagents.adapters.memory.store import MemoryStore
    from busagents.domain.codec import decode_entry
    from tests.coordination.trees import Shape, build
    from tests.support.workers import working

    shape = Shape(
        "graph", (Shape("agent"), Shape("swarm", (Shape("agent"), Shape("function"))), Shape("function", (Shape("agent"),)))
    )
    built = build(shape)
    lines: list[str] = []
    async with working(MemoryStore(), *built.all) as client:
        task = await client.send(built.root.name, "go", session="s", idempotency_key="once")
        assert (await task.result(timeout=30)).text == built.answer
        threads: dict[str, list[str]] = {}
        async for stored in client.bus.log.read_session("s"):
            if stored.kind == "ev":
                for record in decode_entry(stored.body, where="log").events:
                    data = json.loads(bytes(record.data))
                    kept = {key: value for key, value in data.items() if key not in ("owner", "elapsed_ms")}
                    threads.setdefault(str(stored.ref), []).append(f"{stored.ref} {record.type} {record.turn} {json.dumps(kept)}")
        for name in sorted(threads):
            lines += threads[name]
    return lines


if __name__ == "__main__":
    print("\n".join(asyncio.run(_log())))
