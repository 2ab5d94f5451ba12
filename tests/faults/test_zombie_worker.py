"""FAULTS rows 24, 26 and 28: a worker that was paused, cut off, or has a wrong clock."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from busagents.bootstrap.connect import connect
from busagents.domain import events as e
from busagents.runtime.supervisor.nats_server import NatsServer
from busagents.testing.link_proxy import LinkProxy
from tests.support.fault_agents import TEXT
from tests.support.log_checks import checked_events, inbox_empty, types
from tests.support.processes import participant


async def test_row_24_a_worker_that_was_paused_past_the_ack_wait_writes_nothing_when_it_wakes(
    own_server: NatsServer, tmp_path: Path
) -> None:
    env = {"FAULT_DIR": str(tmp_path), "BUSAGENTS_LOG_LEVEL": "INFO"}
    async with connect(own_server.url) as client, participant("slow", own_server.url, env=env) as zombie:
        task = await client.send("slow", "go")
        async for item in task.stream():
            if not hasattr(item, "event"):  # it writes its answer
                break
        zombie.signal(signal.SIGSTOP)
        async with participant("slow", own_server.url, env=env):
            result = await task.result(timeout=60)
            stored = len(await checked_events(client, task.session))
            zombie.signal(signal.SIGCONT)
            await zombie.said("owns the thread now")
            await inbox_empty(client, "slow")
        events = await checked_events(client, task.session)
        assert result.text == TEXT
        assert len(events) == stored
        assert {event.event.owner for event in events if isinstance(event.event, e.TaskStarted) and event.attempt == 2}


@pytest.mark.parametrize(
    "seconds", [0.5, 5.0, 60.0]
)  # below the ack wait, above it, and as long as nobody is thought to come back
async def test_row_26_no_effect_starts_while_the_link_is_dead_and_the_task_ends_once(
    own_server: NatsServer, tmp_path: Path, seconds: float
) -> None:
    import asyncio

    env = {"FAULT_DIR": str(tmp_path)}
    async with (
        LinkProxy(own_server.url) as link,
        connect(own_server.url) as client,
        participant("serial", link.url, env=env),
    ):
        link.black_hole()
        task = await client.send("serial", "go")
        await asyncio.sleep(seconds)  # the fault itself lasts this long
        assert not (tmp_path / "effects").exists()
        assert not (tmp_path / "model_calls").exists()
        link.heal()
        assert (await task.result(timeout=60)).text == "all"
        effects = [line.split()[0] for line in (tmp_path / "effects").read_text().splitlines()]
        assert effects == ["look:1", "look:2", "put:2", "pay:2"]
        await checked_events(client, task.session)


async def test_row_28_clocks_two_hours_apart_change_neither_order_nor_ownership(own_server: NatsServer, tmp_path: Path) -> None:
    fast = {"FAULT_DIR": str(tmp_path), "BUSAGENTS_CLOCK_OFFSET": "3600"}
    late = {"FAULT_DIR": str(tmp_path), "BUSAGENTS_CLOCK_OFFSET": "-3600"}
    killed = {"BUSAGENTS_FAILPOINTS": f"tool:after={tmp_path / 'killed'}"}
    async with connect(own_server.url) as client:
        async with participant("putter", own_server.url, env=fast | killed) as first:
            task = await client.send("putter", "go", session="skewed")
            await first.killed()
        async with participant("putter", own_server.url, env=late):
            assert (await task.result(timeout=60)).text == "put"
            again = await client.send("putter", "go", session="skewed")
            assert (await again.result(timeout=60)).text == "put"
        events = await checked_events(client, "skewed")
    assert [event.position for event in events] == sorted(event.position for event in events)
    times = [event.time for event in events if event.kind == "ev"]
    assert times != sorted(times), "the clocks did differ"
    assert types(events).count("task.completed") == 2
