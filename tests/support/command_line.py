"""The `busagents` command as a user has it: piped, on a terminal, and interrupted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.running_system import PATIENCE, clean_environment

MAIN = (sys.executable, "-m", "busagents.cli.main")


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its one JSON document on stdout."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)

    @property
    def jsonl(self) -> list[Any]:
        """Its JSON lines on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


class CommandLine:
    """Runs verbs in the folder of a running system. No verb may ever show a traceback, or drive a terminal that is none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def __call__(self, *arguments: str | bytes, stdin: bytes = b"", **extra: str) -> Done:
        """Run to the end, piped."""
        async with self.started(*arguments, **extra) as process:
            async with asyncio.timeout(PATIENCE):
                out, err = await process.communicate(stdin)
            return self.checked(process, out, err)

    def checked(self, process: asyncio.subprocess.Process, out: bytes, err: bytes) -> Done:
        """The end of a process that was started here."""
        assert process.returncode is not None
        assert b"Traceback" not in err, err.decode()
        assert b"never retrieved" not in err, err.decode()
        assert b"\x1b" not in err, err
        return Done(process.returncode, out.decode(), err.decode())

    @contextlib.asynccontextmanager
    async def started(self, *arguments: str | bytes, **extra: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """A verb at work, piped, until the block ends."""
        process = await asyncio.create_subprocess_exec(
            *MAIN, *arguments, cwd=self.folder, env=clean_environment(**extra),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def interrupted(self, process: asyncio.subprocess.Process, *, after: bytes) -> Done:
        """Ctrl-C as soon as it has written something with `after` in it on stdout; how it ended."""
        assert process.stdout is not None
        seen = b""
        async with asyncio.timeout(PATIENCE):
            while after not in seen:
                piece = await process.stdout.read(1024)
                assert piece, seen
                seen += piece
            process.send_signal(signal.SIGINT)
            out, err = await process.communicate()
        return self.checked(process, seen + out, err)

    async def on_terminal(self, *arguments: str, **extra: str) -> tuple[int, str]:
        """Run with stdout and stderr on a terminal; the exit code and what the terminal was sent."""
        ours, theirs = pty.openpty()
        try:
            process = await asyncio.create_subprocess_exec(
                *MAIN, *arguments, cwd=self.folder, env=clean_environment(TERM="xterm", **extra),
                stdin=asyncio.subprocess.DEVNULL, stdout=theirs, stderr=theirs,
            )  # fmt: skip
            os.close(theirs)
            try:
                async with asyncio.timeout(PATIENCE):
                    shown = await asyncio.to_thread(_read_to_end, ours)
                    return await process.wait(), shown.decode().replace("\r\n", "\n")
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        finally:
            os.close(ours)

    @contextlib.asynccontextmanager
    async def at_terminal(self, *arguments: str, **extra: str) -> AsyncIterator[Terminal]:
        """A verb at work on a terminal where somebody can type, until the block ends. Without colours."""
        ours, theirs = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *MAIN, *arguments, cwd=self.folder, env=clean_environment(TERM="xterm", NO_COLOR="1", **extra),
            stdin=theirs, stdout=theirs, stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        terminal = Terminal(process, ours)
        try:
            yield terminal
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            terminal.close()


class Terminal:
    """A terminal with a verb on it. `shown` is everything that was sent to it, what was typed included."""

    def __init__(self, process: asyncio.subprocess.Process, descriptor: int) -> None:
        self.process = process
        self._descriptor = descriptor
        self._bytes = b""
        self._found = 0
        self._more = asyncio.Event()
        self._ended = False
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    @property
    def shown(self) -> str:
        """See the class."""
        return self._bytes.decode(errors="replace").replace("\r\n", "\n")

    async def until(self, text: str) -> None:
        """Wait until it shows the text, behind what was waited for before."""
        async with asyncio.timeout(PATIENCE):
            while (at := self.shown.find(text, self._found)) < 0:
                assert not self._ended, self.shown
                await self._wait()
        self._found = at + len(text)

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._descriptor, f"{line}\n".encode())

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    async def ended(self) -> int:
        """Wait until the verb has ended and all it wrote is here; its exit code."""
        async with asyncio.timeout(PATIENCE):
            while not self._ended:
                await self._wait()
            code = await self.process.wait()
        assert "Traceback" not in self.shown, self.shown
        assert "never retrieved" not in self.shown, self.shown
        return code

    def close(self) -> None:
        """Nobody looks any more."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    async def _wait(self) -> None:
        self._more.clear()
        await self._more.wait()

    def _read(self) -> None:
        try:
            piece = os.read(self._descriptor, 65536)
        except OSError:  # EIO: nobody has the other end any more
            piece = b""
        if not piece:
            self._ended = True
            asyncio.get_running_loop().remove_reader(self._descriptor)
        self._bytes += piece
        self._more.set()


def _read_to_end(terminal: int) -> bytes:
    shown = b""
    with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
        while piece := os.read(terminal, 65536):
            shown += piece
    return shown
