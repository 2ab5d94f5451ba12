"""A remote agent's process dies, or an answer of the remote is lost: nothing is sent twice blindly, and nothing is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from busagents import RemoteAgent
from busagents.adapters.memory.store import MemoryStore
from busagents.errors import TaskCanceled, TaskFailed
from busagents.runtime.client.client import Client
from busagents.runtime.client.task import Task
from tests.support.a2a_peer import Binding, Peer, Version, a2a_peer
from tests.support.log_checks import checked_events, types
from tests.support.mortal import Immortal, Life, MortalBus
from tests.support.workers import a_client, process, working

PATIENCE = 20.0
POINTS = range(1, 13)


def remote(peer: Peer, *, idempotent: bool = False) -> RemoteAgent:
    return RemoteAgent("helper", card_url=peer.card_url, description="Helps.", idempotent=idempotent)


async def end_of(task: Task) -> str:
    """Its text, or the reason it failed."""
    try:
        return (await task.result(timeout=PATIENCE)).text
    except TaskFailed as failed:
        return failed.reason


async def reason(task: Task) -> str:
    with pytest.raises(TaskFailed) as failed:
        await task.result(timeout=PATIENCE)
    return failed.value.reason


async def facts(client: Client, session: str) -> list[str]:
    return types([item async for item in client.history(session)])


@asynccontextmanager
async def dying(agent: RemoteAgent, points: int) -> AsyncIterator[Client]:
    """Run it so that it dies once, after so many points."""
    store = MemoryStore()
    keeper = Immortal(store, agent, [points])
    try:
        await keeper.ready()
        yield a_client(store)
    finally:
        await keeper.end()


async def until_asked(task: Task) -> None:
    async with asyncio.timeout(PATIENCE):
        assert await task.question() is not None


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("points", POINTS)
async def test_wherever_it_dies_the_remote_is_not_asked_twice(points: int, streaming: bool) -> None:
    """1.0: what was sent before the death is found by the context that was proposed. If nothing is found, that proves nothing."""
    async with a2a_peer(streaming=streaming) as peer, dying(remote(peer), points) as client:
        task = await client.send("helper", "echo once")
        end = await end_of(task)
        assert (end, peer.script.received) in [("echo: once", ["echo once"]), ("outcome_unknown", [])]
        await checked_events(client, task.session)


@pytest.mark.parametrize("points", POINTS)
async def test_wherever_it_dies_a_remote_that_knows_messages_by_their_id_does_the_work_once(points: int) -> None:
    async with a2a_peer() as peer, dying(remote(peer, idempotent=True), points) as client:
        task = await client.send("helper", "echo once")
        assert (await task.result(timeout=PATIENCE)).text == "echo: once"
        assert peer.script.received == ["echo once"]


@pytest.mark.parametrize("points", range(1, 24))
async def test_wherever_it_dies_an_answer_reaches_the_remote_once(points: int) -> None:
    async with a2a_peer() as peer, dying(remote(peer, idempotent=True), points) as client:
        task = await client.send("helper", "ask Which?")
        await until_asked(task)
        await task.reply("green")
        assert (await task.result(timeout=PATIENCE)).text == "echo: green"
        assert peer.script.received == ["ask Which?", "green"]
        await checked_events(client, task.session)


@pytest.mark.parametrize(("binding", "version"), [("JSONRPC", "1.0"), ("HTTP+JSON", "1.0")])
@pytest.mark.parametrize("streaming", [True, False])
async def test_an_answer_that_is_lost_is_found_where_the_remote_can_list(
    binding: Binding, version: Version, streaming: bool
) -> None:
    async with a2a_peer(binding=binding, version=version, streaming=streaming) as peer:
        peer.watched.lose = 1
        store = MemoryStore()
        async with working(store, remote(peer)) as client:
            task = await client.send("helper", "echo once")
            assert (await task.result(timeout=PATIENCE)).text == "echo: once"
            assert peer.script.received == ["echo once"]
            assert (await facts(client, task.session)).count("tool.started") == 1


async def test_an_answer_that_is_lost_where_the_remote_cannot_list_is_an_unknown_outcome() -> None:
    async with a2a_peer(version="0.3") as peer, working(MemoryStore(), remote(peer)) as client:
        peer.watched.lose = 1
        task = await client.send("helper", "echo once")
        assert await reason(task) == "outcome_unknown"
        assert peer.script.received == ["echo once"]
        assert (await facts(client, task.session))[-2:] == ["tool.unknown", "task.failed"]


async def test_a_lost_message_for_a_remote_that_knows_messages_by_their_id_is_sent_again_under_the_same_id() -> None:
    async with a2a_peer(version="0.3") as peer, working(MemoryStore(), remote(peer, idempotent=True)) as client:
        peer.watched.lose = 1
        task = await client.send("helper", "echo once")
        assert (await task.result(timeout=PATIENCE)).text == "echo: once"
        assert len(peer.script.received) == 2
        assert len(set(peer.script.ids)) == 1
        keys = {headers.get("idempotency-key") for method, _, headers in peer.watched.asked if method == "POST"} - {None}
        assert keys == set(peer.script.ids)


async def test_a_lost_bare_message_is_an_unknown_outcome() -> None:
    """The remote made no task of it, so there is nothing to find, and no proof that it was not received."""
    async with a2a_peer() as peer, working(MemoryStore(), remote(peer)) as client:
        peer.watched.lose = 1
        assert await reason(await client.send("helper", "message hi")) == "outcome_unknown"
        assert peer.script.received == ["message hi"]


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_lost_answer_to_a_follow_up_is_looked_up_by_its_task(streaming: bool) -> None:
    async with a2a_peer(version="0.3", streaming=streaming) as peer, working(MemoryStore(), remote(peer)) as client:
        task = await client.send("helper", "ask Which?")
        await until_asked(task)
        peer.watched.lose = 1
        await task.reply("green")
        assert (await task.result(timeout=PATIENCE)).text == "echo: green"
        assert peer.script.received == ["ask Which?", "green"]


async def test_a_busy_remote_is_asked_again_and_does_the_work_once() -> None:
    async with a2a_peer() as peer, working(MemoryStore(), remote(peer)) as client:
        peer.watched.refuse = [503, 429, 503]
        task = await client.send("helper", "echo once")
        assert (await task.result(timeout=PATIENCE)).text == "echo: once"
        assert peer.script.received == ["echo once"]


async def test_credentials_it_does_not_take_fail_the_task_and_say_which_variable() -> None:
    async with a2a_peer() as peer, working(MemoryStore(), remote(peer)) as client:
        peer.watched.refuse = [401]
        task = await client.send("helper", "echo once")
        with pytest.raises(TaskFailed, match="BUSAGENTS_A2A_HELPER_TOKEN") as failed:
            await task.result(timeout=PATIENCE)
        assert failed.value.reason == "unauthorized"


async def test_a_remote_that_is_away_is_waited_for_and_then_given_up() -> None:
    async with a2a_peer() as peer:
        url = peer.card_url
    helper = RemoteAgent("helper", card_url=url, give_up_after=0.5)
    async with working(MemoryStore(), helper) as client:
        task = await client.send("helper", "echo once")
        assert await reason(task) == "unreachable"
        assert "tool.started" not in await facts(client, task.session)


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize(("binding", "version"), [("JSONRPC", "1.0"), ("JSONRPC", "0.3"), ("HTTP+JSON", "0.3")])
async def test_a_successor_follows_the_remote_task_and_sends_nothing(binding: Binding, version: Version, streaming: bool) -> None:
    store = MemoryStore()
    async with a2a_peer(binding=binding, version=version, streaming=streaming) as peer:
        client = a_client(store)
        life = Life()
        bus = MortalBus(store, life)
        async with process(bus, remote(peer)):
            task = await client.send("helper", "wait long")
            async with asyncio.timeout(PATIENCE):
                async for event in task.events():
                    if event.type == "tool.completed":
                        break
            life.dead.set()
            await bus.bury()
            async with working(store, remote(peer)):
                peer.script.go.set()
                assert (await task.result(timeout=PATIENCE)).text == "waited long"
            assert peer.script.received == ["wait long"]


async def test_a_process_that_is_asked_to_end_leaves_the_remote_task_running_to_its_successor() -> None:
    store = MemoryStore()
    async with a2a_peer() as peer:
        async with working(store, remote(peer)) as client:
            task = await client.send("helper", "wait long")
            async with asyncio.timeout(PATIENCE):
                await peer.script.begun.wait()
        async with working(store, remote(peer)) as client:
            peer.script.go.set()
            again = await client.task(task.id)
            assert (await again.result(timeout=PATIENCE)).text == "waited long"
        assert peer.script.received == ["wait long"]
        assert peer.script.canceled == []


@pytest.mark.parametrize("points", range(1, 16))
async def test_wherever_it_dies_a_cancel_reaches_the_remote(points: int) -> None:
    async with a2a_peer() as peer, dying(remote(peer, idempotent=True), points) as client:
        task = await client.send("helper", "wait forever")
        async with asyncio.timeout(PATIENCE):
            await peer.script.begun.wait()
        await task.cancel("changed my mind")
        with pytest.raises(TaskCanceled):
            await task.result(timeout=PATIENCE)
        assert set(peer.script.canceled) == set(peer.script.tasks)
        await checked_events(client, task.session)


@pytest.mark.parametrize(
    ("binding", "version"), [("JSONRPC", "1.0"), ("HTTP+JSON", "1.0"), ("JSONRPC", "0.3"), ("HTTP+JSON", "0.3")]
)
async def test_a_stream_that_breaks_is_taken_up_again_without_sending(binding: Binding, version: Version) -> None:
    async with a2a_peer(binding=binding, version=version) as peer, working(MemoryStore(), remote(peer)) as client:
        peer.watched.cut = [3, 2, 1]
        task = await client.send("helper", "slowly one two three")
        shown = ""
        async with asyncio.timeout(PATIENCE):
            async for piece in task.text():
                shown += piece
                if shown == "one ":
                    peer.script.go.set()
        assert shown == "one two three "
        assert peer.watched.cut != [3, 2, 1]
        assert peer.script.received == ["slowly one two three"]


async def test_a_remote_that_forgets_the_task_fails_it() -> None:
    async with a2a_peer(streaming=False) as peer, working(MemoryStore(), remote(peer)) as client:
        task = await client.send("helper", "wait long")
        async with asyncio.timeout(PATIENCE):
            await peer.script.begun.wait()
        peer.watched.refuse = [404]  # the next look
        assert await reason(task) == "remote_task_unknown"


async def test_a_remote_that_names_contexts_itself_is_sent_the_message_without_one() -> None:
    async with a2a_peer() as peer, working(MemoryStore(), remote(peer)) as client:
        peer.watched.refuse = [400]
        first = await client.send("helper", "echo once")
        assert (await first.result(timeout=PATIENCE)).text == "echo: once"
        await (await client.send("helper", "echo again", session=first.session)).result(timeout=PATIENCE)
        assert peer.script.received == ["echo once", "echo again"]
        assert len(set(peer.script.contexts)) == 1


async def test_a_remote_that_cannot_stream_after_all_is_polled() -> None:
    async with a2a_peer() as peer, working(MemoryStore(), remote(peer)) as client:
        peer.watched.refuse = [501]
        assert (await (await client.send("helper", "echo once")).result(timeout=PATIENCE)).text == "echo: once"
        assert peer.script.received == ["echo once"]


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_process_that_is_asked_to_end_hears_what_it_has_just_asked(streaming: bool) -> None:
    """0.3 cannot list: without this, each restart would leave outcomes that nobody knows."""
    store = MemoryStore()
    async with a2a_peer(version="0.3", streaming=streaming) as peer:
        async with working(store, remote(peer)) as client:
            task = await client.send("helper", "late bird")
            async with asyncio.timeout(PATIENCE):
                await peer.script.begun.wait()
            asyncio.get_running_loop().call_later(0.3, peer.script.go.set)
        async with working(store, remote(peer)) as client:
            assert (await (await client.task(task.id)).result(timeout=PATIENCE)).text == "echo: late bird"
        assert peer.script.received == ["late bird"]


async def test_a_task_canceled_before_the_remote_has_said_which_it_made_is_canceled_there_when_it_does() -> None:
    async with a2a_peer(version="0.3") as peer, working(MemoryStore(), remote(peer)) as client:
        task = await client.send("helper", "late wait")
        async with asyncio.timeout(PATIENCE):
            await peer.script.begun.wait()
        await task.cancel()
        with pytest.raises(TaskCanceled):
            await task.result(timeout=PATIENCE)
        peer.script.go.set()
        async with asyncio.timeout(PATIENCE):
            await peer.script.stopped.wait()
        assert peer.script.canceled == peer.script.tasks
