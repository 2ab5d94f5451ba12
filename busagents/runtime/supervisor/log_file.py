"""A child's printed lines on disk, rotated by size."""

from __future__ import annotations

from pathlib import Path

_MOST_BYTES = 10 * 1024 * 1024
_KEPT = 3


class RotatingLog:
    """Appends lines to `path`. At 10 MB the file becomes `path.1`, that one `path.2`, and so on; three are kept."""

    def __init__(self, path: Path, *, most_bytes: int = _MOST_BYTES) -> None:
        self._path = path
        self._most_bytes = most_bytes
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._size = path.stat().st_size

    def write(self, line: str) -> None:
        """Append one line. A full disk loses the line, not the child."""
        data = line.encode(errors="replace") + b"\n"
        if self._size + len(data) > self._most_bytes and self._size:
            self._rotate()
        try:
            self._size += self._file.write(data)
        except OSError:
            return

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        for number in range(_KEPT, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            newer = self._path.with_name(f"{self._path.name}.{number - 1}") if number > 1 else self._path
            if newer.exists():
                newer.replace(older)
        self._file = self._path.open("ab", buffering=0)
        self._size = 0
