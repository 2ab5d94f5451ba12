"""Which source files changed, for `--reload`: modification times, looked at twice a second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


def source_of(ref: str) -> Path:
    """The file that defines a participant: of `path/to/file.py:name` the path, of `package.module:name` the module's."""
    place = ref.partition(":")[0]
    if place.endswith(".py"):
        return Path(place).absolute()
    base = Path(*place.split(".")).absolute()
    package = base / "__init__.py"
    return package if package.is_file() else base.with_suffix(".py")


class SourceWatch:
    """The Python files below the folders, and beside the single modules, that `up` was given."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._seen = self._scan()

    def changed(self) -> set[Path]:
        """Files that are new, gone or newer since the last call."""
        now = self._scan()
        before, self._seen = self._seen, now
        return {path for path in before.keys() | now.keys() if before.get(path) != now.get(path)}

    def _scan(self) -> dict[Path, tuple[int, int]]:
        seen: dict[Path, tuple[int, int]] = {}
        for file in self._files():
            try:
                stat = file.stat()
            except FileNotFoundError:
                continue
            seen[file] = (stat.st_mtime_ns, stat.st_size)
        return seen

    def _files(self) -> Iterable[Path]:
        for path in self._paths:
            folder = Path(path).absolute()
            if folder.is_dir():
                yield from (file for file in folder.rglob("*.py") if not _hidden(file.relative_to(folder)))
            else:
                yield source_of(path)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)
