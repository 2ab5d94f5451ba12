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
    no files beside the standard library, no other processes; 5 s of CPU, 10 s in all, 256 MB, 20 kB of output.

    What holds this back: a process of its own with an empty environment and rlimits, and on Linux also a network
    namespace, Landlock and seccomp as far as the kernel allows them. That stops accidents and common attacks, not an
    attacker with a kernel exploit; and on other systems the code can read this user's files. For untrusted code run
    the participant itself in a container or a virtual machine.

    Args:
        code: The source.
    """
    if len(code) > MAX_SOURCE:
        raise ToolArgumentsInvalid(f"the code has {len(code)} characters, the limit is {MAX_SOURCE}")
    with tempfile.TemporaryDirectory(prefix="busagents-python-") as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", "-B", str(_JAIL),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            cwd=folder, env={"PYTHONIOENCODING": "utf-8"}, start_new_session=True,
        )  # fmt: skip
        try:
            async with asyncio.timeout(SECONDS):
                output, cut = await _exchange(process, code.encode("utf-8", "replace"))
                status = await process.wait()
        except TimeoutError:
            return f"stopped: the code ran longer than {SECONDS:g} s. Do less in one call."
        finally:  # also when the task is canceled
            await _kill(process)
    return _report(output.decode("utf-8", "replace"), cut, status)


async def _exchange(process: asyncio.subprocess.Process, source: bytes) -> tuple[bytes, bool]:
    """Send the source and read the output up to the limit; what is beyond it is read and dropped."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError, ConnectionResetError):  # it died first; its output says why
        process.stdin.write(source)
        await process.stdin.drain()
        process.stdin.close()
    output = bytearray()
    cut = False
    while chunk := await process.stdout.read(65_536):
        cut = cut or len(output) + len(chunk) > MAX_OUTPUT
        output += chunk[: MAX_OUTPUT - len(output)]
    return bytes(output), cut


async def _kill(process: asyncio.subprocess.Process) -> None:
    """End the whole process group; the pid cannot be another's, because the leader is reaped only by `wait`."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _report(output: str, cut: bool, status: int) -> str:
    if cut:
        output += f"\n[output cut at {MAX_OUTPUT} bytes]"
    if status == -signal.SIGXCPU or status == -signal.SIGKILL:
        output += "\nstopped: the code used more than 5 s of CPU time. Do less in one call."
    elif status < 0:
        output += f"\nstopped by signal {signal.Signals(-status).name}"
    elif status > 0:
        output += f"\n[exit status {status}]"
    return output.strip("\n") or "(no output)"
