"""Text from stdin: UTF-8 whatever the locale says, and lines that a Ctrl-C need not wait for."""

from __future__ import annotations

import asyncio
import os
import sys


def read_prompt(limit: int) -> str:
    """All of stdin, if it has no more than `limit` bytes.

    Raises:
        InvalidInput: more, or not UTF-8.
    """
    from busagents.errors import InvalidInput

    data = sys.stdin.buffer.read(limit + 1)
    if len(data) > limit:
        raise InvalidInput(f"stdin has more than {limit} bytes, the most a prompt may have: put the material into a file")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"stdin is not UTF-8 text ({error.reason} at byte {error.start}): convert it, e.g. with iconv"
        ) from None


class Lines:
    """The lines of stdin. Bytes that are not UTF-8 become lone surrogates, which no prompt may hold."""

    def __init__(self) -> None:
        self._waiting = b""
        self._ended = False
        self._reading: asyncio.Future[bytes] | None = None

    async def next(self) -> str | None:
        """The next line, or None at the end. Canceled, it leaves the line to the next call."""
        while b"\n" not in self._waiting and not self._ended:
            piece = await self._read()
            self._waiting += piece
            self._ended = not piece
        line, newline, self._waiting = self._waiting.partition(b"\n")
        return line.decode(errors="surrogateescape") if line or newline else None

    async def _read(self) -> bytes:
        from busagents.runtime.daemon_thread import in_thread

        if self._reading is None:
            # Not sys.stdin: its lock, held by a thread that waits, would make the interpreter's end fail.
            self._reading = asyncio.ensure_future(in_thread(lambda: os.read(0, 65536)))
        piece = await asyncio.shield(self._reading)  # the thread that reads cannot be stopped
        self._reading = None
        return piece
