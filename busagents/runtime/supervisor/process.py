"""One forked child as the supervisor sees it: its pid, what it prints, what it reports, and how it ended."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable

import msgspec

from busagents.runtime.status import Hold

_READ_BYTES = 256 * 1024
_STATUS_PAUSE = 0.05
_TAIL_LINES = 20


class _StatusLine(msgspec.Struct):
    ready: bool = False
    at: str = ""
    hold: str = ""
    session: str = ""
    thread: str = ""
    task: str = ""
    release: str = ""
    failed: str = ""


class ChildProcess:
    """A running or ended child. `on_line` gets each line it prints, without its end."""

    def __init__(self, name: str, *, output_fd: int, status_fd: int, on_line: Callable[[str], None]) -> None:
        self.name = name
        self.pid = 0
        self.ready = asyncio.Event()
        self.at = ""  # the URL it serves, if it said one
        self.failed = ""  # why it said a restart would not help
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self.lines: list[bytes] = []  # status lines that are not of the protocol, as sent
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._holds: dict[str, Hold] = {}
        self._on_line = on_line
        self._decoder = msgspec.json.Decoder(_StatusLine)
        self._output = _LinePipe(output_fd, self._printed, pause=0.0)
        self._status = _LinePipe(status_fd, self._reported, pause=_STATUS_PAUSE)

    def working_on(self) -> list[Hold]:
        """The deliveries it holds, oldest first, as of at most 50 ms ago."""
        self._status.read()
        return list(self._holds.values())

    def end(self, status: int) -> None:
        """It was reaped: read what is left in its pipes, close them, and wake who waits for `exited`."""
        self._output.drain()
        self._status.drain()
        if not self.exited.done():
            self.exited.set_result(status)

    def _printed(self, line: bytes) -> None:
        text = line.decode(errors="replace")
        self.tail.append(text)
        self._on_line(text)

    def _reported(self, raw: bytes) -> None:
        try:
            line = self._decoder.decode(raw)
        except msgspec.DecodeError:
            self._printed(b"unreadable status line: " + raw[:200])
            return
        if line.hold:
            self._holds[line.hold] = Hold(line.hold, line.session, line.thread, line.task)
        elif line.release:
            self._holds.pop(line.release, None)
        elif line.failed:
            self.failed = line.failed
            self.ready.set()
        elif line.ready:
            self.at = line.at
            self.ready.set()
        else:
            self.lines.append(raw)


class _LinePipe:
    """The reading end of a pipe, cut into lines. After each read it rests `pause` seconds, so that a busy child
    that reports thousands of lines a second wakes the supervisor twenty times, not thousands."""

    def __init__(self, fd: int, on_line: Callable[[bytes], None], *, pause: float) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._on_line = on_line
        self._pause = pause
        self._rest = b""
        self._open = True
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(fd, self._readable)

    def read(self) -> bool:
        """Read what is there. False at the end of the pipe."""
        while self._open:
            try:
                data = os.read(self._fd, _READ_BYTES)
            except BlockingIOError:
                return True
            if not data:
                return False
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._on_line(line)
        return False

    def drain(self) -> None:
        """Read what is left and close. A grandchild may still hold the other end: it is not waited for."""
        if not self._open:
            return
        self.read()
        if self._rest:
            self._on_line(self._rest)
            self._rest = b""
        self._close()

    def _readable(self) -> None:
        if not self.read():
            self._close()
        elif self._pause:
            self._loop.remove_reader(self._fd)
            self._loop.call_later(self._pause, self._resume)

    def _resume(self) -> None:
        if self._open:
            self._loop.add_reader(self._fd, self._readable)

    def _close(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
