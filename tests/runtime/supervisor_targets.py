"""What the children of the supervisor's tests run. Imported by name in forked processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

from busagents.runtime.status import StatusWriter


def report(payload: dict[str, Any], status_fd: int) -> None:
    """Print and report ready, then end with the status asked for."""
    print("to stdout:", payload["word"])
    print("to stderr", file=sys.stderr)
    StatusWriter(status_fd).ready()
    raise SystemExit(payload.get("status", 0))


def wait(payload: dict[str, Any], status_fd: int) -> None:
    """Report ready and wait for a signal."""
    StatusWriter(status_fd).ready()
    signal.pause()


def hold_and_wait(payload: dict[str, Any], status_fd: int) -> None:
    """Hold two deliveries and wait for a signal."""
    status = StatusWriter(status_fd)
    for number in range(2):
        status.hold(f"{os.getpid()}-{number}", session="s", thread="main", task="t")
    status.ready()
    signal.pause()


def parent_of_one(payload: dict[str, Any], status_fd: int) -> None:
    """Start a process of its own, print its pid, and wait for a signal."""
    started = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    print(started.pid)
    StatusWriter(status_fd).ready()
    signal.pause()


def crash(payload: dict[str, Any], status_fd: int) -> None:
    """Raise."""
    raise ValueError("a defect")


def refuse(payload: dict[str, Any], status_fd: int) -> None:
    """Say that a restart would not help."""
    StatusWriter(status_fd).failed("no key")
    raise SystemExit(2)
