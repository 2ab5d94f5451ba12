"""What a user waits for: `python -m tests.bench.bench_up`.

Prints one line of JSON: seconds until `busagents up` is ready with the project's own services, their memory (PSS) in MB
while idle, milliseconds of `busagents --help` and of a Python that does nothing (medians), and seconds from the kill -9 of
a process to its task's answer, made by its successor.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from busagents.bootstrap.connect import connect
from tests.bench.system import p50, proportional_set_size_mb, timed
from tests.support.running_system import RunningSystem, busagents, clean_environment, running, write_services

SERVICES = Path(__file__).resolve().parents[2] / "services"
HANGS_ONCE = """
import asyncio
from pathlib import Path

from busagents import agent

@agent("hangs_once")
async def hangs_once(task):
    started = Path(task.text)
    if not started.exists():
        started.write_text("")
        await asyncio.Event().wait()
    return "done by another"
"""


async def run(rounds: int) -> dict[str, Any]:
    """Measure the commands `rounds` times, and so many kills; the start once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = await timed(rounds, lambda: _python(folder))
        shown = await timed(rounds, lambda: busagents("--help", cwd=folder))
        began = time.perf_counter()
        async with running(folder, str(SERVICES)) as system:
            ready = time.perf_counter() - began
            services = [row["pid"] for row in await system.ps() if row["name"] != "nats-server"]
            memory = [proportional_set_size_mb(pid) for pid in services]
        write_services(folder, hangs_once=HANGS_ONCE)
        async with running(folder, BUSAGENTS_ACK_WAIT="600") as system:
            takeovers = [await _takeover(system, f"started-{number}") for number in range(rounds)]
    return {
        "services": len(services),
        "up_ready_s": round(ready, 2),
        "idle_pss_mb": round(p50(memory), 1),
        "help_ms": round(p50(shown)),
        "python_ms": round(p50(python)),
        "takeover_s": round(p50(takeovers), 2),
        "rounds": rounds,
    }


async def _python(folder: Path) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "", cwd=folder, env=clean_environment())
    await process.wait()


async def _takeover(system: RunningSystem, name: str) -> float:
    async with connect(data_dir=system.folder / ".busagents") as client:
        task = await client.send("hangs_once", name)
        row = await system.until("hangs_once", lambda row: row["working_on"] != [] and (system.folder / name).exists())
        began = time.perf_counter()
        os.kill(row["pid"], signal.SIGKILL)
        await task.result()
        return time.perf_counter() - began


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description="Measure what a user waits for.")
    parser.add_argument(
        "--rounds", type=int, default=3, help="commands and kills (default 3; a process killed often is slowed down)"
    )
    print(json.dumps(asyncio.run(run(parser.parse_args().rounds))))


if __name__ == "__main__":
    main()
