"""What each end and each question of a remote task is here, over both bindings and both versions."""

from __future__ import annotations

import asyncio

import pytest

from busagents import FilePart, Limits, RemoteAgent
from busagents.adapters.memory.store import MemoryStore
from busagents.domain import events as e
from busagents.errors import TaskCanceled, TaskFailed
from busagents.runtime.client.client import Client
from busagents.runtime.client.task import Task
from tests.support.a2a_peer import Binding, Peer, Version, a2a_peer
from tests.support.workers import working

PATIENCE = 15.0
WAYS = [("JSONRPC", "1.0"), ("HTTP+JSON", "1.0"), ("JSONRPC", "0.3"), ("HTTP+JSON", "0.3")]
every_way = pytest.mark.parametrize(("binding", "version"), WAYS)


def remote(peer: Peer) -> RemoteAgent:
    return RemoteAgent("helper", card_url=peer.card_url, description="Helps.")


async def reason(task: Task) -> tuple[str, str]:
    with pytest.raises(TaskFailed) as failed:
        await task.result(timeout=PATIENCE)
    return failed.value.reason, str(failed.value)


async def asked(task: Task) -> str:
    async with asyncio.timeout(PATIENCE):
        question = await task.question()
    assert question is not None
    return question.text


async def events(client: Client, session: str) -> list[e.Event]:
    return [item.event async for item in client.history(session)]


@every_way
async def test_failed_is_failed_with_its_words(binding: Binding, version: Version) -> None:
    async with a2a_peer(binding=binding, version=version) as peer, working(MemoryStore(), remote(peer)) as client:
        code, text = await reason(await client.send("helper", "fail the disk is full"))
        assert code == "remote_failed"
        assert "the disk is full" in text


@every_way
async def test_rejected_is_failed_as_rejected(binding: Binding, version: Version) -> None:
    async with a2a_peer(binding=binding, version=version) as peer, working(MemoryStore(), remote(peer)) as client:
        code, text = await reason(await client.send("helper", "reject not my trade"))
        assert code == "rejected"
        assert "not my trade" in text


@every_way
async def test_canceled_over_there_is_canceled_here(binding: Binding, version: Version) -> None:
    async with a2a_peer(binding=binding, version=version) as peer, working(MemoryStore(), remote(peer)) as client:
        task = await client.send("helper", "cancel too late")
        with pytest.raises(TaskCanceled):
            await task.result(timeout=PATIENCE)


@every_way
async def test_a_bare_message_is_the_answer(binding: Binding, version: Version) -> None:
    async with a2a_peer(binding=binding, version=version) as peer, working(MemoryStore(), remote(peer)) as client:
        assert (await (await client.send("helper", "message hi there")).result(timeout=PATIENCE)).text == "hi there"


@pytest.mark.parametrize("streaming", [True, False])
@every_way
async def test_what_it_asks_is_asked_here_and_the_answer_goes_to_its_task(
    binding: Binding, version: Version, streaming: bool
) -> None:
    async with (
        a2a_peer(binding=binding, version=version, streaming=streaming) as peer,
        working(MemoryStore(), remote(peer)) as client,
    ):
        task = await client.send("helper", "ask Which colour?")
        assert await asked(task) == "Which colour?"
        await task.reply("green")
        assert (await task.result(timeout=PATIENCE)).text == "echo: green"
        assert peer.script.received == ["ask Which colour?", "green"]
        assert len(set(peer.script.tasks)) == 1
        assert len(set(peer.script.ids)) == 2


async def test_it_may_ask_several_times() -> None:
    async with a2a_peer() as peer, working(MemoryStore(), remote(peer)) as client:
        task = await client.send("helper", "ask One?")
        for question, answer in (("One?", "ask Two?"), ("Two?", "ask One?"), ("One?", "three")):
            assert await asked(task) == question
            await task.reply(answer)
        assert (await task.result(timeout=PATIENCE)).text == "echo: three"


@every_way
async def test_an_authorization_it_needs_is_asked_for_here(binding: Binding, version: Version) -> None:
    async with a2a_peer(binding=binding, version=version) as peer, working(MemoryStore(), remote(peer)) as client:
        task = await client.send("helper", "auth Log in at https://login.example")
        text = await asked(task)
        assert "authorization" in text
        assert "Log in at https://login.example" in text
        await task.reply("done")
        assert (await task.result(timeout=PATIENCE)).text == "echo: done"


@every_way
async def test_a_task_that_went_on_by_itself_takes_no_answer_and_is_followed(binding: Binding, version: Version) -> None:
    async with a2a_peer(binding=binding, version=version) as peer, working(MemoryStore(), remote(peer)) as client:
        task = await client.send("helper", "itself Log in")
        await asked(task)
        peer.script.go.set()
        async with asyncio.timeout(PATIENCE):
            await peer.script.stopped.wait()
        await task.reply("done")
        assert (await task.result(timeout=PATIENCE)).text == "went on"
        assert peer.script.received == ["itself Log in"]


@every_way
async def test_files_come_as_artifacts_and_data_as_data(binding: Binding, version: Version) -> None:
    async with a2a_peer(binding=binding, version=version) as peer, working(MemoryStore(), remote(peer)) as client:
        result = await (await client.send("helper", "file")).result(timeout=PATIENCE)
        assert result.text == "here it is"
        assert result.artifacts[0].name == "picture"
        twice = (binding, version) == ("HTTP+JSON", "0.3")  # the SDK's server encodes the bytes of a file twice here
        assert result.artifacts[0].parts == (FilePart("image/png", "dot.png", "QUFILw==" if twice else "AAH/"),)
        task = await client.send("helper", 'data {"answer": 42}', output_type={"type": "object", "required": ["answer"]})
        assert (await task.result(timeout=PATIENCE)).output == {"answer": 42}
        code, _ = await reason(await client.send("helper", 'data {"answer": 42}', output_type={"type": "array"}))
        assert code == "output_invalid"


@every_way
async def test_its_text_is_seen_as_it_comes(binding: Binding, version: Version) -> None:
    async with a2a_peer(binding=binding, version=version) as peer, working(MemoryStore(), remote(peer)) as client:
        task = await client.send("helper", "slowly one two three")
        pieces = []
        async with asyncio.timeout(PATIENCE):
            async for piece in task.text():
                pieces.append(piece)
                peer.script.go.set()
        assert pieces[0] == "one "
        assert "".join(pieces) == "one two three "


@every_way
async def test_a_cancel_goes_to_the_remote(binding: Binding, version: Version) -> None:
    async with a2a_peer(binding=binding, version=version) as peer, working(MemoryStore(), remote(peer)) as client:
        task = await client.send("helper", "wait forever")
        async with asyncio.timeout(PATIENCE):
            await peer.script.begun.wait()
        await task.cancel("changed my mind")
        with pytest.raises(TaskCanceled):
            await task.result(timeout=PATIENCE)
        assert peer.script.canceled == peer.script.tasks


async def test_a_cancel_while_it_asks_goes_to_the_remote_too() -> None:
    async with a2a_peer() as peer, working(MemoryStore(), remote(peer)) as client:
        task = await client.send("helper", "ask Which?")
        await asked(task)
        await task.cancel("never mind")
        with pytest.raises(TaskCanceled):
            await task.result(timeout=PATIENCE)
        assert peer.script.canceled == peer.script.tasks


async def test_a_session_is_one_context_and_another_session_another() -> None:
    async with a2a_peer() as peer, working(MemoryStore(), remote(peer)) as client:
        first = await client.send("helper", "echo 1")
        await first.result(timeout=PATIENCE)
        await (await client.send("helper", "echo 2", session=first.session)).result(timeout=PATIENCE)
        await (await client.send("helper", "echo 3")).result(timeout=PATIENCE)
        one, two, three = peer.script.contexts
        assert one == two != three
        assert len(set(peer.script.tasks)) == 3


async def test_a_limit_of_time_ends_the_remote_task_too() -> None:
    async with a2a_peer() as peer:
        helper = RemoteAgent("helper", card_url=peer.card_url, limits=Limits(turns=None, seconds=0.5))
        async with working(MemoryStore(), helper) as client:
            code, _ = await reason(await client.send("helper", "wait forever"))
            assert code == "limit_seconds"
            assert peer.script.canceled == peer.script.tasks


async def test_an_executor_that_breaks_fails_the_task() -> None:
    async with a2a_peer() as peer, working(MemoryStore(), remote(peer)) as client:
        code, _ = await reason(await client.send("helper", "crash"))
        assert code in ("remote_failed", "remote_error")
