"""A remote agent's process is killed (SIGKILL) between sending and hearing; another goes on, on a real bus."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from busagents.bootstrap.connect import connect
from busagents.errors import TaskFailed
from busagents.runtime.supervisor.nats_server import NatsServer
from tests.support.a2a_peer import Version, a2a_peer
from tests.support.log_checks import checked_events, inbox_empty, types
from tests.support.processes import ROOT, participant

FILE = ROOT / "tests" / "support" / "remote_agents.py"


async def after_a_kill(server: NatsServer, folder: Path, where: str, version: Version) -> tuple[str, list[str], list[str]]:
    """How the task ended, its facts, and what the remote was asked, after one of two processes was killed at a failpoint."""
    async with a2a_peer(version=version) as peer, connect(server.url) as client:
        env = {"PEER_URL": peer.card_url, "BUSAGENTS_FAILPOINTS": f"{where}={folder / 'killed'}"}
        async with participant("helper", server.url, env=env, file=FILE) as first:
            task = await client.send("helper", "echo once")
            await first.killed()
            async with participant("helper", server.url, env=env, file=FILE):
                try:
                    end = (await task.result(timeout=60)).text
                except TaskFailed as failed:
                    end = failed.reason
                await inbox_empty(client, "helper")
        return end, types(await checked_events(client, task.session)), peer.script.received


async def test_killed_after_the_remote_had_the_message_it_is_found_and_not_sent_again(
    own_server: NatsServer, tmp_path: Path
) -> None:
    end, facts, received = await after_a_kill(own_server, tmp_path, "tool:after", "1.0")
    assert (end, received) == ("echo: once", ["echo once"])
    assert facts.count("tool.started") == facts.count("tool.completed") == 1


async def test_killed_there_with_a_remote_that_cannot_list_the_outcome_is_unknown(own_server: NatsServer, tmp_path: Path) -> None:
    end, facts, received = await after_a_kill(own_server, tmp_path, "tool:after", "0.3")
    assert (end, received) == ("outcome_unknown", ["echo once"])
    assert facts[-2:] == ["tool.unknown", "task.failed"]


@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_killed_once_the_remote_task_is_known_it_is_followed(
    own_server: NatsServer, tmp_path: Path, version: Version
) -> None:
    async with a2a_peer(version=version) as peer, connect(own_server.url) as client:
        env = {"PEER_URL": peer.card_url, "BUSAGENTS_FAILPOINTS": f"after:tool.completed={tmp_path / 'killed'}"}
        async with participant("helper", own_server.url, env=env, file=FILE) as first:
            task = await client.send("helper", "wait long")
            await first.killed()
            async with participant("helper", own_server.url, env=env, file=FILE):
                async with asyncio.timeout(30):
                    async for event in task.events():
                        if event.type == "task.started" and event.attempt == 2:
                            break
                peer.script.go.set()
                assert (await task.result(timeout=60)).text == "waited long"
        assert peer.script.received == ["wait long"]
