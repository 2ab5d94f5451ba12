"""What a child process tells its supervisor: JSON lines on an inherited pipe.

    {"ready": true, "at": url}                                 it serves its inbox, or callers at a URL
    {"hold": token, "session": …, "thread": …, "task": …}      it holds an inbox delivery
    {"release": token}                                         it no longer holds it
    {"failed": "why"}                                          it cannot start, and a restart would not help

When a child dies, the supervisor gives back every token it held, so that another process takes the work over at once
instead of after the redelivery timeout. Giving back a delivery that was acknowledged is harmless, giving back too few
costs that timeout; so a hold is written at once and a release may wait for the next line.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os

import msgspec

_PIPE_BYTES = 256 * 1024  # enough lines for several seconds in which the supervisor does not read
_RELEASE_DELAY = 0.05  # seconds a release may wait for company


class Hold(msgspec.Struct, frozen=True):
    """An inbox delivery in work. `hold` is the token by which it can be given back."""

    hold: str
    session: str
    thread: str
    task: str


class _Release(msgspec.Struct, frozen=True):
    release: str


class _Ready(msgspec.Struct, frozen=True):
    ready: bool = True
    at: str = ""


class _Failed(msgspec.Struct, frozen=True):
    failed: str


class StatusWriter:
    """The child's end. Never blocks and never loses the order; with fd None (no supervisor) it does nothing.

    Lines that the pipe has no room for are kept in memory and written when it has.
    """

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        self._buffer = bytearray()
        self._encode = msgspec.json.Encoder().encode
        self._flush_scheduled = False
        if fd is not None:
            os.set_blocking(fd, False)
            # Without the privilege or the quota the pipe stays at 64 KiB, and the buffer above takes the rest.
            with contextlib.suppress(OSError):
                fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def ready(self, at: str = "") -> None:
        """The participant serves its inbox; a gateway serves callers `at` a URL."""
        self._write(_Ready(at=at))

    def hold(self, token: str, *, session: str, thread: str, task: str) -> None:
        """A delivery is in work here."""
        self._write(Hold(token, session, thread, task))

    def release(self, token: str) -> None:
        """The delivery was acknowledged or given back. Written with the next line, at the latest after 50 ms."""
        if self._fd is None:
            return
        self._buffer += self._encode(_Release(token)) + b"\n"
        if not self._flush_soon():
            self.flush()

    def failed(self, message: str) -> None:
        """The participant cannot start, and a restart would not help: the supervisor does not try again."""
        self._write(_Failed(message))

    def flush(self) -> None:
        """Write what the pipe takes now; the rest follows when it has room."""
        while self._buffer and self._fd is not None:
            try:
                written = os.write(self._fd, self._buffer)
            except BlockingIOError:
                self._flush_soon()
                return
            except BrokenPipeError:  # the supervisor is gone, and its death ends this process too
                self._fd = None
                return
            del self._buffer[:written]

    def _write(self, line: msgspec.Struct) -> None:
        if self._fd is None:
            return
        self._buffer += self._encode(line) + b"\n"
        self.flush()

    def _flush_soon(self) -> bool:
        """Have flush() called in 50 ms. False without a running loop: then the caller, or the next line, flushes."""
        if self._flush_scheduled:
            return True
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        self._flush_scheduled = True
        loop.call_later(_RELEASE_DELAY, self._flush_scheduled_now)
        return True

    def _flush_scheduled_now(self) -> None:
        self._flush_scheduled = False
        self.flush()
