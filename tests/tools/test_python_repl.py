"""python_repl: it runs code, and the code stays where it is.

The jail's tests need the kernel's help, so they run on Linux only; everything else runs anywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from busagents.errors import ToolArgumentsInvalid
from busagents.tools import python_jail, python_process, python_repl

linux = pytest.mark.skipif(sys.platform != "linux", reason="Landlock, seccomp and namespaces are Linux's")


async def _run(code: str) -> str:
    return str(await python_repl(code))


@pytest.mark.parametrize(
    ("code", "output"),
    [
        ("1 + 1", "2"),
        ("x = 3\nx * 2", "6"),
        ("print('a')\n'b'", "a\n'b'"),
        ("None", "(no output)"),
        ("", "(no output)"),
        ("'日本'", "'日本'"),
        ("import statistics, zoneinfo, sqlite3, json\nstatistics.mean([1, 2, 3])", "2"),
        ("import asyncio\nasync def f():\n    await asyncio.sleep(0.001)\n    return 3\nasyncio.run(f())", "3"),
        ("raise SystemExit", "(no output)"),
        ("raise SystemExit('bye')", "bye\n[exit status 1]"),
        ("import os; os._exit(3)", "[exit status 3]"),
        ("import sys; sys.stdout.close()", "(no output)"),
    ],
)
async def test_code_is_run_and_its_output_returned(code: str, output: str) -> None:
    assert await _run(code) == output


async def test_an_error_is_shown_with_the_codes_own_lines_after_what_was_printed() -> None:
    output = await _run("print('before')\n1 / 0")
    assert output.startswith("before\nTraceback")
    assert 'File "<code>", line 2' in output
    assert "ZeroDivisionError" in output
    assert "python_jail" not in output


@pytest.mark.parametrize("code", ["x = ", "1\0", "(" * 5_000, "def f(): f()\nf()", "input()", "print('\\ud800')"])
async def test_code_that_cannot_work_gets_an_answer_all_the_same(code: str) -> None:
    assert await _run(code) != "(no output)"


async def test_nothing_is_kept_from_one_call_to_the_next() -> None:
    await _run("leftover = 1")
    assert "NameError" in await _run("leftover")


async def test_code_that_is_too_long_is_refused() -> None:
    with pytest.raises(ToolArgumentsInvalid, match="the limit is 100000"):
        await _run("#" * 100_001)


async def test_endless_output_is_cut_and_does_not_fill_the_memory() -> None:
    output = await _run("print('x' * 3_000_000)")
    assert "[output cut at 20000 bytes]" in output
    assert len(output) < 20_100


async def test_code_that_waits_is_stopped_and_what_it_printed_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_process, "SECONDS", 1.5)
    assert await _run("import time\nprint('so far')\ntime.sleep(3600)") == (
        "so far\nstopped: the code ran longer than 1.5 s. Do less in one call."
    )


async def test_code_that_calculates_for_ever_is_stopped() -> None:
    assert "stopped: the code" in await _run("while True: pass")


async def test_code_that_wants_too_much_memory_gets_a_memory_error() -> None:
    assert "MemoryError" in await _run("bytearray(400 * 1024 * 1024)")


async def test_a_canceled_call_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: asyncio.Queue[asyncio.subprocess.Process] = asyncio.Queue()
    real = asyncio.create_subprocess_exec

    async def remember(*args: str, **options: object) -> asyncio.subprocess.Process:
        process = await real(*args, **options)  # type: ignore[arg-type]
        started.put_nowait(process)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", remember)
    call = asyncio.create_task(_run("import time; time.sleep(3600)"))
    process = await started.get()
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


async def test_the_environment_is_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_API_KEY", "do-not-tell")
    output = await _run("import os; sorted(os.environ.items())")
    assert "do-not-tell" not in output
    assert "PATH" not in output


@linux
@pytest.mark.parametrize(
    "attack",
    [
        "open('/etc/passwd').read()",
        "import os; open(f'/proc/{os.getppid()}/environ').read()",
        "import os; os.listdir('/')",
        "import os; os.listdir('/proc')",
        "open('new.txt', 'w')",
        "import os; os.open('new.txt', os.O_CREAT)",
        "import os; os.mkdir('new')",
        "import os; os.symlink('/', 'new')",
        "import tempfile; tempfile.mkstemp()",
        "import socket; socket.socket()",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:1')",
        "import os; os.fork()",
        "import os; os.posix_spawn('/bin/true', ['true'], {})",
        "import os; os.execv('/bin/true', ['true'])",
        "import subprocess; subprocess.run(['true'])",
        "import multiprocessing; multiprocessing.Process(target=print).start()",
        "import multiprocessing.shared_memory as s; s.SharedMemory(create=True, size=10)",
        "import os; os.kill(os.getppid(), 0)",
        "import os; os.killpg(0, 0)",
        "import os, fcntl; fcntl.fcntl(1, fcntl.F_SETOWN, os.getppid())",
        "import os; os.setsid()",
        "import os; os.setuid(0)",
        "import os; os.memfd_create('x')",
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (-1, -1))",
        "import pty; pty.openpty()",
    ],
)
async def test_an_attempt_to_leave_the_jail_is_refused(attack: str) -> None:
    output = await _run(f"{attack}\nprint('escaped')")
    assert "escaped" not in output
    assert "Error" in output


@linux
@pytest.mark.parametrize(
    "call", ["truncate(p, 0)", "chmod(p, 0o777)", "utime(p)", "unlink(p)", "rename(p, p + 'x')", "link(p, p + 'x')"]
)
async def test_files_of_the_user_are_not_changed(call: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    before = victim.stat()
    assert "Error" in await _run(f"import os\np = {str(victim)!r}\nos.{call}")
    assert victim.stat() == before  # before reading it, which moves its access time
    assert victim.read_text() == "precious"


@linux
async def test_a_pair_of_sockets_reaches_no_socket_outside(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        with contextlib.chdir(tmp_path):  # an absolute path may be too long for a socket
            listener.bind("s")
        listener.setblocking(False)
        output = await _run(
            "import os, socket\na, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\na.send(b'x')\nprint(b.recv(1))\n"
            f"os.chdir({str(tmp_path)!r})\na.sendto(b'x', 's')"
        )
        assert output.startswith("b'x'\nTraceback")
        assert "line 6" in output
        assert "PermissionError" in output
        with pytest.raises(BlockingIOError):
            listener.recv(1)


@linux
async def test_raw_system_calls_are_refused_as_well() -> None:
    """Through libc, past every check that Python itself makes: clone, fork, execve, socket, ptrace, io_uring_setup, bpf, x32 getpid."""
    numbers = {"x86_64": (56, 57, 59, 41, 101, 425, 321, 0x40000000 + 39), "aarch64": (220, 221, 198, 117, 425, 280, 129, 97)}
    wanted = numbers[os.uname().machine]
    output = await _run(
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        f"[(libc.syscall(n, 0, 0, 0, 0, 0, 0), ctypes.get_errno()) for n in {wanted}]"
    )
    assert output == str([(-1, 1)] * len(wanted))


@linux
def test_seccomp_alone_lets_nothing_be_written_where_landlock_is_missing(tmp_path: Path) -> None:
    code = f"""
import ctypes, os, sys
sys.path.insert(0, {str(Path(python_jail.__file__).parent)!r})
import python_jail
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
assert python_jail.refuse_calls(libc)
for call, *arguments in ((open, "a", "w"), (os.open, "b", os.O_CREAT), (os.mkdir, "c"), (os.unlink, "precious"), (os.rmdir, "folder")):
    try:
        call(*arguments)
    except PermissionError:
        continue
    os._exit(9)
print(open("precious").read())
"""
    (tmp_path / "precious").write_text("still there")
    (tmp_path / "folder").mkdir()
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("still there\n", 0), done.stderr
    assert sorted(os.listdir(tmp_path)) == ["folder", "precious"]


@linux
def test_the_jail_of_a_worker_that_died_meanwhile_runs_nothing(tmp_path: Path) -> None:
    """Its parent is then somebody else, whom the kernel's signal at the parent's death would not concern."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", python_jail.__file__, "-1"],
        input="print('ran')",
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("", 1)
