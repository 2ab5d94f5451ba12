"""Participants as real processes (`busagents run`), to be killed, stopped and continued."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AGENTS = ROOT / "tests" / "support" / "fault_agents.py"


class ParticipantProcess:
    """One `busagents run` process. Its output is read all the time and kept in `lines`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    @property
    def pid(self) -> int:
        return self.process.pid

    async def said(self, text: str) -> None:
        """Wait until it has printed a line with this text."""
        async with self._news:
            await self._news.wait_for(lambda: any(text in line for line in self.lines) or self._reading.done())
        assert any(text in line for line in self.lines), f"it ended without saying {text!r}: {self.lines}"

    async def killed(self) -> None:
        """Wait until a failpoint has killed it."""
        assert await self.process.wait() == -signal.SIGKILL, self.lines

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            async with self._news:
                self.lines.append(line.decode().rstrip())
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()


@asynccontextmanager
async def participant(
    name: str, url: str, *, env: Mapping[str, str] | None = None, file: Path = AGENTS, ack_wait: float = 1.0
) -> AsyncIterator[ParticipantProcess]:
    """Run `name` of `file` until the block ends; it serves its inbox when this returns."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "busagents.cli.main", "run", f"{file}:{name}", "--nats", url,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT,
        env={**os.environ, "BUSAGENTS_ACK_WAIT": str(ack_wait), "PYTHONUNBUFFERED": "1", **(env or {})},
    )  # fmt: skip
    running = ParticipantProcess(process)
    try:
        await running.said("ready")
        yield running
    finally:
        await running.end()
