"""One folder that file tools may touch, and no way out of it.

Each step of a path is opened relative to the folder before it and never through a symbolic link (openat with
O_NOFOLLOW), so that neither `..`, nor an absolute path, nor a link made between check and use leads outside.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from busagents.errors import NotFound, ToolArgumentsInvalid
from busagents.settings import load_settings

MAX_BYTES = 1024 * 1024  # of one file
MAX_ENTRIES = 500  # of one listing
MAX_DEPTH = 32  # of folders in folders; a listing holds one open file per level
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TEMPORARY = ".busagents-"  # prefix of files that are being written


class Entry(msgspec.Struct, frozen=True):
    """A file (`size` in bytes) or a folder (path ends in `/`)."""

    path: str
    size: int = 0


class Workspace:
    """Reads and writes UTF-8 text files below `root`, which is made when it is missing."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, path: str, content: str) -> int:
        """Replace the file with `content` in one step and return its size in bytes; missing folders are made.

        Raises:
            ToolArgumentsInvalid: the path leads outside or is a folder, or the content is too large.
        """
        data = content.encode("utf-8", "replace")
        if len(data) > MAX_BYTES:
            raise ToolArgumentsInvalid(f"the content has {len(data)} bytes, the limit is {MAX_BYTES}: write several files")
        *folders, name = _steps(path)
        with _in_words(path), self._open_folder(folders, make=True) as folder:
            if _is_folder(folder, name):
                raise ToolArgumentsInvalid(f"{path!r} is a folder: name a file in it")
            _replace(folder, name, data)
        return len(data)

    def read(self, path: str) -> str:
        """The file's text.

        Raises:
            NotFound: there is no such file.
            ToolArgumentsInvalid: the path leads outside, or it is no UTF-8 text file within the size limit.
        """
        *folders, name = _steps(path)
        with _in_words(path), self._open_folder(folders) as folder:
            # O_NONBLOCK: opening a named pipe would otherwise wait for a writer.
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            with os.fdopen(fd, "rb") as file:
                status = os.fstat(fd)
                if not stat.S_ISREG(status.st_mode):
                    raise ToolArgumentsInvalid(f"{path!r} is not a file; list folders with file_list")
                data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ToolArgumentsInvalid(f"{path!r} has {status.st_size} bytes, the limit is {MAX_BYTES}")
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise ToolArgumentsInvalid(f"{path!r} is not UTF-8 text ({len(data)} bytes of something else)") from None

    def entries(self, path: str = "") -> list[Entry]:
        """What is in a folder and below it, sorted by path, at most MAX_ENTRIES. Links are not shown.

        Raises:
            NotFound: there is no such folder.
            ToolArgumentsInvalid: the path leads outside or is no folder.
        """
        steps = [] if path in ("", ".", "/") else _steps(path)
        with _in_words(path), self._open_folder(steps) as folder:
            found: list[Entry] = []
            _walk(folder, "/".join(steps), found)
        return found

    @contextmanager
    def _open_folder(self, steps: list[str], *, make: bool = False) -> Iterator[int]:
        self._root.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # the root itself is the operator's choice
        try:
            for step in steps:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(step, dir_fd=fd)
                deeper = os.open(step, _FOLDER, dir_fd=fd)
                os.close(fd)
                fd = deeper
            yield fd
        finally:
            os.close(fd)


def open_workspace() -> Workspace:
    """The workspace the settings name (BUSAGENTS_WORKSPACE, default `workspace` in the current folder)."""
    return Workspace(load_settings().workspace)


def _steps(path: str) -> list[str]:
    steps = [step for step in path.split("/") if step not in ("", ".")]
    if not path.isprintable():  # control characters could forge a line of a listing; surrogates cannot be stored
        raise ToolArgumentsInvalid(f"{path[:200]!r} has characters that cannot be printed: use letters, digits, '-', '_', '.'")
    if len(steps) > MAX_DEPTH:
        raise ToolArgumentsInvalid(f"the path has {len(steps)} steps, the limit is {MAX_DEPTH}: use fewer folders")
    if path.startswith(("/", "~")) or ".." in steps or "\\" in path:
        raise ToolArgumentsInvalid(
            f"{path[:200]!r} may lead out of the workspace: use a relative path such as 'notes/report.md', without '..'"
        )
    if not steps or steps[-1].startswith(_TEMPORARY):
        raise ToolArgumentsInvalid(f"{path[:200]!r} names no file: use a relative path such as 'notes/report.md'")
    return steps


@contextmanager
def _in_words(path: str) -> Iterator[None]:
    """Say what the operating system refused."""
    try:
        yield
    except FileNotFoundError:
        raise NotFound(f"there is no {path[:200]!r} in the workspace: file_list shows what there is") from None
    except OSError as problem:
        if problem.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
            reason = "a step of it is no folder, or is a symbolic link, which could lead out of the workspace"
        elif problem.errno in (errno.EISDIR, errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ENXIO):
            reason = os.strerror(problem.errno)
        else:  # a full disk is not the path's fault
            raise
        raise ToolArgumentsInvalid(f"{path[:200]!r} cannot be used: {reason}") from None


def _is_folder(folder: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _replace(folder: int, name: str, data: bytes) -> None:
    """Write beside and rename over: a reader sees the old file or the new one. A link under `name` is replaced itself."""
    temporary = _TEMPORARY + secrets.token_hex(8)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except BaseException:  # also when the call is canceled: leave no half file behind
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
        raise


def _walk(folder: int, prefix: str, found: list[Entry], depth: int = 0) -> None:
    for name in sorted(os.listdir(folder)):
        if len(found) >= MAX_ENTRIES:
            return
        if name.startswith(_TEMPORARY) or not name.isprintable():
            continue
        path = f"{prefix}/{name}" if prefix else name
        with suppress(OSError):  # it was removed or changed meanwhile, or may not be read: leave it out
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                found.append(Entry(path, status.st_size))
            if not stat.S_ISDIR(status.st_mode):
                continue
            found.append(Entry(path + "/"))
            if depth == MAX_DEPTH:
                continue
            deeper = os.open(name, _FOLDER, dir_fd=folder)
            try:
                _walk(deeper, path, found, depth + 1)
            finally:
                os.close(deeper)
