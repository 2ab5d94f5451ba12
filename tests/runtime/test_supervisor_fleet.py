"""Replicas kept running: restarts, what is given back, scale, stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from busagents.errors import UsageError
from busagents.runtime.supervisor.fleet import Fleet, choose
from busagents.runtime.supervisor.replica import Participant, Surroundings
from busagents.runtime.supervisor.warm_parent import WarmParent

A, B = Participant("services/a.py:a", "a"), Participant("services/b.py:b", "b", replicas=2)


@pytest_asyncio.fixture
async def warm(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WarmParent]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    parent = WarmParent(["busagents.runtime.status"])
    await parent.start()
    yield parent
    await parent.close()


class Returned:
    """Takes the tokens that are given back."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.some = asyncio.Event()

    async def __call__(self, tokens: list[str]) -> None:
        self.tokens += tokens
        self.some.set()


def make_fleet(warm: WarmParent, target: str, give_back: Returned, said: list[str]) -> Fleet:
    def say(label: str, line: str) -> None:
        said.append(f"{label}: {line}")

    around = Surroundings(warm, f"supervisor_targets:{target}", {}, give_back, emit=say, on_line=say)
    return Fleet(around, shutdown_timeout=30)


async def test_a_killed_replica_gives_back_what_it_held_and_is_started_again(warm: WarmParent) -> None:
    returned = Returned()
    fleet = make_fleet(warm, "hold_and_wait", returned, [])
    fleet.start({A: 1})
    await fleet.settled()
    row = fleet.rows()[0]
    assert (row["state"], len(row["working_on"])) == ("ready", 2)
    os.kill(row["pid"], signal.SIGKILL)
    await returned.some.wait()
    assert returned.tokens == [f"{row['pid']}-0", f"{row['pid']}-1"]
    while (now := fleet.rows()[0])["state"] != "ready" or now["pid"] == row["pid"]:  # noqa: ASYNC110 - rows are asked for
        await asyncio.sleep(0.01)
    assert now["restarts"] == 1
    await fleet.stop()
    assert fleet.rows() == []


async def test_a_replica_that_says_a_restart_would_not_help_is_not_started_again(warm: WarmParent) -> None:
    said: list[str] = []
    fleet = make_fleet(warm, "refuse", Returned(), said)
    fleet.start({A: 1})
    await fleet.all_over.wait()
    row = fleet.rows()[0]
    assert (row["state"], row["failure"], row["restarts"]) == ("failed", "no key", 0)
    assert said == ["a: cannot start: no key"]


async def test_a_replica_that_always_crashes_is_given_up_with_its_last_lines(warm: WarmParent) -> None:
    said: list[str] = []
    fleet = make_fleet(warm, "crash", Returned(), said)
    fleet.start({A: 1})
    await fleet.all_over.wait()
    row = fleet.rows()[0]
    assert (row["state"], row["restarts"]) == ("crash-loop", 4)
    assert said[-1] == "a:   ValueError: a defect"


def test_scale_overrides_the_definition_and_only_chooses() -> None:
    assert choose([A, B]) == {A: 1, B: 2}
    assert choose([A, B], scale={"a": 3}) == {A: 3, B: 2}
    assert choose([A, B], only=["b"]) == {B: 2}


def test_names_that_are_not_there_and_names_that_are_there_twice_are_refused() -> None:
    with pytest.raises(UsageError, match=r"'c'.*found a, b"):
        choose([A, B], only=["c"])
    with pytest.raises(UsageError, match=r"services/a\.py:a and services/c\.py:a"):
        choose([A, Participant("services/c.py:a", "a")])
