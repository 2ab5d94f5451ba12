"""FAULTS rows 1 to 7: a worker killed at each boundary; another goes on where the log ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from busagents.bootstrap.connect import connect
from busagents.domain import events as e
from busagents.runtime.client.client import Client
from busagents.runtime.client.task import Result
from busagents.runtime.supervisor.nats_server import NatsServer
from tests.support.fault_agents import TEXT
from tests.support.log_checks import checked_events, inbox_empty, types
from tests.support.processes import participant


class Crash:
    """One participant, killed once at a failpoint in the middle of a task, and its successor."""

    def __init__(self, url: str, folder: Path, client: Client) -> None:
        self.url, self.folder, self.client = url, folder, client

    async def run(self, name: str, failpoint: str) -> tuple[Result, list[str]]:
        """The task's result and the types of the facts in its log."""
        env = {"FAULT_DIR": str(self.folder), "BUSAGENTS_FAILPOINTS": f"{failpoint}={self.folder / 'killed'}"}
        async with participant(name, self.url, env=env) as first, participant(name, self.url, env=env) as second:
            task = await self.client.send(name, "go")
            result = await task.result(timeout=60)
            ends = [asyncio.ensure_future(process.killed()) for process in (first, second)]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()
            await inbox_empty(self.client, name)
            self.events = await checked_events(self.client, task.session)
        return result, types(self.events)

    def effects(self) -> list[str]:
        """What took effect, in order: `tool:argument`."""
        file = self.folder / "effects"
        return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []

    def keys(self) -> set[str]:
        """The idempotency keys that were handed out."""
        return {line.split()[1] for line in (self.folder / "effects").read_text().splitlines()}

    def model_calls(self) -> int:
        """Real calls of the model, over all processes."""
        return len((self.folder / "model_calls").read_text().splitlines())


@pytest_asyncio.fixture
async def crash(own_server: NatsServer, tmp_path: Path) -> AsyncIterator[Crash]:
    async with connect(own_server.url) as client:
        yield Crash(own_server.url, tmp_path, client)


async def test_row_1_a_task_whose_worker_dies_before_it_is_started_has_one_answer(crash: Crash) -> None:
    result, facts = await crash.run("plain", "before:task.started")
    assert result.text == TEXT
    assert facts == ["task.started", "model.requested", "model.completed", "task.completed"]


async def test_row_2_a_model_call_that_was_intended_but_not_made_is_made_as_attempt_2(crash: Crash) -> None:
    result, facts = await crash.run("plain", "after:model.requested")
    assert result.text == TEXT
    assert crash.model_calls() == 1
    assert facts == ["task.started", "model.requested", "task.started", "model.requested", "model.completed", "task.completed"]
    completed = next(event for event in crash.events if isinstance(event.event, e.ModelCompleted))
    assert completed.attempt == 2


async def test_row_3_a_stream_cut_by_a_kill_leaves_no_partial_answer(crash: Crash) -> None:
    result, facts = await crash.run("plain", "delta:4")
    assert result.text == TEXT
    assert crash.model_calls() == 2
    assert facts.count("model.completed") == 1


async def test_row_4_a_kill_between_the_last_event_and_the_ack_makes_no_second_model_call(crash: Crash) -> None:
    result, facts = await crash.run("plain", "before:ack")
    assert result.text == TEXT
    assert facts == ["task.started", "model.requested", "model.completed", "task.completed"]
    assert crash.model_calls() == 1


async def test_row_5_calls_that_were_requested_but_not_started_run_whatever_their_class(crash: Crash) -> None:
    result, facts = await crash.run("serial", "before:tool.completed")
    assert result.text == "all"
    assert crash.effects() == ["look:1", "look:1", "look:2", "put:2", "pay:2"]
    assert facts.count("tool.completed") == 4


@pytest.mark.parametrize("where", ["tool:before", "tool:inside", "tool:after"])
@pytest.mark.parametrize(("name", "call"), [("reader", "look:a"), ("putter", "put:a")])
async def test_row_6_a_repeatable_tool_that_was_killed_runs_again_under_the_same_key(
    crash: Crash, name: str, call: str, where: str
) -> None:
    _, facts = await crash.run(name, where)
    assert crash.effects() == ([call] if where == "tool:before" else [call, call])
    assert len(crash.keys()) == 1
    assert facts.count("tool.started") == 2
    assert facts.count("tool.completed") == 1


@pytest.mark.parametrize("where", ["tool:before", "tool:inside", "tool:after"])
async def test_row_6_a_tool_that_must_not_run_twice_becomes_unknown(crash: Crash, where: str) -> None:
    result, facts = await crash.run("payer", where)
    assert result.text == "paid"
    assert crash.effects() == ([] if where == "tool:before" else ["pay:a"])
    assert facts.count("tool.started") == 1
    assert facts.count("tool.unknown") == 1
    assert "tool.completed" not in facts


async def test_row_7_of_two_parallel_calls_the_one_that_was_done_is_kept(crash: Crash) -> None:
    result, facts = await crash.run("parallel", "after:tool.completed")
    assert result.text == "both"
    assert sorted(crash.effects()) == ["pay:quick", "put:slow", "put:slow"]
    assert facts.count("tool.completed") == 2
    assert "tool.unknown" not in facts


async def test_a_function_goes_on_behind_its_last_recorded_step(crash: Crash) -> None:
    result, facts = await crash.run("stepper", "after:tool.completed")
    assert result.text == "A B C"
    assert crash.effects() == ["step:a", "step:b", "step:c"]
    assert facts.count("tool.completed") == 3
