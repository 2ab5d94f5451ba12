"""The bus of one `up`: a nats-server of our own on a chosen port, or somebody else's at an address."""

from __future__ import annotations

import secrets
import shutil
import socket
from pathlib import Path

from busagents.errors import PortBusy
from busagents.runtime.supervisor.nats_config import Credentials
from busagents.runtime.supervisor.nats_server import NatsServer
from busagents.settings import Durability

DEFAULT_PORT = 4222
_PORTS_TRIED = 50


def own_server(data_dir: Path, *, durability: Durability, ephemeral: bool, port: int | None) -> NatsServer:
    """A server with fresh credentials, not started. `ephemeral` keeps its store in a folder of its own, emptied first.

    `port` None: 4222, or the next free one; 0: any free one.

    Raises:
        PortBusy: `port` was named and is taken.
    """
    folder = data_dir / "ephemeral" if ephemeral else data_dir
    if ephemeral:
        shutil.rmtree(folder, ignore_errors=True)  # left behind by an `up` that was killed
    credentials = Credentials("busagents", secrets.token_urlsafe(24))
    return NatsServer(folder, durability=durability, port=_choose_port(port), credentials=credentials)


def _choose_port(port: int | None) -> int | None:
    if port == 0:
        return None
    if port is not None:
        if not _is_free(port):
            raise PortBusy(
                f"--nats-port {port} is taken by another process: end it, name another port or none,"
                f" or connect to it with --nats nats://127.0.0.1:{port}"
            )
        return port
    return next((p for p in range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TRIED) if _is_free(p)), None)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
