"""One copy of the system: four processes, kept running as `busagents up` does, of which one is to be killed at a given point."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from busagents.runtime.client.client import Client
from busagents.runtime.client.task_event import TaskEvent
from busagents.runtime.supervisor.replica import Participant, Replica, Surroundings
from busagents.runtime.supervisor.warm_parent import WarmParent
from tests.faults.certificate.evidence import Evidence, read_lines
from tests.faults.certificate.system import ROLES, name_of
from tests.support.log_checks import checked_events, inbox_empty

PATIENCE = 30.0  # seconds until a run that does not end has failed
_STOP_TIMEOUT = 10.0
_ACK_WAIT = "2"  # only what the supervisor cannot give back waits for it


class Place(NamedTuple):
    """Where things are: the bus, the process that forks, and how a dead process's deliveries are given back."""

    url: str
    warm: WarmParent
    give_back: Callable[[list[str]], Awaitable[None]]
    client: Client


class Passage(NamedTuple):
    """A line of a trace: when (seconds), by which process, its number in that process, and the names of the point."""

    at: float
    pid: int
    number: int
    names: str


class Lane:
    """`number` names its participants; `folder` is its outside world."""

    def __init__(self, number: int, folder: Path, place: Place) -> None:
        self.number = str(number)
        self.folder = folder
        self.said: list[str] = []  # what its processes and its supervisor printed
        self._place = place
        self._replicas: dict[str, Replica] = {}
        self._lives: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Start all four; their passages are traced."""
        self.folder.mkdir(parents=True)
        await asyncio.gather(*(self.replace(role, f"trace={self.trace(role)}") for role in ROLES))

    async def stop(self) -> None:
        """End all four."""
        await asyncio.gather(*(self._end(role) for role in list(self._replicas)))

    def trace(self, run: str) -> Path:
        """The trace of a run."""
        return self.folder / f"trace-{run}"

    def marker(self, run: str) -> Path:
        """The file that says that the kill of a run has happened."""
        return self.folder / f"killed-{run}"

    def passages(self, run: str) -> list[Passage]:
        """What was traced, in order."""
        fields = (line.split() for line in read_lines(self.trace(run)))
        return [Passage(int(at) / 1e9, int(pid), int(number), names) for at, pid, number, names in fields]

    def killed(self, role: str) -> bool:
        """Whether the participant's process of this run ended by a kill and was replaced, once."""
        return self._replicas[role].restarts == 1

    async def replace(self, role: str, failpoints: str) -> None:
        """Stop the participant's process and start one with these failpoints."""
        await self._end(role)
        env = {
            "FAULT_DIR": str(self.folder),
            "CERTIFICATE_LANE": self.number,
            "BUSAGENTS_ACK_WAIT": _ACK_WAIT,
            "BUSAGENTS_FAILPOINTS": failpoints,
            "BUSAGENTS_LOG_LEVEL": "WARNING",
        }
        around = Surroundings(
            self._place.warm,
            "tests.faults.certificate.child:main",
            {"nats_url": self._place.url, "env": env},
            self._place.give_back,
            self._note,
            self._note,
        )
        name = name_of(role, self.number)
        replica = self._replicas[role] = Replica(Participant(f"tests.faults.certificate.system:{name}", name), 0, around)
        self._lives[role] = asyncio.create_task(replica.run())
        await replica.settled.wait()
        assert replica.state == "ready", (replica.failure, self.said[-20:])

    async def run(self) -> Evidence:
        """Let the system do its task once, to the end of everything that follows from it."""
        for file in ("effects", "calls"):
            (self.folder / file).unlink(missing_ok=True)
        client, session = self._place.client, f"s_{uuid.uuid4().hex}"
        async with asyncio.timeout(PATIENCE):
            task = await client.send(name_of("newsroom", self.number), "Report on buses.", session=session)
            answer = (await task.result()).text
            for role in ROLES:
                await inbox_empty(client, name_of(role, self.number))
            events: list[TaskEvent] = await checked_events(client, session)
        return Evidence.gathered(self._plain(answer), events, self._world("effects"), self._world("calls"))

    def _world(self, file: str) -> list[str]:
        return [self._plain(line) for line in read_lines(self.folder / file)]

    def _plain(self, text: str) -> str:
        """Without what differs between lanes."""
        for role in ROLES:
            text = text.replace(name_of(role, self.number), role)
        return text

    async def _end(self, role: str) -> None:
        if role in self._replicas:
            await self._replicas[role].stop(_STOP_TIMEOUT)
            await self._lives[role]

    def _note(self, label: str, line: str) -> None:
        self.said.append(f"{label}: {line}")
