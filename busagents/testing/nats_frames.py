"""Splits a NATS byte stream into protocol frames: a control line, and the payload it announces."""

from __future__ import annotations

_WITH_PAYLOAD = (b"PUB ", b"HPUB ", b"MSG ", b"HMSG ")


class FrameSplitter:
    """One direction of one connection. Feed it bytes as they come."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are complete now, each with its line ends."""
        self._buffer += data
        frames = []
        while (size := self._next_size()) and size <= len(self._buffer):
            frames.append(bytes(self._buffer[:size]))
            del self._buffer[:size]
        return frames

    def _next_size(self) -> int:
        """Bytes of the first frame, 0 while its control line is incomplete."""
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return 0
        line = bytes(self._buffer[:end])
        if line[:5].upper().startswith(_WITH_PAYLOAD):
            return end + 2 + int(line.rsplit(b" ", 1)[1]) + 2
        return end + 2
