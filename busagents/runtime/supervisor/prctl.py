"""What Linux's prctl(2) gives a supervisor: children that die with their parent, and names that `ps` shows."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15

# Loaded at import: between fork and exec nothing may be loaded or allocated by the dynamic linker.
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Ask the kernel to SIGKILL this process when `parent` (its pid) ends. Call it in the child, after the fork.

    The signal follows the thread that forked, so children are forked from the main thread only.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died between the fork and the call above: no signal will come
        os._exit(1)


def set_process_name(name: str) -> None:
    """Set the name that `ps` and `top` show; the kernel keeps 15 bytes."""
    _libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)
