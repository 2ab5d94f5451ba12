"""Work that a killed process held goes to another at once: the supervisor gives it back."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from support.running_system import PATIENCE, running, write_services

from busagents.bootstrap.connect import connect

SLOW_ONCE = """
import asyncio
from pathlib import Path

from busagents import agent

@agent("slow")
async def slow(task):
    started = Path("started")
    if not started.exists():
        started.write_text("")
        await asyncio.Event().wait()
    return "done by another"
"""


async def test_a_task_in_work_when_its_process_is_killed_is_taken_over_long_before_its_redelivery(tmp_path: Path) -> None:
    write_services(tmp_path, slow=SLOW_ONCE)
    # Redelivery would come after ten minutes: what ends the task earlier is the supervisor's handing back.
    async with running(tmp_path, BUSAGENTS_ACK_WAIT="600") as system, connect(data_dir=tmp_path / ".busagents") as client:
        task = await client.send("slow", "go")
        row = await system.until("slow", lambda row: row["working_on"] != [] and (tmp_path / "started").exists())
        assert [(work["session"], work["thread"]) for work in row["working_on"]] == [(task.session, "main")]
        os.kill(row["pid"], signal.SIGKILL)
        async with asyncio.timeout(PATIENCE):
            result = await task.result()
        assert result.text == "done by another"
        row = await system.until("slow", lambda row: row["working_on"] == [])
        assert row["restarts"] == 1


async def test_another_replica_takes_over_when_there_is_one(tmp_path: Path) -> None:
    write_services(tmp_path, slow=SLOW_ONCE)
    data = tmp_path / ".busagents"
    async with running(tmp_path, "--scale", "slow=2", BUSAGENTS_ACK_WAIT="600") as system, connect(data_dir=data) as client:
        task = await client.send("slow", "go")
        async with asyncio.timeout(PATIENCE):
            while not (busy := [row for row in await system.ps() if row["working_on"]]):
                continue
        (holder,) = busy
        await system.until("slow", lambda _: (tmp_path / "started").exists())
        os.kill(holder["pid"], signal.SIGKILL)
        async with asyncio.timeout(PATIENCE):
            assert (await task.result()).text == "done by another"


async def test_a_task_that_a_graceful_stop_interrupts_is_ended_by_the_next_run(tmp_path: Path) -> None:
    write_services(tmp_path, slow=SLOW_ONCE)
    data = tmp_path / ".busagents"
    async with running(tmp_path, BUSAGENTS_ACK_WAIT="1") as system, connect(data_dir=data) as client:
        task = await client.send("slow", "go")
        await system.until("slow", lambda row: row["working_on"] != [] and (tmp_path / "started").exists())
        system.process.send_signal(signal.SIGTERM)
        assert await system.ended() == 0
    async with running(tmp_path, BUSAGENTS_ACK_WAIT="1"), connect(data_dir=data) as client, asyncio.timeout(PATIENCE):
        assert (await (await client.task(task.id)).result()).text == "done by another"
