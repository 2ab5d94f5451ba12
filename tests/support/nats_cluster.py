"""The three-node cluster of compose.yaml as processes of this machine: the same settings file, ports of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.request import urlopen

from busagents.runtime.supervisor.nats_config import Credentials, find_nats_server
from busagents.runtime.supervisor.prctl import die_with_parent

SETTINGS = Path(__file__).resolve().parents[2] / "deploy" / "nats-cluster.conf"
NAMES = ("nats-1", "nats-2", "nats-3")
PATIENCE = 60.0  # seconds until a node that must become healthy has failed
_PORTS = range(10_000, 30_000)  # below what the kernel gives to outgoing connections: nobody takes one between two starts


class Node:
    """One server. `kill` and `start` as often as wanted; its store and its ports stay."""

    def __init__(self, name: str, folder: Path, credentials: Credentials, ports: tuple[int, int, int], routes: list[int]) -> None:
        self.name = name
        self.process: asyncio.subprocess.Process | None = None
        clients, self._monitor, peers = ports
        self.url = f"nats://127.0.0.1:{clients}"
        self.log = folder / f"{name}.log"
        self._environment = {
            "NATS_NAME": name,
            "NATS_CLIENTS": f"127.0.0.1:{clients}",
            "NATS_MONITOR": f"127.0.0.1:{self._monitor}",
            "NATS_PEERS": f"127.0.0.1:{peers}",
            "NATS_ROUTES": json.dumps([f"nats://{credentials.user}:{credentials.password}@127.0.0.1:{port}" for port in routes]),
            "NATS_USER": json.dumps(credentials.user),
            "NATS_PASSWORD": json.dumps(credentials.password),
            "NATS_STORE": json.dumps(str(folder / name)),
            "NATS_MAX_STORE": "1GB",
        }

    async def start(self) -> None:
        """Start it. `healthy` tells when it is part of the cluster."""
        parent = os.getpid()
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                str(find_nats_server()), "--config", str(SETTINGS),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self._environment},
                preexec_fn=lambda: die_with_parent(parent),
            )  # fmt: skip

    async def healthy(self) -> None:
        """Wait until it knows the cluster's leader and its copies are current."""
        async with asyncio.timeout(PATIENCE):
            while not await asyncio.to_thread(self._probe):
                assert self.process is not None
                assert self.process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.05)

    def _probe(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self._monitor}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:  # not listening yet, or 503: not part of it yet
            return False

    async def kill(self) -> None:
        """SIGKILL: as a machine that is gone."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


class NatsCluster:
    """Three nodes. `url` names them all."""

    def __init__(self, folder: Path) -> None:
        self.credentials = Credentials("busagents", secrets.token_hex(16))
        ports = _free_ports(9)
        routes = ports[6:]
        self.nodes = [
            Node(name, folder, self.credentials, (ports[n], ports[3 + n], ports[6 + n]), routes) for n, name in enumerate(NAMES)
        ]

    @property
    def url(self) -> str:
        return ",".join(node.url for node in self.nodes)

    @property
    def environment(self) -> dict[str, str]:
        """What processes on this cluster need to know."""
        return {
            "BUSAGENTS_NATS_URL": self.url,
            "BUSAGENTS_NATS_USER": self.credentials.user,
            "BUSAGENTS_NATS_PASSWORD": self.credentials.password,
            "BUSAGENTS_REPLICAS": "3",
        }

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    async def start(self) -> None:
        """Start what does not run, and wait until all nodes are healthy."""
        for node in self.nodes:
            if node.process is None or node.process.returncode is not None:
                await node.start()
        await asyncio.gather(*(node.healthy() for node in self.nodes))


@asynccontextmanager
async def nats_cluster(folder: Path) -> AsyncIterator[NatsCluster]:
    """A healthy cluster until the block ends; it dies with this process, however that ends."""
    cluster = NatsCluster(folder)
    try:
        await cluster.start()
        yield cluster
    finally:
        for node in cluster.nodes:
            await node.kill()


def _free_ports(count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        port = random.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in found:
                found.append(port)
    return found
