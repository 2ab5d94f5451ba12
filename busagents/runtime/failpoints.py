"""Named places where a test may kill this process. Off, they cost one truth test.

`BUSAGENTS_FAILPOINTS="after:model.requested=/tmp/marker"` kills the process (SIGKILL) the first time it comes by that place;
the marker file, made just before, keeps its successors alive. Several are separated by `;`. With `stop:/tmp/marker` the process
is stopped there (SIGSTOP) instead, and goes on from that place at a SIGCONT.

    before:<event type>   before the entry with that event is stored       after:<event type>   after it was stored
    before:send:<type>    before a message to another thread is stored     after:send:<type>    after it was stored
    before:ack            the task ended, its delivery is not acknowledged  delta:<n>            in a stream, at its n-th chunk
    tool:before, tool:after   around a tool's body
    pass:<n>              at the n-th passage by an append, a send or an acknowledgement, counted per process from 1

`trace=/tmp/file` kills nobody: each passage is a line in that file (monotonic nanoseconds, process id, number, names).
"""

from __future__ import annotations

import itertools
import os
import signal
import time

_ARMED: dict[str, str] = {}
_TRACE = "trace"
_STOP = "stop:"
_passages = itertools.count(1)


def arm(specification: str) -> None:
    """Arm the failpoints of a `BUSAGENTS_FAILPOINTS` value."""
    for part in filter(None, specification.split(";")):
        name, _, marker = part.partition("=")
        _ARMED[name] = marker


def armed() -> bool:
    """Whether any failpoint is armed."""
    return bool(_ARMED)


def passage(*names: str) -> None:
    """Come by an append, a send or an acknowledgement, which has these names: see hit(), and it is counted."""
    number = next(_passages)
    if _TRACE in _ARMED:
        _note(number, names)
    for name in (*names, f"pass:{number}"):
        hit(name)


def hit(name: str) -> None:
    """Die here if this failpoint is armed and has not killed a process before."""
    armed_with = _ARMED.get(name)
    if armed_with is None:
        return
    marker = armed_with.removeprefix(_STOP)
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL if marker == armed_with else signal.SIGSTOP)


def _note(number: int, names: tuple[str, ...]) -> None:
    line = f"{time.monotonic_ns()} {os.getpid()} {number} {','.join(names)}\n".encode()
    file = os.open(_ARMED[_TRACE], os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    try:
        os.write(file, line)
    finally:
        os.close(file)
