"""Run a model's Python code in a short-lived process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from busagents.domain.tool import tool
from busagents.errors import ToolArgumentsInvalid

SECONDS = 10.0  # wall clock
MAX_SOURCE = 100_000  # characters
MAX_OUTPUT = 20_000  # bytes
_JAIL = Path(__file__).with_name("python_jail.py")


@tool
async def python_repl(code: str) -> str:
    """Run Python code and return what it prints, plus the value of a last line that is an expression.

    Only the standard library can be imported. Each call starts afresh: nothing is kept from earlier calls. No network,
    no files beside the standard library, no threads or other processes; 5 s of CPU, 10 s in all, 256 MB, 20 kB of output.

    Args:
        code: The source.
    """
    # What holds the code back, and what does not, is told in python_jail: this text is for the model.
    if len(code) > MAX_SOURCE:
        raise ToolArgumentsInvalid(f"the code has {len(code)} characters, the limit is {MAX_SOURCE}")
    with tempfile.TemporaryDirectory(prefix="busagents-python-") as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", "-B", "-X", "utf8", str(_JAIL), str(os.getpid()),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            cwd=folder, env={}, start_new_session=True,
        )  # fmt: skip
        output = Output()
        try:
            async with asyncio.timeout(SECONDS):
                await _exchange(process, code.encode("utf-8", "replace"), output)
                status = await process.wait()
        except TimeoutError:
            return f"{output}\nstopped: the code ran longer than {SECONDS:g} s. Do less in one call.".lstrip("\n")
        finally:  # also when the task is canceled
            await _kill(process)
    return _report(str(output), status)


class Output:
    """The first MAX_OUTPUT bytes of what was printed."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._cut = False

    def add(self, chunk: bytes) -> None:
        """Keep what there is room for."""
        self._cut = self._cut or len(self._kept) + len(chunk) > MAX_OUTPUT
        self._kept += chunk[: MAX_OUTPUT - len(self._kept)]

    def __str__(self) -> str:
        text = self._kept.decode("utf-8", "replace").strip("\n")
        return text + (f"\n[output cut at {MAX_OUTPUT} bytes]" if self._cut else "")


async def _exchange(process: asyncio.subprocess.Process, source: bytes, output: Output) -> None:
    """Send the source and read all output, so that a process that prints without end is not stopped by a full pipe."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError, ConnectionResetError):  # it died first; its output says why
        process.stdin.write(source)
        await process.stdin.drain()
        process.stdin.close()
    while chunk := await process.stdout.read(65_536):
        output.add(chunk)


async def _kill(process: asyncio.subprocess.Process) -> None:
    """End the whole process group, which the process leads."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _report(output: str, status: int) -> str:
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        output += "\nstopped: the code used more than 5 s of CPU time, or too much memory. Do less in one call."
    elif status < 0:
        output += f"\nstopped by signal {signal.Signals(-status).name}"
    elif status > 0:
        output += f"\n[exit status {status}]"
    return output.strip("\n") or "(no output)"
