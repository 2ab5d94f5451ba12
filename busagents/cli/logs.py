"""`busagents logs`: what the processes printed, from the files that `up` keeps."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from busagents.cli.options import DataDir, Json
from busagents.cli.output import emit_json, emit_text

_NAME = "One process, as in `busagents ps`, or `nats-server` or `up`; without it, every participant."
_POLL = 0.2
_BY_NAME_ONLY = ("nats-server", "up")  # the server talks much; what a detached `up` printed repeats the others


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("logs")(logs)


def logs(
    name: Annotated[str | None, typer.Argument(help=_NAME)] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is printed from now on.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="How many of the last lines of each process to show first.")
    ] = 100,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show what the processes printed, also of a system that does not run any more."""
    from busagents.cli.supervisor_client import data_folder

    folder = data_folder(data_dir) / "logs"
    files = _files(folder, name)
    tails = {path: _Tail(path) for path in files}
    for path, tail in tails.items():
        _show(path, deque(tail.read(), maxlen=lines), prefix=name is None, as_json=as_json)
    while follow:
        time.sleep(_POLL)
        for path in _files(folder, name):
            tail = tails.setdefault(path, _Tail(path))
            _show(path, tail.read(), prefix=name is None, as_json=as_json)


def _files(folder: Path, name: str | None) -> list[Path]:
    from busagents.errors import NotFound

    known = sorted(folder.glob("*.log"))
    found = [path for path in known if (path.stem == name if name else path.stem not in _BY_NAME_ONLY)]
    if not found and (name is not None or not known):
        if not known:
            raise NotFound(f"there are no logs in {folder}: run `busagents up`, or name its folder with --data-dir")
        raise NotFound(f"no process named {name!r} has a log in {folder}: there are {', '.join(path.stem for path in known)}")
    return found


class _Tail:
    """Reads a file on from where it was read to, also after it was rotated."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")
        self._rest = b""

    def read(self) -> Iterator[str]:
        """The whole lines that are there now."""
        yield from self._lines()
        if self._rotated():
            self._file.close()
            self._file = self._path.open("rb")
            self._rest = b""
            yield from self._lines()

    def _lines(self) -> Iterator[str]:
        while data := self._file.read(1 << 20):
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace")

    def _rotated(self) -> bool:
        import os

        try:
            now = self._path.stat()
        except FileNotFoundError:
            return False
        return now.st_ino != os.fstat(self._file.fileno()).st_ino


def _show(path: Path, lines: Iterator[str] | deque[str], *, prefix: bool, as_json: bool) -> None:
    for line in lines:
        if as_json:
            emit_json({"name": path.stem, "line": line})
        else:
            emit_text(f"{path.stem} | {line}" if prefix else line)
