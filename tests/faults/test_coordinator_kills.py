"""FAULTS rows 8 to 11, 23, 24 and 40 for coordinators: killed at each boundary, all of them killed, paused, and changed."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from busagents.bootstrap.connect import connect
from busagents.domain import events as e
from busagents.errors import TaskFailed
from busagents.runtime.client.task import Task
from tests.support.boundaries import Team, kill_at_each_boundary
from tests.support.fault_teams import WIDTH
from tests.support.forked import Place, place
from tests.support.log_checks import checked_events, inbox_empty

PATIENCE = 30.0


@pytest_asyncio.fixture
async def where(tmp_path: Path) -> AsyncIterator[Place]:
    async with place(tmp_path / "place") as opened:
        yield opened


async def asked(task: Task) -> str:
    """What the task asks, once it does."""
    async with asyncio.timeout(PATIENCE):
        question = await task.question()
    assert question is not None
    return question.text


async def halfway(where: Place, folder: Path, root: str) -> tuple[Team, Task]:
    """A task whose first node or member is at work, until the test opens the gate."""
    team = Team(where, folder / "team")
    await team.start(root, *(("echo",) if root == "chain" else ("ann", "bob", "cleo")))
    task = await team.client.send(team.name(root), "be gated")
    async with asyncio.timeout(PATIENCE):
        while not team.lines("runs" if root == "chain" else "calls"):  # noqa: ASYNC110 - another process makes the file
            await asyncio.sleep(0.01)
    return team, task


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


@pytest.mark.timeout(240)
async def test_row_9_a_node_for_each_of_eight_items_has_eight_children_and_waits_for_all(where: Place, tmp_path: Path) -> None:
    async def attempt(team: Team) -> None:
        answer, events = await team.done("mapped", str(WIDTH))
        assert json.loads(answer) == [f"<{number}>" for number in range(WIDTH)]
        assert len([event for event in events if isinstance(event.event, e.TaskSubmitted)]) == WIDTH + 1
        assert len([event for event in events if isinstance(event.event, e.NodeCompleted)]) == 1

    killed = await kill_at_each_boundary(where, tmp_path, ["mapped", "echo"], "mapped", attempt)
    assert killed.count("before:send:task.submitted") + killed.count("after:send:task.submitted") > WIDTH


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


@pytest.mark.parametrize("root", ["painters", "house"])
async def test_row_11_an_answer_that_comes_after_everything_was_killed_is_taken(where: Place, tmp_path: Path, root: str) -> None:
    roles = ("house", "painters", "asker", "echo")
    team = Team(where, tmp_path / "team")
    await team.start(*roles)
    task = await team.client.send(team.name(root), "paint")
    question = await asked(task)
    for role in roles:
        await inbox_empty(team.client, team.name(role))
    await asyncio.gather(team.forks.kill_all(), where.server.kill())
    await where.server.start()
    await team.start(*roles)
    async with connect(where.server.url) as another:
        again = await another.task(task.id)
        assert await asked(again) == question
        await again.reply("green")
        answer = (await again.result(timeout=PATIENCE)).text
        assert answer.endswith("told: green") if root == "painters" else "green" in answer
        events = await checked_events(another, task.session)
    assert [event.attempt for event in events if isinstance(event.event, e.TaskStarted)] == [1] * len(
        {event.task for event in events if isinstance(event.event, e.TaskSubmitted)}
    )
    await team.forks.end_all()


@pytest.mark.parametrize(
    ("root", "boundary"),
    [
        ("chain", "before:node.started"),
        ("chain", "after:node.started"),
        ("chain", "after:send:task.submitted"),
        ("chain", "before:task.completed"),
        ("relay", "before:handoff.made"),
        ("relay", "before:ack"),
    ],
)
async def test_rows_23_and_24_a_coordinator_that_wakes_up_behind_its_successor_adds_nothing(
    where: Place, tmp_path: Path, root: str, boundary: str
) -> None:
    team = Team(where, tmp_path / "team")
    await team.start("echo", "ann", "bob", "cleo")
    marker = team.folder / "stopped"
    quick = {"BUSAGENTS_ACK_WAIT": "1"}
    await team.forks.start(team.name(root), label="zombie", BUSAGENTS_FAILPOINTS=f"{boundary}=stop:{marker}", **quick)
    task = await team.client.send(team.name(root), "go 1")
    async with asyncio.timeout(PATIENCE):
        while not marker.exists():  # noqa: ASYNC110 - another process makes the file
            await asyncio.sleep(0.01)
    await team.start(root, **quick)
    answer = (await task.result(timeout=PATIENCE)).text
    await inbox_empty(team.client, team.name(root))
    stored = [event for event in await checked_events(team.client, task.session) if event.kind == "ev"]
    await team.forks.signal("zombie", signal.SIGCONT)
    await team.forks.end("zombie")  # it ends once it has done what it was at
    await inbox_empty(team.client, team.name(root))
    assert [event for event in await checked_events(team.client, task.session) if event.kind == "ev"] == stored
    again = await team.client.send(team.name(root), "go 1", session=task.session)
    assert (await again.result(timeout=PATIENCE)).text == answer
    await team.forks.end_all()


async def test_row_40_a_graph_that_was_changed_goes_on_by_its_new_definition(where: Place, tmp_path: Path) -> None:
    team, task = await halfway(where, tmp_path, "chain")
    await team.start("chain", TEAM_CHANGED="further")
    (team.folder / "gate").touch()
    assert (await task.result(timeout=PATIENCE)).text == "<<<<gated>2>3>4>"
    events = await checked_events(team.client, task.session)
    assert [event.event.node for event in events if isinstance(event.event, e.NodeStarted)] == [
        "first",
        "second",
        "third",
        "fourth",
    ]
    await team.forks.end_all()


@pytest.mark.parametrize("root", ["chain", "relay"])
async def test_row_40_a_task_whose_next_step_is_gone_fails_with_a_word_for_it(where: Place, tmp_path: Path, root: str) -> None:
    team, task = await halfway(where, tmp_path, root)
    await team.start(root, TEAM_CHANGED="shorter")
    (team.folder / "gate").touch()
    with pytest.raises(TaskFailed) as failed:
        await task.result(timeout=PATIENCE)
    assert failed.value.reason == "definition_changed"
    await inbox_empty(team.client, team.name(root))
    await checked_events(team.client, task.session)
    assert team.forks.kills(team.name(root)) == 0
    await team.forks.end_all()
