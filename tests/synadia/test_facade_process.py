"""The facade as a process of its own, found like every service, and killed."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import nats
import pytest
from synadia_ai.agents import Agents
from synadia_ai.agents.errors import StreamStalledError
from synadia_ai.agents.messages import ResponseChunk, StatusChunk

from busagents import connect
from busagents.bootstrap.services import discover
from busagents.domain.synadia_facade import SynadiaFacade
from busagents.errors import DefinitionError, InvalidName
from busagents.runtime.supervisor.nats_server import NatsServer
from tests.support.processes import participant

DOOR = Path(__file__).parent / "door.py"


async def test_a_facade_that_is_killed_loses_the_stream_and_not_the_task(own_server: NatsServer, tmp_path: Path) -> None:
    signpost = tmp_path / "go_on"
    wire = await nats.connect(own_server.url)
    agents = Agents(nc=wire)
    async with participant("patient", own_server.url, file=DOOR):
        async with participant("door", own_server.url, file=DOOR) as door:
            found = {peer.session_name: peer for peer in await agents.discover(stall=0.5)}
            assert {(peer.agent, peer.owner, session) for session, peer in found.items()} == {
                ("patient", "acme", "main"),
                ("patient", "acme", "support"),
            }
            prompt = found["support"].prompt(str(signpost), timeout=1)
            assert await anext(prompt) == StatusChunk(status="ack")
            assert await anext(prompt) == ResponseChunk(text="first ")
            door.signal(signal.SIGKILL)
            with pytest.raises(StreamStalledError):  # the protocol cannot go on
                await anext(prompt)
        signpost.touch()
        async with connect(own_server.url) as client:
            [info] = await client.tasks(session="synadia-support")
            assert (await (await client.task(info.task)).result(timeout=20)).text == "first second"
        async with participant("door", own_server.url, file=DOOR):
            [peer] = [peer for peer in await agents.discover(stall=0.5) if peer.session_name == "support"]
            items = [item async for item in peer.prompt(str(signpost))]
            assert "".join(item.text for item in items if isinstance(item, ResponseChunk)) == "first second"
    await agents.close()
    await wire.close()


async def test_a_participant_that_is_killed_goes_on_in_the_same_stream(own_server: NatsServer, tmp_path: Path) -> None:
    signpost = tmp_path / "go_on"
    wire = await nats.connect(own_server.url)
    agents = Agents(nc=wire)
    async with participant("patient", own_server.url, file=DOOR) as first, participant("door", own_server.url, file=DOOR):
        [peer] = [peer for peer in await agents.discover(stall=0.5) if peer.session_name == "main"]
        prompt = peer.prompt(str(signpost), timeout=30)
        assert [await anext(prompt), await anext(prompt)] == [StatusChunk(status="ack"), ResponseChunk(text="first ")]
        first.signal(signal.SIGKILL)
        signpost.touch()
        async with participant("patient", own_server.url, file=DOOR):
            assert [item async for item in prompt] == [ResponseChunk(text="second")]  # what was said is not said again
    await agents.close()
    await wire.close()


async def test_a_facade_and_its_listings_outlive_the_server(own_server: NatsServer, tmp_path: Path) -> None:
    signpost = tmp_path / "go_on"
    async with participant("patient", own_server.url, file=DOOR), participant("door", own_server.url, file=DOOR):
        for number in range(2):
            wire = await nats.connect(own_server.url)
            agents = Agents(nc=wire)
            async with asyncio.timeout(30):
                while not (found := [peer for peer in await agents.discover(stall=0.5) if peer.session_name == "main"]):
                    pass  # it is about to be back
            if not number:
                instance = found[0].instance_id
                await own_server.restart()
            else:
                assert found[0].instance_id == instance
                signpost.touch()
                items = [item async for item in found[0].prompt(str(signpost))]
                assert "".join(item.text for item in items if isinstance(item, ResponseChunk)) == "first second"
            await agents.close()
            await wire.close()


async def test_a_facade_that_is_told_to_stop_stops_at_once(own_server: NatsServer) -> None:
    async with participant("door", own_server.url, file=DOOR) as door:
        door.signal(signal.SIGTERM)
        assert await door.process.wait() == 0, door.lines


def test_a_facade_is_found_among_the_services() -> None:
    found, unread = discover([str(DOOR)])
    assert not unread
    assert [(item.name, item.kind, item.replicas) for item in found] == [("patient", "function", 1), ("door", "synadiafacade", 1)]


def test_a_facade_lists_participants_by_themselves_or_by_name() -> None:
    from tests.synadia.door import patient

    assert SynadiaFacade(expose=[patient, "other"]).expose == ("patient", "other")
    assert SynadiaFacade().expose is None


@pytest.mark.parametrize(
    "wrong", [{"owner": ""}, {"sessions": ["a", ""]}, {"max_prompts": 0}, {"heartbeat_every": 0}, {"replicas": 0}]
)
def test_a_facade_that_cannot_work_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(DefinitionError):
        SynadiaFacade(**wrong)  # type: ignore[arg-type]


def test_a_facade_with_a_name_no_subject_can_hold_is_refused() -> None:
    with pytest.raises(InvalidName):
        SynadiaFacade("my door")
