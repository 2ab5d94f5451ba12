"""Without busagents: a plain NATS client gives tasks, follows the answer and finds who is there, as docs/subjects.md says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import nats
import pytest
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from busagents import Agent
from busagents.ports.model import ModelRequest
from busagents.runtime.client.client import Client
from busagents.testing import ScriptedModel, say
from busagents.testing.scripted_model import Turn
from tests.support.participants import running

Fresh = Callable[[str], str]


def repeat(request: ModelRequest) -> Turn:
    return say(f"heard: {request.messages[-1].text}")


@asynccontextmanager
async def plain(url: str) -> AsyncIterator[Nats]:
    client = await nats.connect(url)
    try:
        yield client
    finally:
        await client.close()


async def recorded(feed: Subscription, kind: str) -> dict[str, Any]:
    """The next event of this type in a live feed, as JSON."""
    while True:
        message = await feed.next_msg(timeout=30)
        for event in json.loads(message.data).get("events", ()):
            if event["type"] == kind:
                return {**event, "headers": message.headers}


async def test_a_published_request_is_answered_on_the_sessions_live_subject(bus_url: str, fresh: Fresh) -> None:
    name, session, ask, ident = fresh("a"), fresh("s"), fresh("ask"), fresh("t")
    async with running(bus_url, Agent(name, model=ScriptedModel(repeat))) as client, plain(bus_url) as raw:
        feed = await raw.subscribe(f"busagents.live.{session}.>")
        body = {"type": "task.submitted", "id": ask, "task": ident, "data": {"text": "What is 6 times 7?"}}
        await raw.publish(f"busagents.log.{name}.{session}.main.in", json.dumps(body).encode())
        done = await recorded(feed, "task.completed")
        assert done["task"] == ident
        assert done["data"]["message"]["parts"] == [{"type": "text", "text": "heard: What is 6 times 7?"}]
        [info] = await client.tasks(session=session)
        assert (info.task, info.state, info.position < int(done["headers"]["Nats-Sequence"])) == (ident, "completed", True)
        assert (await (await client.task(ident)).result()).text == "heard: What is 6 times 7?"


async def test_text_comes_live_before_the_turn_is_recorded(bus_url: str, fresh: Fresh) -> None:
    name, session = fresh("a"), fresh("s")
    model = ScriptedModel([say("one two three")], chunk_chars=4, chunk_delay=0.05)
    async with running(bus_url, Agent(name, model=model)), plain(bus_url) as raw:
        feed = await raw.subscribe(f"busagents.live.{session}.>")
        await raw.publish(f"busagents.log.{name}.{session}.main.in", b'{"type": "task.submitted", "data": {"text": "count"}}')
        while True:
            body = json.loads((await feed.next_msg(timeout=30)).data)
            assert not any(event["type"] == "model.completed" for event in body.get("events", ())), "no text came before"
            if body.get("deltas"):
                break
        assert body["deltas"][0]["text"].startswith("one ")


async def test_requests_without_ids_are_as_many_tasks_as_were_published(bus_url: str, fresh: Fresh) -> None:
    name, session = fresh("a"), fresh("s")
    body = b'{"type": "task.submitted", "data": {"text": "again"}}'
    async with running(bus_url, Agent(name, model=ScriptedModel(repeat))) as client, plain(bus_url) as raw:
        for _ in range(3):
            await raw.jetstream().publish(f"busagents.log.{name}.{session}.main.in", body)
        tasks = await ended(client, session, 3)
        assert len({info.task for info in tasks}) == 3
        assert [info.text for info in tasks] == ["heard: again"] * 3
        for info in tasks:  # listed under the id it was worked on: a handle follows it
            assert (await (await client.task(info.task)).result()).text == "heard: again"


@pytest.mark.parametrize("where", ["header", "body", "envelope"])
async def test_a_request_published_twice_under_one_id_is_one_task(bus_url: str, fresh: Fresh, where: str) -> None:
    name, session, ident = fresh("a"), fresh("s"), fresh("order")
    flat: dict[str, Any] = {"type": "task.submitted", "data": {"text": "once"}}
    headers = {"Nats-Msg-Id": ident} if where == "header" else None
    if where == "body":
        flat["id"] = ident
    body = {"v": 1, "id": ident, "events": [flat]} if where == "envelope" else flat
    async with running(bus_url, Agent(name, model=ScriptedModel(repeat))) as client, plain(bus_url) as raw:
        for _ in range(2):
            await raw.jetstream().publish(f"busagents.log.{name}.{session}.main.in", json.dumps(body).encode(), headers=headers)
        last = await client.send(name, "last", session=session)
        await last.result()
        assert [info.text for info in await client.tasks(session=session)] == ["heard: once", "heard: last"]


async def test_one_task_id_in_two_sessions_is_two_tasks(bus_url: str, fresh: Fresh) -> None:
    name, sessions, task = fresh("a"), (fresh("s"), fresh("s")), fresh("t")
    async with running(bus_url, Agent(name, model=ScriptedModel(repeat))) as client, plain(bus_url) as raw:
        for session in sessions:
            body = json.dumps({"type": "task.submitted", "task": task, "data": {"text": session}}).encode()
            await raw.jetstream().publish(f"busagents.log.{name}.{session}.main.in", body)
        for session in sessions:
            [info] = await ended(client, session, 1)
            assert info.text == f"heard: {session}"
        listed = [info for info in await client.tasks(participant=name) if info.task == task]
        assert [(info.ref.session, info.text) for info in listed] == [(session, f"heard: {session}") for session in sessions]


async def test_a_cancel_can_be_published(bus_url: str, fresh: Fresh) -> None:
    name, session = fresh("a"), fresh("s")
    model = ScriptedModel([say("never")], latency=3600.0)
    async with running(bus_url, Agent(name, model=model)), plain(bus_url) as raw:
        feed = await raw.subscribe(f"busagents.live.{session}.>")
        await raw.publish(
            f"busagents.log.{name}.{session}.main.in", b'{"type": "task.submitted", "task": "t-1", "data": {"text": "hello"}}'
        )
        await recorded(feed, "model.requested")
        await raw.publish(
            f"busagents.log.{name}.{session}.main.stop",
            b'{"type": "task.cancel", "task": "t-1", "data": {"reason": "not needed any more"}}',
        )
        assert (await recorded(feed, "task.canceled"))["data"]["reason"] == "not needed any more"


@pytest.mark.parametrize(
    "body",
    [b"", b"not json", b"\xff", b"[]", b'{"type": "task.submitted", "data": {"text": []}}', b'{"type": "task.completed"}'],
    ids=["empty", "text", "bytes", "array", "wrong-data", "a-fact"],
)
async def test_what_nobody_can_read_is_answered_and_hides_nothing_else(bus_url: str, fresh: Fresh, body: bytes) -> None:
    name, session = fresh("a"), fresh("s")
    async with running(bus_url, Agent(name, model=ScriptedModel(repeat))) as client, plain(bus_url) as raw:
        before = await client.send(name, "before", session=session)
        await before.result()
        feed = await raw.subscribe(f"busagents.live.{session}.>")
        stored = await raw.jetstream().publish(f"busagents.log.{name}.{session}.main.in", body)
        refused = await recorded(feed, "task.failed")
        assert refused["data"]["reason"] == "unreadable"
        assert "docs/events.md" in refused["data"]["message"]
        after = await client.send(name, "after", session=session)
        assert (await after.result()).text == "heard: after"
        assert [info.text for info in await client.tasks(session=session)] == ["heard: before", "heard: after"]
        shown = [event async for event in client.history(session)]
        assert [event.type for event in shown].count("task.completed") == 2
        assert [event.event.reason for event in shown if event.type == "task.failed"] == ["unreadable"]  # type: ignore[attr-defined]
        assert stored.seq not in {event.position for event in shown}
        [state] = (await client.replay(session)).threads.values()
        assert [message.text for message in state.messages if message.role == "user"] == ["before", "after"]


async def test_a_forged_fact_in_an_inbox_ends_no_task(bus_url: str, fresh: Fresh) -> None:
    name, session = fresh("a"), fresh("s")
    model = ScriptedModel([say("the truth")], latency=0.2)
    async with running(bus_url, Agent(name, model=model)) as client, plain(bus_url) as raw:
        task = await client.send(name, "hello", session=session)
        forged = {"type": "task.completed", "task": task.id, "data": {"message": {"role": "assistant", "parts": []}}}
        await raw.jetstream().publish(f"busagents.log.{name}.{session}.main.in", json.dumps(forged).encode())
        assert (await client.task_info(task.id)).state != "completed"
        assert (await task.result()).text == "the truth"


async def test_participants_are_nats_micro_services(bus_url: str, fresh: Fresh) -> None:
    names = [fresh("a"), fresh("b")]
    agents = [Agent(name, model=ScriptedModel(repeat), description=f"I am {name}.") for name in names]
    async with running(bus_url, *agents), plain(bus_url) as raw:
        for verb in ("PING", "INFO", "STATS"):
            found = {item["metadata"]["participant"]: item for item in await asked(raw, f"$SRV.{verb}", names)}
            assert {found[name]["name"] for name in names} == {"busagents"}
            assert {found[name]["type"] for name in names} == {f"io.nats.micro.v1.{verb.lower()}_response"}
            assert found[names[0]]["id"] != found[names[1]]["id"]
            if verb == "INFO":
                assert found[names[0]]["description"] == f"I am {names[0]}."
        one = (await raw.request(f"$SRV.PING.busagents.{found[names[0]]['id']}", timeout=5)).data
        assert json.loads(one)["metadata"]["participant"] == names[0]


async def asked(raw: Nats, subject: str, names: list[str]) -> list[dict[str, Any]]:
    """Ask all services, and wait for the answers of these."""
    answers: list[dict[str, Any]] = []
    complete = asyncio.Event()

    async def take(message: Msg) -> None:
        answers.append(json.loads(message.data))
        if {answer["metadata"]["participant"] for answer in answers} >= set(names):
            complete.set()

    inbox = raw.new_inbox()
    listening = await raw.subscribe(inbox, cb=take)
    await raw.publish(subject, reply=inbox)
    async with asyncio.timeout(30):
        await complete.wait()
    await listening.unsubscribe()
    return answers


async def ended(client: Client, session: str, count: int) -> list[Any]:
    """Wait until the session has so many tasks and all have ended."""
    async with asyncio.timeout(30):
        async for _ in client.tail(session):
            tasks = await client.tasks(session=session)
            if len(tasks) == count and all(info.ended_at for info in tasks):
                return tasks
    raise AssertionError("a tail has no end")
