"""`busagents.connect()`: a bus is found, or the error says which address did not let us in and why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from busagents import Agent, connect
from busagents.errors import BusAgentsError, BusUnreachable
from busagents.runtime.supervisor.nats_config import Credentials
from busagents.runtime.supervisor.nats_server import NatsServer
from busagents.testing import ScriptedModel, say
from tests.support.participants import running

Fresh = Callable[[str], str]


@pytest.mark.parametrize(
    "url",
    ["nats://127.0.0.1:1", "127.0.0.1:1", "nats://127.0.0.1:1,nats://127.0.0.1:2", "nats://no-such-host.invalid:4222"],
)
async def test_a_dead_address_is_named(url: str) -> None:
    with pytest.raises(BusUnreachable) as error:
        async with connect(url):
            pass
    assert url in str(error.value)
    assert "busagents up" in str(error.value)


@pytest.mark.parametrize("url", ["", "nats://", "http://127.0.0.1:1", "nats://host:notaport", "nats://[::1", "nats://a b"])
async def test_what_is_no_address_is_refused_as_one(url: str) -> None:
    with pytest.raises(BusAgentsError):
        async with connect(url):
            pass


async def test_a_password_in_an_address_is_not_shown() -> None:
    with pytest.raises(BusUnreachable) as error:
        async with connect("nats://me:sesame@127.0.0.1:1"):
            pass
    assert "sesame" not in str(error.value)
    assert "127.0.0.1:1" in str(error.value)


async def test_a_wrong_password_is_told_from_a_dead_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with NatsServer(tmp_path / "own", durability="process", credentials=Credentials("me", "right")) as server:
        monkeypatch.setenv("BUSAGENTS_NATS_USER", "me")
        monkeypatch.setenv("BUSAGENTS_NATS_PASSWORD", "wrong")
        with pytest.raises(BusUnreachable, match="BUSAGENTS_NATS_USER") as error:
            async with connect(server.url):
                pass
        assert server.url in str(error.value)
        assert "wrong" not in str(error.value)
        monkeypatch.setenv("BUSAGENTS_NATS_PASSWORD", "right")
        async with connect(server.url) as client:
            assert await client.agents() == []


async def test_without_an_address_and_without_a_running_system_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BUSAGENTS_NATS_URL", raising=False)
    with pytest.raises(BusUnreachable, match="busagents up"):
        async with connect():
            pass


async def test_the_environment_names_the_server(bus_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUSAGENTS_NATS_URL", bus_url)
    async with connect() as client:
        await client.sessions()


async def test_a_server_without_a_log_says_so(own_server: NatsServer) -> None:
    async with connect(own_server.url) as client:
        for ask in (client.send("a", "hello"), client.tasks(), client.sessions(), client.replay("s")):
            with pytest.raises(BusAgentsError, match="BUSAGENTS"):
                await ask


async def test_a_task_outlives_the_client_that_sent_it(bus_url: str, fresh: Fresh) -> None:
    model = ScriptedModel([say("done")], latency=0.1)
    async with running(bus_url, Agent(name := fresh("a"), model=model)) as client:
        async with connect(bus_url) as short:
            task = await short.send(name, "hello")
        assert (await (await client.task(task.id)).result()).text == "done"


async def test_a_server_that_comes_back_goes_on_with_the_task(own_server: NatsServer, fresh: Fresh) -> None:
    model = ScriptedModel([say("done")], latency=0.3)
    async with running(own_server.url, Agent(name := fresh("a"), model=model)) as client:
        task = await client.send(name, "hello")
        async for _ in task.events():
            break
        waiting = asyncio.ensure_future(task.result(timeout=60))
        await own_server.kill()
        await own_server.start()
        assert (await waiting).text == "done"
