"""Kills, or stops, one participant of a team at each append, send and acknowledgement of a task, one run for each."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from busagents.runtime.client.client import Client
from busagents.runtime.client.task_event import TaskEvent
from tests.support.fault_teams import name_of
from tests.support.forked import Forks, Place, passages
from tests.support.log_checks import checked_events, inbox_empty

_LANES = 3
_PATIENCE = 30.0


class Team:
    """A copy of the team's participants. `folder` is its outside world."""

    def __init__(self, where: Place, folder: Path, number: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.number = str(number)
        self.client: Client = where.client
        self.forks = Forks(where, "tests.support.fault_teams", {"FAULT_DIR": str(folder), "TEAM": self.number})
        self.roles: tuple[str, ...] = ()

    async def start(self, *roles: str, **env: str) -> None:
        """Start, or start anew, a process for each role."""
        self.roles = tuple(dict.fromkeys((*self.roles, *roles)))
        await asyncio.gather(*(self.forks.start(self.name(role), **env) for role in roles))

    def name(self, role: str) -> str:
        """The participant's name."""
        return name_of(role, self.number)

    def lines(self, file: str) -> list[str]:
        """What was done in the outside world."""
        return (self.folder / file).read_text().splitlines() if (self.folder / file).exists() else []

    async def done(self, root: str, prompt: str = "go") -> tuple[str, list[TaskEvent]]:
        """Let a role do a task to its end, and to the end of all that follows. Its answer, and the session's checked events."""
        session = f"s_{uuid.uuid4().hex}"
        async with asyncio.timeout(_PATIENCE):
            task = await self.client.send(self.name(root), prompt, session=session)
            answer = (await task.result()).text
            for role in self.roles:
                await inbox_empty(self.client, self.name(role))
            return answer, await checked_events(self.client, session)

    async def answer(self, root: str, prompt: str = "go") -> str:
        """Let a role do a task; its answer, as soon as it is there."""
        task = await self.client.send(self.name(root), prompt)
        return (await task.result(timeout=_PATIENCE)).text


Attempt = Callable[[Team], Awaitable[None]]


async def kill_at_each_boundary(where: Place, folder: Path, roles: Sequence[str], victim: str, attempt: Attempt) -> list[str]:
    """Let `attempt` do and check a task while `victim` is killed at its first passage, at its second, and so on to the last.

    Returns the names of the points. Where events may arrive together, a run may have fewer than the one that was counted.
    """
    teams = [Team(where, folder / f"team{number}", number) for number in range(_LANES)]
    try:
        await asyncio.gather(*(team.start(*roles) for team in teams))
        counted = teams[0].folder / "trace"
        await teams[0].start(victim, BUSAGENTS_FAILPOINTS=f"trace={counted}")
        await attempt(teams[0])
        found = passages(counted)
        waiting = deque(found)
        killed: list[str] = []

        async def work(team: Team) -> None:
            while waiting:
                point = waiting.popleft()
                marker = team.folder / f"killed-{point.number}"
                await team.start(victim, BUSAGENTS_FAILPOINTS=f"pass:{point.number}={marker}")
                try:
                    await attempt(team)
                except (AssertionError, TimeoutError) as error:
                    raise AssertionError(f"killed at {point.number} ({point.names}): {error!r}") from error
                if marker.exists():
                    killed.append(point.names)
                    assert team.forks.kills(team.name(victim)) == 1

        await asyncio.gather(*(work(team) for team in teams))
        return killed
    finally:
        await asyncio.gather(*(team.forks.end_all() for team in teams))
