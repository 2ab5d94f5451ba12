"""FAULTS rows 29, 30 and 31: messages that nobody can work on, and payloads that are large, lost or altered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from busagents import Agent, tool
from busagents.adapters.jetstream.bus import JetStreamBus
from busagents.domain.codec import VERSION, sha256_hex
from busagents.domain.subjects import BLOB_BUCKET, log_subject
from busagents.errors import BlobMissing, TaskFailed, UnreadableEntry
from busagents.ports.model import ModelRequest
from busagents.runtime.client.client import Client
from busagents.runtime.dead_letter import MAX_FAILURES
from busagents.testing import ScriptedModel, call_tools, say
from busagents.testing.scripted_model import Turn
from tests.support.log_checks import checked_events, types
from tests.support.participants import running

Fresh = Callable[[str], str]


def echo(request: ModelRequest) -> Turn:
    """Says what it was told; a defect of its own when it is told `poison`."""
    if request.messages[-1].text == "poison":
        raise ZeroDivisionError("a defect in the model's adapter")
    return say(f"heard: {request.messages[-1].text}")


def raw(client: Client) -> JetStreamBus:
    assert isinstance(client.bus, JetStreamBus)
    return client.bus


async def publish(client: Client, subject: str, body: bytes) -> None:
    """What `nats pub` does."""
    await raw(client).client.jetstream().publish(subject, body)


async def test_row_29_a_message_on_which_the_worker_always_fails_is_dead_lettered_with_its_reason(
    bus_url: str, fresh: Fresh
) -> None:
    async with running(bus_url, Agent(name := fresh("echo"), model=ScriptedModel(echo))) as client:
        poison = await client.send(name, "poison", session=(session := fresh("s")))
        with pytest.raises(TaskFailed, match="ZeroDivisionError: a defect in the model's adapter") as failed:
            await poison.result(timeout=60)
        assert failed.value.reason == "dead_letter"
        good = await client.send(name, "good", session=session)
        assert (await good.result(timeout=60)).text == "heard: good"
        listed = [info for info in await client.tasks(participant=name) if info.reason == "dead_letter"]
        assert [info.task for info in listed] == [poison.id]
        events = await checked_events(client, session)
        assert types(events).count("task.started") == MAX_FAILURES + 1  # each delivery of the poison, and the good task
        again = await client.redrive(poison.id)
        assert again.id != poison.id
        with pytest.raises(TaskFailed):
            await again.result(timeout=60)


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe no JSON",
        b'{"type": "task.exploded", "data": {}}',
        b'{"v": 99, "id": "x", "events": []}',
        b'{"type": "task.submitted", "data": {"text": 7}}',
        b'{"type": "task.completed", "data": {"message": {"role": "user", "parts": []}}}',
    ],
    ids=["bytes", "unknown-type", "newer-envelope", "wrong-data", "fact-in-the-inbox"],
)
async def test_row_30_an_unreadable_message_is_answered_and_stops_nobody_else(bus_url: str, fresh: Fresh, body: bytes) -> None:
    async with running(bus_url, Agent(name := fresh("echo"), model=ScriptedModel(echo))) as client:
        session = fresh("s")
        await publish(client, f"busagents.log.{name}.{session}.main.in", body)
        good = await client.send(name, "good", session=session)
        assert (await good.result(timeout=60)).text == "heard: good"
        replay = await client.replay(session)
        [state] = replay.threads.values()
        failed = [outcome for _, outcome in state.finished.items() if outcome.state == "failed"]
        assert [outcome.reason for outcome in failed] == ["unreadable"]
        assert "docs/events.md" in failed[0].text or "upgrade" in failed[0].text


async def test_row_30_a_thread_with_a_fact_of_a_newer_version_refuses_and_others_go_on(bus_url: str, fresh: Fresh) -> None:
    async with running(bus_url, Agent(name := fresh("echo"), model=ScriptedModel(echo))) as client:
        task = await client.send(name, "one", session=(session := fresh("s")))
        await task.result(timeout=60)
        head = await client.bus.log.head(task.ref)
        assert head is not None
        prev = sha256_hex(head.body).encode()
        newer = b'{"v": %d, "id": "n", "seq": 3, "prev": "%s", "events": [{"type": "task.exploded"}]}' % (VERSION, prev)
        await publish(client, log_subject(task.ref, "ev"), newer)
        refused = await client.send(name, "two", session=session)
        with pytest.raises(UnreadableEntry, match=r"task\.exploded.*upgrade"):
            await refused.result(timeout=60)
        with pytest.raises(UnreadableEntry):
            await client.replay(session)
        other = await client.send(name, "other")
        assert (await other.result(timeout=60)).text == "heard: other"


async def test_row_31_a_large_result_is_kept_outside_the_log_and_nobody_notices(bus_url: str, fresh: Fresh) -> None:
    size = 3 * 1024 * 1024  # three times the server's largest message

    @tool(read_only=True)
    def huge() -> str:
        """Return a lot."""
        return "x" * size

    model = ScriptedModel([call_tools(("huge", {})), say("it was huge")])
    async with running(bus_url, Agent(name := fresh("huge"), model=model, tools=[huge])) as client:
        prompt = "y" * 200_000
        task = await client.send(name, prompt)
        assert (await task.result(timeout=60)).text == "it was huge"
        messages = (await client.replay(task.session)).messages()
        assert messages[0].text == prompt
        assert len(messages[2].parts[0].content) == size  # type: ignore[union-attr]
        async for stored in client.bus.log.read_session(task.session):
            assert len(stored.body) < 4096


@pytest.mark.parametrize("damage", ["missing", "altered"])
async def test_row_31_a_lost_or_altered_payload_is_an_error_that_names_it(bus_url: str, fresh: Fresh, damage: str) -> None:
    async with running(bus_url, Agent(name := fresh("echo"), model=ScriptedModel(echo))) as client:
        prompt = f"{fresh('z')} " * 20_000
        task = await client.send(name, prompt)
        await task.result(timeout=60)
        store = await raw(client).client.jetstream().object_store(BLOB_BUCKET)
        keys = [info.name async for info in _blobs(client, task.session)]
        for key in keys:
            await store.delete(key)
            if damage == "altered":
                await store.put(key, b"other bytes")
        with pytest.raises(BlobMissing, match=keys[0]):
            await client.replay(task.session)
        other = await client.send(name, "other")
        assert (await other.result(timeout=60)).text == "heard: other"


async def _blobs(client: Client, session: str):  # type: ignore[no-untyped-def]
    from types import SimpleNamespace

    from busagents.domain.codec import decode_entry

    async for stored in client.bus.log.read_session(session):
        for record in decode_entry(stored.body, where="a test").events:
            if record.blob is not None:
                yield SimpleNamespace(name=record.blob.key)


async def test_messages_for_a_busy_thread_wait_their_turn_and_are_all_answered(bus_url: str, fresh: Fresh) -> None:
    model = ScriptedModel(echo, latency=0.02)
    async with running(bus_url, Agent(name := fresh("echo"), model=model)) as client:
        session = fresh("s")
        tasks = [await client.send(name, f"message {number}", session=session) for number in range(20)]
        results = await asyncio.gather(*(task.result(timeout=60) for task in tasks))
        assert [result.text for result in results] == [f"heard: message {number}" for number in range(20)]
        await checked_events(client, session)
