"""`busagents run`: one participant in the foreground."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

from support.running_system import ECHO, PATIENCE, busagents, clean_environment, write_services

from busagents.bootstrap.connect import connect


async def test_it_serves_on_a_bus_that_runs_and_stops_on_sigterm(tmp_path: Path, bus_url: str) -> None:
    write_services(tmp_path, echo=ECHO.replace('"echo"', '"echo_run"'))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "busagents.cli.main", "run", "services/echo.py", "--nats", bus_url, "--json"),
        cwd=tmp_path,
        env=clean_environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE), connect(bus_url) as client:
            assert json.loads(await process.stdout.readline())["ready"] == "echo_run"
            assert (await (await client.send("echo_run", "hello")).result()).text == "hello"
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_file_that_declares_several_runs_them_all_with_what_they_are_made_of(tmp_path: Path, bus_url: str) -> None:
    team = ECHO.replace('"echo"', '"inner_run"') + (
        "\nfrom busagents import Graph\nflow = Graph('flow_run', nodes=[echo])\n"
        + ECHO.replace('"echo"', '"other_run"').replace("def echo", "def other")
    )
    write_services(tmp_path, team=team)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "busagents.cli.main", "run", "services/team.py", "--nats", bus_url, "--json"),
        cwd=tmp_path,
        env=clean_environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE), connect(bus_url) as client:
            ready = {json.loads(await process.stdout.readline())["ready"] for _ in range(3)}
            assert ready == {"inner_run", "other_run", "flow_run"}
            assert (await (await client.send("flow_run", "hello")).result()).text == "hello"
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_of_several_that_cannot_all_start_none_goes_on(tmp_path: Path, bus_url: str) -> None:
    broken = "from busagents import Agent\nbroken = Agent('broken_run', model='nobody:x')\n"
    write_services(tmp_path, team=ECHO.replace('"echo"', '"fine_run"') + broken)
    code, _, err = await busagents("run", "services/team.py", "--nats", bus_url, cwd=tmp_path)
    assert code == 1
    assert "nobody:x" in err


async def test_no_bus_is_exit_code_8(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO)
    assert (await busagents("run", "services/echo.py", cwd=tmp_path))[0] == 8
    code, _, err = await busagents("run", "services/echo.py", "--nats", "nats://me:pw@127.0.0.1:1", cwd=tmp_path)
    assert code == 8
    assert "pw" not in err
