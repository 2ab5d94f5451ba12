"""A `busagents up` of a test: a real process in a folder of its own, on ports of its own, gone when the test is over."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

PATIENCE = 60.0  # seconds until a test that waits for something has failed

ECHO = """
from busagents import agent

@agent("echo")
async def echo(task):
    return task.text
"""


def clean_environment(**extra: str) -> dict[str, str]:
    """This process's environment without what would change how busagents works."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("BUSAGENTS_", "OPENAI_", "NATS_"))}
    return {**kept, **extra}


async def busagents(*arguments: str, cwd: Path, **extra: str) -> tuple[int, str, str]:
    """Run a verb to its end. Returns exit code, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "busagents.cli.main",
        *arguments,
        cwd=cwd,
        env=clean_environment(**extra),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def write_services(folder: Path, **files: str) -> None:
    """Write services/<name>.py for each file."""
    (folder / "services").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "services" / f"{name}.py").write_text(text)


class RunningSystem:
    """A started `busagents up --json`. `ready` is what it printed."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path, ready: dict[str, Any], errors: Path) -> None:
        self.process = process
        self.folder = folder
        self.ready = ready
        self._errors = errors

    @property
    def said(self) -> str:
        """What it wrote to stderr until now."""
        return self._errors.read_text()

    async def ps(self) -> list[dict[str, Any]]:
        """The rows of `busagents ps --json`."""
        code, out, err = await busagents("ps", "--json", cwd=self.folder)
        assert code == 0, err
        rows: list[dict[str, Any]] = json.loads(out)["items"]
        return rows

    async def row(self, name: str, replica: int = 0) -> dict[str, Any]:
        """The row of one process."""
        return next(row for row in await self.ps() if (row["name"], row["replica"]) == (name, replica))

    async def until(self, name: str, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the row of a process is as it should be."""
        async with asyncio.timeout(PATIENCE):
            while not right(row := await self.row(name)):
                continue
        return row

    async def until_said(self, text: str) -> None:
        """Wait until it wrote `text` to stderr."""
        async with asyncio.timeout(PATIENCE):
            while text not in self.said:  # noqa: ASYNC110 - a file has no event to wait for
                await asyncio.sleep(0.02)

    async def processes(self) -> list[int]:
        """The pids of all its processes, its own included."""
        return descendants(self.process.pid)

    async def ended(self) -> int:
        """Wait for its end; the exit code."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def running(folder: Path, *arguments: str, **extra: str) -> AsyncIterator[RunningSystem]:
    """Run `busagents up` on the services in `folder` until the block ends."""
    errors = folder / "up.stderr"
    with errors.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "busagents.cli.main",
            "up",
            "--json",
            *(() if "--nats" in arguments else ("--nats-port", "0", "--durability", "process")),
            *arguments,
            cwd=folder,
            env=clean_environment(**extra),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await process.stdout.readline()
        assert line, f"it ended with {await process.wait()}: {errors.read_text()}"
        yield RunningSystem(process, folder, json.loads(line), errors)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(PATIENCE):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


def descendants(pid: int) -> list[int]:
    """The process and all below it that are alive."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    parents[int(entry.name)] = int(parent)
    found = [pid]
    for known in found:
        found.extend(child for child, parent in parents.items() if parent == known)
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def gone(pids: list[int]) -> None:
    """Wait until none of the processes runs."""
    async with asyncio.timeout(PATIENCE):
        while any(alive(pid) for pid in pids):  # noqa: ASYNC110 - not our children: there is no event to wait for
            await asyncio.sleep(0.01)
