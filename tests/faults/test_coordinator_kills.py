"""FAULTS rows 8, 9 and 10: a coordinator killed at each of its boundaries; the members work on undisturbed."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from busagents.domain import events as e
from tests.support.boundaries import Team, kill_at_each_boundary
from tests.support.fault_teams import WIDTH
from tests.support.forked import Place, place


@pytest_asyncio.fixture
async def where(tmp_path: Path) -> AsyncIterator[Place]:
    async with place(tmp_path / "place") as opened:
        yield opened


async def test_row_8_the_next_node_is_started_once_wherever_the_graph_is_killed(where: Place, tmp_path: Path) -> None:
    async def attempt(team: Team) -> None:
        answer, events = await team.done("chain", "go 1")
        assert answer == "<<<1>2>3>"
        started = [event.event.node for event in events if isinstance(event.event, e.NodeStarted)]
        assert started == ["first", "second", "third"]
        children = [event.ref.thread for event in events if isinstance(event.event, e.TaskSubmitted)]
        assert len(children) == len(set(children)) == 4
        session = events[0].ref.session
        assert [line.split()[0] for line in team.lines("runs")].count(session) == 3
        assert team.lines("asked").count(session) <= 2  # the condition is asked again only if its word was not stored yet

    killed = await kill_at_each_boundary(where, tmp_path, ["chain", "echo"], "chain", attempt)
    assert any("after:node.completed" in names for names in killed)
    assert killed.count("before:send:task.submitted") == killed.count("after:send:task.submitted") == 3
    assert len(killed) > 20


@pytest.mark.timeout(240)
async def test_row_9_a_fan_out_of_eight_has_eight_children_and_its_join_waits_for_all(where: Place, tmp_path: Path) -> None:
    async def attempt(team: Team) -> None:
        answer, events = await team.done("wide", "go 1")
        assert answer == "<" + "".join(f"<{number}>" for number in range(WIDTH)) + ">"
        started = Counter(event.event.node for event in events if isinstance(event.event, e.NodeStarted))
        assert started == dict.fromkeys(("source", "join", *(f"n{number}" for number in range(WIDTH))), 1)
        assert len([event for event in events if isinstance(event.event, e.TaskSubmitted)]) == WIDTH + 3
        ended = [event.event.node for event in events if isinstance(event.event, e.NodeCompleted)]
        assert sorted(ended[1:-1]) == [f"n{number}" for number in range(WIDTH)]

    killed = await kill_at_each_boundary(where, tmp_path, ["wide", "echo"], "wide", attempt)
    assert killed.count("before:send:task.submitted") + killed.count("after:send:task.submitted") > 2 * WIDTH
    assert sum("after:node.completed" in names for names in killed) >= 3


@pytest.mark.parametrize("victim", ["relay", "ann", "bob"])
async def test_row_10_a_handoff_has_one_successor_who_is_told_everything(where: Place, tmp_path: Path, victim: str) -> None:
    async def attempt(team: Team) -> None:
        answer, events = await team.done("relay", "Report on buses.")
        for told in ("Report on buses.", "from bob", "42", "high", f"{team.name('ann')} → {team.name('bob')}"):
            assert told in answer
        path = [event.event.node for event in events if isinstance(event.event, e.NodeStarted)]
        assert path == [team.name(role) for role in ("ann", "bob", "cleo")]
        handed = [(event.event.source, event.event.target) for event in events if isinstance(event.event, e.HandoffMade)]
        assert handed == list(itertools.pairwise(path))

    killed = await kill_at_each_boundary(where, tmp_path, ["relay", "ann", "bob", "cleo"], victim, attempt)
    assert len(killed) > (25 if victim == "relay" else 6)
