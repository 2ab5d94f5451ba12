"""`run.json`: where a running `busagents up` is and how to reach its bus; and the lock that allows one per data folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from busagents.errors import UsageError

_FILE = "run.json"
_LOCK = "up.lock"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class RunInfo(msgspec.Struct, frozen=True):
    """What `run.json` holds. It carries the bus password, so the file is readable by its owner only (0600)."""

    pid: int
    boot_id: str
    nats_url: str
    nats_user: str | None
    nats_password: str | None
    started_at: str
    durability: str  # "process", "power", or "external" for a server that somebody else runs
    control: str  # path of the control socket

    def __repr__(self) -> str:  # a traceback or a log line must not show the password
        return f"RunInfo(pid={self.pid}, nats_url={self.nats_url!r})"


def boot_id() -> str:
    """The kernel's id of this boot."""
    return _BOOT_ID.read_text().strip()


@contextlib.contextmanager
def hold_data_dir(data_dir: Path) -> Iterator[None]:
    """Make `data_dir` (mode 0700) and be the only supervisor on it until the block ends.

    The kernel drops the lock when the process ends, however it ends, so it is never stale.

    Raises:
        UsageError: another `busagents up` runs on it (named by its pid), or the folder cannot be made.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(data_dir / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"cannot write to {data_dir} ({error.strerror}): choose another folder with --data-dir") from None
    try:
        if not _locked_within(lock, seconds=0.3):
            running = _read(data_dir)
            pid = f" (pid {running.pid})" if running else ""
            raise UsageError(
                f"`busagents up` already runs on {data_dir}{pid}: stop it with `busagents down`,"
                " or start another one with --data-dir"
            )
        yield
    finally:
        os.close(lock)


def _locked_within(lock: int, *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds  # a reader may hold it for a moment: see read_run
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        else:
            return True


def write_run(data_dir: Path, info: RunInfo) -> None:
    """Write `run.json`, whole or not at all."""
    path = data_dir / f"{_FILE}.new"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(info))
    path.replace(data_dir / _FILE)


def remove_run(data_dir: Path) -> None:
    """Remove `run.json` at the end of a run."""
    (data_dir / _FILE).unlink(missing_ok=True)


def read_run(data_dir: Path) -> RunInfo | None:
    """The running supervisor of `data_dir`, or None: there is none, or the file is left from one that was killed."""
    info = _read(data_dir)
    if info is None or info.boot_id != boot_id():
        return None
    try:
        lock = os.open(data_dir / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return info
    finally:
        os.close(lock)
    return None


def _read(data_dir: Path) -> RunInfo | None:
    try:
        return msgspec.json.decode((data_dir / _FILE).read_bytes(), type=RunInfo)
    except (OSError, msgspec.DecodeError):
        return None
