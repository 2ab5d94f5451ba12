"""Participants as forked processes, kept running as `busagents up` keeps them: killed ones are replaced at once, and what they
held is given back. Faster than `processes`, which starts an interpreter for each.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from busagents.bootstrap.connect import connect
from busagents.bootstrap.launch import jetstream_launch
from busagents.bootstrap.participant import main as run_participant
from busagents.runtime.client.client import Client
from busagents.runtime.supervisor.nats_server import NatsServer
from busagents.runtime.supervisor.replica import Participant, Replica, Surroundings
from busagents.runtime.supervisor.warm_parent import WarmParent
from busagents.settings import load_settings

_STOP_TIMEOUT = 10.0


class Place(NamedTuple):
    """A server, the process that forks, how a dead process's deliveries are given back, and a client."""

    server: NatsServer
    warm: WarmParent
    give_back: Callable[[list[str]], Awaitable[None]]
    client: Client


@asynccontextmanager
async def place(folder: Path) -> AsyncIterator[Place]:
    """All that forked participants need, until the block ends."""
    launch = jetstream_launch(load_settings({}))
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(NatsServer(folder / "nats", durability="process"))
        warm = WarmParent((*launch.preload, "busagents.testing"))
        await warm.start()
        stack.push_async_callback(warm.close)
        link = await launch.connect(server.url, None, None)
        stack.push_async_callback(link.close)
        client = await stack.enter_async_context(connect(server.url))
        yield Place(server, warm, link.give_back, client)


def run_in_environment(payload: dict[str, Any], status_fd: int) -> None:
    """What a fork does: set its environment, which definitions read when they are loaded, then be the participant."""
    os.environ.update(payload["env"])
    run_participant(payload, status_fd)


class Passage(NamedTuple):
    """A line of a trace: when (monotonic seconds), by which process, its number in that process, and the names of the point."""

    at: float
    pid: int
    number: int
    names: str


def passages(trace: Path) -> list[Passage]:
    """What was traced, in order."""
    lines = trace.read_text().splitlines() if trace.exists() else []
    fields = (line.split() for line in lines)
    return [Passage(int(at) / 1e9, int(pid), int(number), names) for at, pid, number, names in fields]


class Forks:
    """Participants of one module, one process each under its label. `env` is what all of them see."""

    def __init__(self, where: Place, module: str, env: dict[str, str]) -> None:
        self.place = where
        self.said: list[str] = []  # what the processes and their supervisor printed
        self._module = module
        self._env = {"BUSAGENTS_ACK_WAIT": "2", "BUSAGENTS_LOG_LEVEL": "WARNING", **env}
        self._replicas: dict[str, Replica] = {}
        self._lives: dict[str, asyncio.Task[None]] = {}

    async def start(self, name: str, *, label: str = "", **env: str) -> None:
        """Start the participant's process; under a label that is in use, in place of the one before."""
        label = label or name
        await self.end(label)
        around = Surroundings(
            self.place.warm,
            "tests.support.forked:run_in_environment",
            {"nats_url": self.place.server.url, "env": {**self._env, **env}},
            self.place.give_back,
            self._note,
            self._note,
        )
        replica = self._replicas[label] = Replica(Participant(f"{self._module}:{name}", name), 0, around)
        self._lives[label] = asyncio.create_task(replica.run())
        await replica.settled.wait()
        assert replica.state == "ready", (replica.failure, self.said[-20:])

    def kills(self, label: str) -> int:
        """How often its process ended and was started again."""
        return self._replicas[label].restarts

    def pid(self, label: str) -> int:
        """The process that is it now."""
        child = self._replicas[label].child
        assert child is not None, self.said[-20:]
        return child.pid

    async def signal(self, label: str, number: signal.Signals) -> None:
        """Send its process a signal."""
        child = self._replicas[label].child
        assert child is not None, self.said[-20:]
        await self.place.warm.signal(child, number)

    async def end(self, label: str) -> None:
        """Stop its process as `busagents down` does; it is not started again."""
        if label in self._replicas:
            await self._replicas.pop(label).stop(_STOP_TIMEOUT)
            await self._lives.pop(label)

    async def kill(self, label: str) -> None:
        """SIGKILL; it is not started again."""
        replica, life = self._replicas.pop(label), self._lives.pop(label)
        child = replica.child
        stopping = asyncio.create_task(replica.stop(0.0))
        await stopping
        await life
        assert child is None or child.exited.done()

    async def end_all(self) -> None:
        """Stop every process."""
        await asyncio.gather(*(self.end(label) for label in list(self._replicas)))

    async def kill_all(self) -> None:
        """SIGKILL every process."""
        await asyncio.gather(*(self.kill(label) for label in list(self._replicas)))

    def _note(self, label: str, line: str) -> None:
        self.said.append(f"{label}: {line}")
