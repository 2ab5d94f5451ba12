"""Named places where a test may kill this process. Off, they cost one truth test.

`BUSAGENTS_FAILPOINTS="after:model.requested=/tmp/marker"` kills the process (SIGKILL) the first time it comes by that place;
the marker file, made just before, keeps its successors alive. Several are separated by `;`.

    before:<event type>   before the entry with that event is stored       after:<event type>   after it was stored
    before:ack            the task ended, its delivery is not acknowledged  delta:<n>            in a stream, at its n-th chunk
    tool:before, tool:after   around a tool's body
"""

from __future__ import annotations

import os
import signal

_ARMED: dict[str, str] = {}


def arm(specification: str) -> None:
    """Arm the failpoints of a `BUSAGENTS_FAILPOINTS` value."""
    for part in filter(None, specification.split(";")):
        name, _, marker = part.partition("=")
        _ARMED[name] = marker


def armed() -> bool:
    """Whether any failpoint is armed."""
    return bool(_ARMED)


def hit(name: str) -> None:
    """Die here if this failpoint is armed and has not killed a process before."""
    marker = _ARMED.get(name)
    if marker is None:
        return
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
