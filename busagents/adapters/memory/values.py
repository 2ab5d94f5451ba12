"""Small values by key in memory, changed only by who has read them."""

from __future__ import annotations


class MemoryValues:
    """As adapters.jetstream.values, for who shares the object."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[bytes, int]] = {}
        self._revision = 0

    async def read(self, key: str) -> tuple[bytes, int] | None:
        """The value and its revision, if it is there."""
        return self._values.get(key)

    async def write(self, key: str, value: bytes | None, *, revision: int) -> bool:
        """Replace the value of that revision (0: there is none; None as value: remove it). False: somebody else was first."""
        if self._values.get(key, (b"", 0))[1] != revision:
            return False
        self._revision += 1
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = (value, self._revision)
        return True
