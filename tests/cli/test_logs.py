"""`busagents logs`: what the processes printed."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from support.running_system import ECHO, PATIENCE, busagents, clean_environment, running, write_services


async def test_printed_lines_are_kept_by_name_after_the_run(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO + "print('first')\nprint('second')\n")
    async with running(tmp_path):
        pass
    assert (await busagents("logs", "echo", "-n", "1", cwd=tmp_path))[1] == "second\n"
    out = (await busagents("logs", "--json", cwd=tmp_path))[1]
    lines = [json.loads(line) for line in out.splitlines()]
    assert {"name": "echo", "line": "first"} in lines
    assert "nats-server" not in {line["name"] for line in lines}
    assert "Server is ready" in (await busagents("logs", "nats-server", cwd=tmp_path))[1]


async def test_an_unknown_name_is_not_found_and_the_known_ones_are_listed(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO + "print('first')\n")
    async with running(tmp_path):
        pass
    code, _, err = await busagents("logs", "ecco", cwd=tmp_path)
    assert code == 7
    assert "echo" in err


async def test_follow_goes_on_over_a_restart(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO + "print('first')\n")
    async with running(tmp_path, "--reload"):
        follower = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "busagents.cli.main", "logs", "echo", "-f"),
            cwd=tmp_path,
            env=clean_environment(),
            stdout=asyncio.subprocess.PIPE,
        )
        assert follower.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE):
                while b"first" not in await follower.stdout.readline():
                    continue
                write_services(tmp_path, echo=ECHO + "print('after the edit')\n")
                while b"after the edit" not in await follower.stdout.readline():
                    continue
        finally:
            follower.kill()
            await follower.wait()
