"""Kills the system at every point, one run for each, several runs beside each other."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.faults.certificate.evidence import Evidence
from tests.faults.certificate.lane import Lane
from tests.faults.certificate.system import ROLES
from tests.support.forked import place

LANES = 4


class Point(NamedTuple):
    """A place where a process is killed: at its n-th passage by an append, a send or an acknowledgement."""

    role: str
    number: int
    names: str


class Run(NamedTuple):
    """A point, and what came of it. `takeover` is seconds from the kill until the successor's first append, send or ack."""

    point: Point
    killed: bool
    same_answer: bool
    same_effects: bool
    repeated: int
    unknown: int
    takeover: float | None
    problem: str

    @property
    def passed(self) -> bool:
        """As if nothing had happened."""
        return self.killed and self.same_answer and self.same_effects and not self.repeated and not self.problem


class Certificate(NamedTuple):
    """All runs. `points` is how many the system has for each participant, `tools` and `turns` how long its task is."""

    points: dict[str, int]
    runs: list[Run]
    tools: int
    turns: int
    seconds: float

    @property
    def passed(self) -> bool:
        """Every one of them."""
        return all(run.passed for run in self.runs)


async def certify(folder: Path, *, tenth: int | None = None, say: Callable[[str], None] = lambda _: None) -> Certificate:
    """Kill at every point, or at every tenth beginning with number `tenth` (0 to 9). `say` is told what goes wrong."""
    async with place(folder) as where:
        lanes = [Lane(number, folder / f"lane{number}", where) for number in range(LANES)]
        try:
            return await _certify(lanes, tenth, say)
        finally:
            await asyncio.gather(*(lane.forks.end_all() for lane in lanes))


async def _certify(lanes: list[Lane], tenth: int | None, say: Callable[[str], None]) -> Certificate:
    began = time.monotonic()
    await asyncio.gather(*(lane.start() for lane in lanes))
    undisturbed = [await lane.run() for lane in lanes]
    first = undisturbed[0]
    assert all(other == first for other in undisturbed), undisturbed
    assert (first.repeated, first.twice, first.unknown) == ([], [], 0), first
    found = {role: lanes[0].passages(role) for role in ROLES}
    points = [Point(role, passage.number, passage.names) for role in ROLES for passage in found[role]]
    waiting = deque(points if tenth is None else points[tenth::10])
    runs: list[Run] = []

    async def work(lane: Lane) -> None:
        while waiting:
            run = await _kill(lane, waiting.popleft(), first)
            runs.append(run)
            if not run.passed:
                say(f"{run}\n  " + "\n  ".join(lane.forks.said[-20:]))
                lane.forks.said.clear()

    await asyncio.gather(*(work(lane) for lane in lanes))
    runs.sort(key=lambda run: (ROLES.index(run.point.role), run.point.number))
    return Certificate(
        {role: len(found[role]) for role in ROLES}, runs, len(first.effects), first.turns, time.monotonic() - began
    )


async def _kill(lane: Lane, point: Point, wanted: Evidence) -> Run:
    name = f"{point.role}-{point.number}"
    try:
        await lane.replace(point.role, f"pass:{point.number}={lane.marker(name)};trace={lane.trace(name)}")
        evidence = await lane.run()
    except (AssertionError, TimeoutError) as error:
        return Run(point, lane.marker(name).exists(), False, False, 0, 0, None, f"{type(error).__name__}: {error}"[:2000])
    return Run(
        point,
        lane.killed(point.role),
        evidence.answer == wanted.answer,
        evidence.effects == wanted.effects and not evidence.twice,
        len(evidence.repeated),
        evidence.unknown,
        _takeover(lane, name),
        "; ".join((*evidence.repeated, *evidence.twice)),
    )


def _takeover(lane: Lane, name: str) -> float | None:
    passages = lane.passages(name)
    killed = [passage for passage in passages if passage.pid == passages[0].pid]
    later = passages[len(killed) :]
    return later[0].at - killed[-1].at if later else None
