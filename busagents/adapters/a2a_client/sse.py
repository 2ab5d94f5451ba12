"""Server-sent events: the lines of a response become the data of its events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from busagents.ports.remote import RemoteInvalid


async def events(chunks: AsyncIterator[bytes], *, max_size: int) -> AsyncGenerator[bytes]:
    """The `data` of each event, joined as the standard says; comments and all other fields are left out.

    Raises:
        RemoteInvalid: an event is above `max_size` bytes.
    """
    data: list[bytes] = []
    size = 0
    async for line in _lines(chunks, max_size):
        if not line:
            if data:
                yield b"\n".join(data)
            data, size = [], 0
        elif line.startswith(b"data"):
            name, _, value = line.partition(b":")
            if name == b"data":
                size += len(value)
                if size > max_size:
                    raise RemoteInvalid(f"the remote agent sent an event of more than {max_size} bytes")
                data.append(value.removeprefix(b" "))


async def _lines(chunks: AsyncIterator[bytes], max_size: int) -> AsyncGenerator[bytes]:
    """The lines, which end with CR LF, LF or CR. What is behind the last end is no line."""
    rest: list[bytes] = []
    size = 0
    after_cr = False
    async for chunk in chunks:
        if after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]  # the second half of an end of line
            after_cr = False
        if not chunk:
            continue
        after_cr = chunk.endswith(b"\r")
        *whole, last = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in whole:
            yield b"".join((*rest, line))
            rest, size = [], 0
        if last:
            rest.append(last)
            size += len(last)
            if size > max_size:
                raise RemoteInvalid(f"the remote agent sent a line of more than {max_size} bytes")
