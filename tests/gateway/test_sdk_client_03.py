"""The public A2A client of the 0.3 line against a running gateway: every operation that people use, over both of its transports."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from busagents.adapters.jetstream.bus import connect_bus
from busagents.adapters.jetstream.provision import provision
from busagents.runtime.supervisor.nats_server import NatsServer
from tests.support.a2a_03_environment import python_with_a2a_03
from tests.support.fault_agents import TEXT
from tests.support.gateway_agents import SAID
from tests.support.gateway_processes import AGENTS, gateway_process
from tests.support.processes import participant

PEER = Path(__file__).parent / "peers" / "sdk_03.py"
Peer = Callable[[str], Awaitable[Any]]

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]  # the environment may have to be made first


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def base(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of a gateway to agents that run."""
    folder = tmp_path_factory.mktemp("peer")
    async with NatsServer(folder / "nats", durability="process") as server, AsyncExitStack() as stack:
        bus = await connect_bus(server.url)
        await provision(bus.client)
        await bus.close()
        folders = {name: folder / name for name in ("echo", "talker", "gated", "asker")}
        for each in folders.values():
            each.mkdir()
        (folders["talker"] / "gate").touch()  # the gate of the one that is to be canceled stays shut
        starting = (
            stack.enter_async_context(participant(name, server.url, file=AGENTS, env={"FAULT_DIR": str(each)}))
            for name, each in folders.items()
        )
        gateway, *_ = await asyncio.gather(stack.enter_async_context(gateway_process(server.url)), *starting)
        yield gateway.base


@pytest.fixture(params=["JSONRPC", "HTTP+JSON"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def peer(base: str, transport: str) -> Peer:
    """Lets the client do something, in its own environment; what it printed."""

    async def does(what: str) -> Any:
        python = await asyncio.to_thread(python_with_a2a_03)
        process = await asyncio.create_subprocess_exec(
            python, PEER, base, transport, what, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            async with asyncio.timeout(60):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0, err.decode()
        return json.loads(out)

    return does


def texts(task: dict[str, Any]) -> list[str]:
    """What a task made: the text of each artifact."""
    return ["".join(part["text"] for part in artifact["parts"]) for artifact in task.get("artifacts", [])]


async def test_it_finds_an_agent_by_its_card(peer: Peer, base: str, transport: str) -> None:
    card = await peer("card")
    assert (card["name"], card["protocolVersion"], card["capabilities"]["streaming"]) == ("echo", "0.3.0", True)
    assert card["url"].startswith(f"{base}/agents/echo")
    assert card["transport"] == {"JSONRPC": "JsonRpcTransport", "HTTP+JSON": "RestTransport"}[transport]


async def test_a_send_gives_the_ended_task_and_a_get_the_same(peer: Peer) -> None:
    done = await peer("send")
    assert (done["sent"]["status"]["state"], done["sent"]["contextId"]) == ("completed", "shop-03")
    assert texts(done["sent"]) == ["you said hi"]
    assert done["got"] == done["sent"]


async def test_a_send_that_does_not_wait_gives_the_task_to_be_polled(peer: Peer) -> None:
    done = await peer("poll")
    assert done["sent"]["status"]["state"] in ("submitted", "working")
    assert (done["got"]["id"], len(done["got"]["history"])) == (done["sent"]["id"], 1)
    assert done["got"]["status"]["message"]["parts"][0]["text"] == "how much?"


async def test_files_and_data_come_back_as_they_went(peer: Peer) -> None:
    done = await peer("parts")
    assert done["sent"]["history"][0]["parts"] == done["said"]["parts"]


async def test_a_stream_gives_the_task_and_its_updates_to_the_end(peer: Peer) -> None:
    done = await peer("stream")
    assert done["updates"][0] is None
    states = [update for update in done["updates"][1:] if update["kind"] == "status-update"]
    said = [part["text"] for update in states for part in update["status"].get("message", {"parts": []})["parts"]]
    assert said == list(SAID)  # the client makes an empty message where there is none
    assert [update["final"] for update in states] == [False] * (len(states) - 1) + [True]
    assert done["task"]["status"]["state"] == "completed"
    assert texts(done["task"]) == [TEXT]


async def test_a_cancel_ends_the_task_and_all_its_streams(peer: Peer) -> None:
    done = await peer("cancel")
    assert done["canceled"]["status"]["state"] == "canceled"
    for stream in done["streams"]:
        assert stream["updates"][-1]["status"]["state"] == "canceled"
        assert stream["task"]["id"] == done["joined"] == done["canceled"]["id"]
    assert done["again"].get("code", done["again"].get("status")) in (-32002, 400, 409)


async def test_a_stream_that_was_left_is_taken_up_again(peer: Peer) -> None:
    done = await peer("resubscribe")
    assert done["task"]["id"] == done["id"]
    assert done["task"]["status"]["state"] == "completed"
    assert texts(done["task"])[-1:] == [TEXT]


async def test_a_question_is_answered_in_a_second_message(peer: Peer) -> None:
    done = await peer("follow_up")
    asked, answered = done["asked"]["task"], done["answered"]["task"]
    assert asked["status"]["state"] == "input-required"
    assert done["asked"]["updates"][-1]["final"]
    assert asked["status"]["message"]["parts"][0]["text"] == "how much?"
    assert (answered["id"], answered["contextId"]) == (asked["id"], asked["contextId"])
    assert (answered["status"]["state"], texts(answered)) == ("completed", ["so much: three"])


async def test_a_task_that_nobody_knows_is_the_clients_own_error(peer: Peer, transport: str) -> None:
    error = (await peer("missing"))["get"]
    assert error.get("code", error.get("status")) == {"JSONRPC": -32001, "HTTP+JSON": 404}[transport]
