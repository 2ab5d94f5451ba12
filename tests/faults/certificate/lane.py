"""One copy of the system: four processes, of which one is to be killed at a given point."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

from busagents.runtime.client.task_event import TaskEvent
from tests.faults.certificate.evidence import Evidence, read_lines
from tests.faults.certificate.system import ROLES, ROOT, name_of
from tests.support.forked import Forks, Passage, Place, passages
from tests.support.log_checks import checked_events, inbox_empty

PATIENCE = 30.0  # seconds until a run that does not end has failed


class Lane:
    """`number` names its participants; `folder` is its outside world."""

    def __init__(self, number: int, folder: Path, where: Place) -> None:
        self.number = str(number)
        self.folder = folder
        env = {"FAULT_DIR": str(folder), "CERTIFICATE_LANE": self.number}
        self.forks = Forks(where, "tests.faults.certificate.system", env)
        self._client = where.client

    async def start(self) -> None:
        """Start all processes; their passages are traced."""
        self.folder.mkdir(parents=True)
        await asyncio.gather(*(self.replace(role, f"trace={self.trace(role)}") for role in ROLES))

    async def replace(self, role: str, failpoints: str) -> None:
        """Stop the participant's process and start one with these failpoints."""
        await self.forks.start(name_of(role, self.number), BUSAGENTS_FAILPOINTS=failpoints)

    def trace(self, run: str) -> Path:
        """The trace of a run."""
        return self.folder / f"trace-{run}"

    def passages(self, run: str) -> list[Passage]:
        """What was traced, in order."""
        return passages(self.trace(run))

    def marker(self, run: str) -> Path:
        """The file that says that the kill of a run has happened."""
        return self.folder / f"killed-{run}"

    def killed(self, role: str) -> bool:
        """Whether the participant's process of this run ended by a kill and was replaced, once."""
        return self.forks.kills(name_of(role, self.number)) == 1

    async def run(self) -> Evidence:
        """Let the system do its task once, to the end of everything that follows from it."""
        for file in ("effects", "calls"):
            (self.folder / file).unlink(missing_ok=True)
        session = f"s_{uuid.uuid4().hex}"
        async with asyncio.timeout(PATIENCE):
            task = await self._client.send(name_of(ROOT, self.number), "Report on buses.", session=session)
            answer = (await task.result()).text
            for role in ROLES:
                await inbox_empty(self._client, name_of(role, self.number))
            events: list[TaskEvent] = await checked_events(self._client, session)
        return Evidence.gathered(self._plain(answer), events, self._world("effects"), self._world("calls"))

    def _world(self, file: str) -> list[str]:
        return [self._plain(line) for line in read_lines(self.folder / file)]

    def _plain(self, text: str) -> str:
        """Without what differs between lanes."""
        for role in ROLES:
            text = text.replace(name_of(role, self.number), role)
        return text
