"""What the interpreter of python_repl runs: takes rights away from itself, then executes the source from stdin.

Run as a script by `python -I -S`, so it imports the standard library only. Layers, each tried on its own because
containers and older kernels lack some: rlimits (everywhere), user and network namespaces, Landlock, seccomp (Linux).
See user_namespaces(7), landlock(7), seccomp(2); numbers are those of the kernel's uapi headers.
"""

from __future__ import annotations

import ast
import contextlib
import ctypes
import os
import platform
import resource
import signal
import struct
import sys
import traceback

CPU_SECONDS = 5
MEMORY_BYTES = 256 * 1024 * 1024
OPEN_FILES = 32

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 38, 22
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446  # the same on every architecture
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_ALL_FILE_RIGHTS = (1 << 13) - 1  # Landlock ABI 1: everything on files and folders

# Calls that reach other processes, the network or the kernel's wider surface.
_REFUSED = {
    "x86_64": (0xC000003E, {
        "socket": 41, "connect": 42, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62,
        "ptrace": 101, "setsid": 112, "mount": 165, "tkill": 200, "tgkill": 234, "add_key": 248, "keyctl": 250,
        "unshare": 272, "perf_event_open": 298, "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310,
        "process_vm_writev": 311, "bpf": 321, "execveat": 322, "userfaultfd": 323, "pidfd_send_signal": 424,
        "io_uring_setup": 425, "pidfd_open": 434, "clone3": 435, "prlimit64": 302, "rt_sigqueueinfo": 129,
    }),
    "aarch64": (0xC00000B7, {
        "socket": 198, "socketpair": 199, "connect": 203, "clone": 220, "execve": 221, "kill": 129, "ptrace": 117,
        "setsid": 157, "mount": 40, "tkill": 130, "tgkill": 131, "add_key": 217, "keyctl": 219, "unshare": 97,
        "perf_event_open": 241, "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270,
        "process_vm_writev": 271, "bpf": 280, "execveat": 281, "userfaultfd": 282, "pidfd_send_signal": 424,
        "io_uring_setup": 425, "pidfd_open": 434, "clone3": 435, "prlimit64": 261, "rt_sigqueueinfo": 138,
    }),
}  # fmt: skip


def limit_resources() -> None:
    """CPU time, memory, no file growth, no core dump, few open files, no child (the last not for root: see seccomp)."""
    wanted = {
        "RLIMIT_CPU": CPU_SECONDS,
        "RLIMIT_AS": MEMORY_BYTES,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": OPEN_FILES,
        "RLIMIT_NPROC": 0,
    }
    for name, value in wanted.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):  # a platform without it, or a lower limit already
            resource.setrlimit(getattr(resource, name), (value, value))


def leave_network(libc: ctypes.CDLL) -> bool:
    """Move into a user and a network namespace of its own, which has no interface up."""
    return bool(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0)


def leave_files(libc: ctypes.CDLL) -> bool:
    """Landlock: from now on read the standard library and the working folder, and nothing else; write nothing."""
    attributes = struct.pack("=Q", _ALL_FILE_RIGHTS)
    ruleset = libc.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return False
    libraries = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", sys.base_prefix + "/lib")
    for path in (os.path.dirname(os.__file__), os.getcwd(), *libraries):
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
            rule = struct.pack("=Qi", _READ_FILE | _READ_DIR, fd)
            libc.syscall(_LANDLOCK_ADD, ruleset, 1, rule, 0)
            os.close(fd)
    done = libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0
    os.close(ruleset)
    return bool(done)


def refuse_calls(libc: ctypes.CDLL) -> bool:
    """seccomp: the calls of _REFUSED, and all calls of a foreign ABI, fail with EPERM."""
    if platform.machine() not in _REFUSED or not sys.maxsize > 2**32:
        return False
    audit_arch, calls = _REFUSED[platform.machine()]
    refuse = (0x06, 0, 0, 0x00050001)  # return ERRNO | EPERM
    program = [(0x20, 0, 0, 4), (0x15, 1, 0, audit_arch), refuse, (0x20, 0, 0, 0), (0x35, 0, 1, 0x40000000), refuse]
    for number in calls.values():
        program += [(0x15, 0, 1, number), refuse]
    program.append((0x06, 0, 0, 0x7FFF0000))  # return ALLOW
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    header = struct.pack("@HP", len(program), ctypes.addressof(code))
    return bool(libc.prctl(_PR_SET_SECCOMP, 2, header, 0, 0) == 0)


def shut_in() -> None:
    """Apply every layer that this machine has, from the one that needs most rights to the one that needs none."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # die with the worker
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        shielded = leave_network(libc)
        leave_files(libc)
        limit_resources()
        if refuse_calls(libc) or shielded:
            return
    else:
        limit_resources()
    for name in ("socket", "_socket"):  # weak, but better than nothing where the kernel does not help
        sys.modules[name] = None  # type: ignore[assignment]


def run(source: str) -> int:
    """Execute `source` like a REPL: the value of a last line that is an expression is printed. Returns the exit status."""
    names: dict[str, object] = {"__name__": "__main__"}
    try:
        tree = ast.parse(source, "<code>")
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "<code>", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<code>", "eval"), names)
            if value is not None:
                print(repr(value))
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException as problem:  # noqa: BLE001 - whatever the code raises is its output, as in any interpreter
        trace = problem.__traceback__
        lines = traceback.format_exception(type(problem), problem, trace.tb_next if trace else None, limit=-8)
        print("".join(lines), file=sys.stderr, end="")
        return 1
    return 0


if __name__ == "__main__":
    text = sys.stdin.buffer.read().decode("utf-8", "replace")
    shut_in()
    status = run(text)
    sys.stdout.flush()
    os._exit(status)  # exit handlers of the code are not ours to wait for
