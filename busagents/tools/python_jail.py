"""What the interpreter of python_repl runs: takes rights away from itself, then executes the source from stdin.

Run as a script by `python -I -S`, so it imports the standard library only. Layers, each tried on its own because
containers and older kernels lack some: rlimits (everywhere), user, network and IPC namespaces, Landlock (which files can
be read), seccomp (no writing, no processes, no sockets, no signals; Linux on x86-64 and ARM64).
That stops accidents and known attacks, not an attacker with a kernel exploit. Without Landlock (before Linux 5.13, or
refused by a container) the code can read whatever this user can read, the worker's environment with its keys included.
Without seccomp (other systems than Linux) it can do what this user can do, within the rlimits. Then, and for code of
people you do not trust at all, run the participant in a container or a virtual machine.
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
_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446  # the same on every architecture
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_ALL_FILE_RIGHTS = (1 << 13) - 1  # Landlock ABI 1: everything on files and folders

# seccomp refuses every call but these, which compute, wait, and use what is open already. The numbers are per architecture.
_ALLOWED = {
    "x86_64": (
        0, 1, 3, 4, 5, 6, 7, 8,  # read write close stat fstat lstat poll lseek
        9, 10, 11, 12, 13, 14, 15,  # mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn
        17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,  # pread64 readv writev access pipe select sched_yield mremap msync mincore madvise
        32, 33, 34, 35, 36, 37, 38, 39,  # dup dup2 pause nanosleep getitimer alarm setitimer getpid
        45, 51, 53, 55, 60, 63,  # recvfrom getsockname socketpair getsockopt exit uname
        78, 79, 80, 89, 95, 96, 97, 98, 99, 100,  # getdents getcwd chdir readlink umask gettimeofday getrlimit getrusage sysinfo times
        102, 104, 107, 108, 110, 111, 115,  # getuid getgid geteuid getegid getppid getpgrp getgroups
        131, 137, 138, 186, 201, 202, 204,  # sigaltstack statfs fstatfs gettid time futex sched_getaffinity
        213, 217, 219, 228, 229, 230, 231,  # epoll_create getdents64 restart_syscall clock_gettime clock_getres clock_nanosleep exit_group
        232, 233, 262, 267, 269, 270, 271, 273,  # epoll_wait epoll_ctl newfstatat readlinkat faccessat pselect6 ppoll set_robust_list
        281, 290, 291, 292, 293, 309, 318, 324,  # epoll_pwait eventfd2 epoll_create1 dup3 pipe2 getcpu getrandom membarrier
        332, 334, 436, 439,  # statx rseq close_range faccessat2
    ),
    "aarch64": (
        17, 19, 20, 21, 22, 23, 24, 43, 44,  # getcwd eventfd2 epoll_create1 epoll_ctl epoll_pwait dup dup3 statfs fstatfs
        48, 49, 57, 59, 61, 62, 63, 64, 65, 66, 67,  # faccessat chdir close pipe2 getdents64 lseek read write readv writev pread64
        72, 73, 78, 79, 80, 93, 94, 98, 99,  # pselect6 ppoll readlinkat newfstatat fstat exit exit_group futex set_robust_list
        101, 102, 103, 113, 114, 115,  # nanosleep getitimer setitimer clock_gettime clock_getres clock_nanosleep
        123, 124, 128, 132, 134, 135, 139,  # sched_getaffinity sched_yield restart_syscall sigaltstack rt_sigaction rt_sigprocmask rt_sigreturn
        153, 158, 160, 163, 165, 166, 168, 169,  # times getgroups uname getrlimit getrusage umask getcpu gettimeofday
        172, 173, 174, 175, 176, 177, 178, 179,  # getpid getppid getuid geteuid getgid getegid gettid sysinfo
        199, 204, 207, 209, 214, 215, 216,  # socketpair getsockname recvfrom getsockopt brk munmap mremap
        222, 226, 227, 232, 233, 278, 283, 291, 293, 436, 439,  # mmap mprotect msync mincore madvise getrandom membarrier statx rseq close_range faccessat2
    ),
}  # fmt: skip
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_OPEN = {"x86_64": ((2, 1), (257, 2)), "aarch64": ((56, 2),)}  # open and openat, and which argument holds the flags
_FCNTL = {"x86_64": 72, "aarch64": 25}
_IOCTL = {"x86_64": 16, "aarch64": 29}
_SENDTO = {"x86_64": 44, "aarch64": 206}
_WRITING = 0x1 | 0x2 | 0x40 | 0x200  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC
_FCNTL_COMMANDS = (0, 1, 2, 3, 4, 1030)  # duplicate, flags; not F_SETOWN and F_SETSIG, which signal any process of this user
_IOCTL_COMMANDS = (0x5421,)  # FIONBIO, for asyncio's own socket pair
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # classic BPF
_ALLOW, _REFUSE = (_RETURN, 0, 0, 0x7FFF0000), (_RETURN, 0, 0, 0x00050001)  # the latter: fail with EPERM


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
    """Move into user, network and IPC namespaces of its own: no interface that is up, no shared memory of others."""
    return bool(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC) == 0)


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
    """seccomp: every call that is not listed, and all calls of a foreign ABI, fail with EPERM."""
    machine = platform.machine()
    if machine not in _ALLOWED or not sys.maxsize > 2**32:
        return False
    program = call_filter(machine)
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    header = struct.pack("@HP", len(program), ctypes.addressof(code))
    return bool(libc.prctl(_PR_SET_SECCOMP, 2, header, 0, 0) == 0)


def call_filter(machine: str) -> list[tuple[int, int, int, int]]:
    """The BPF program over struct seccomp_data: number at 0, architecture at 4, low word of argument n at 16 + 8 n."""
    program = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, _AUDIT_ARCH[machine]), _REFUSE]
    program += [(_LOAD, 0, 0, 0), (_AT_LEAST, 0, 1, 0x40000000), _REFUSE]  # x32 calls share the architecture
    for number in _ALLOWED[machine]:
        program += [(_EQUAL, 0, 1, number), _ALLOW]
    for number, flags in _OPEN[machine]:
        program += [(_EQUAL, 0, 4, number), (_LOAD, 0, 0, 16 + 8 * flags), (_ANY_BIT, 0, 1, _WRITING), _REFUSE, _ALLOW]
    for number, commands in ((_FCNTL[machine], _FCNTL_COMMANDS), (_IOCTL[machine], _IOCTL_COMMANDS)):
        program += [(_EQUAL, 0, 2 + 2 * len(commands), number), (_LOAD, 0, 0, 16 + 8)]
        for command in commands:
            program += [(_EQUAL, 0, 1, command), _ALLOW]
        program.append(_REFUSE)
    # sendto without an address writes to its own pair; with one, a datagram socket of a pair reaches any Unix socket.
    program += [
        (_EQUAL, 0, 5, _SENDTO[machine]),
        (_LOAD, 0, 0, 48),
        (_EQUAL, 0, 3, 0),
        (_LOAD, 0, 0, 52),
        (_EQUAL, 0, 1, 0),
        _ALLOW,
    ]
    return [*program, _REFUSE]


def shut_in(parent: int) -> None:
    """Apply every layer that this machine has, from the one that needs most rights to the one that needs none.

    `parent` is the pid of the worker.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # die with the worker
        if os.getppid() != parent:  # it died before that
            os._exit(1)
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
        if leaving.code is None or isinstance(leaving.code, int):
            return leaving.code or 0
        print(leaving.code)
        return 1
    except BaseException as problem:  # noqa: BLE001 - whatever the code raises is its output, as in any interpreter
        trace = problem.__traceback__
        lines = traceback.format_exception(type(problem), problem, trace.tb_next if trace else None, limit=-8)
        print("".join(lines), end="")
        return 1
    return 0


if __name__ == "__main__":
    text = sys.stdin.buffer.read().decode("utf-8", "replace")
    sys.stdout = sys.stderr = open(1, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115 - kept open; by lines, so that output and errors keep their order, and what was printed survives a kill
    shut_in(int(sys.argv[1]))
    status = run(text)
    with contextlib.suppress(AttributeError, OSError, ValueError):  # the code may have closed or replaced it
        sys.stdout.flush()
    os._exit(status)  # exit handlers of the code are not ours to wait for
