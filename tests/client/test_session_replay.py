"""A session looked at from outside: replayed as of any position, its history, and its tail as it grows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from busagents import Agent, ToolContext, tool
from busagents.domain.state import ThreadState
from busagents.domain.subjects import ThreadRef
from busagents.errors import NotFound
from busagents.ports.log import StoredMessage
from busagents.runtime.client.client import Client
from busagents.runtime.clock import SystemClock
from busagents.runtime.journal import Journal, OpenThread
from busagents.testing import ScriptedModel, call_tools, say
from tests.support.participants import running

Fresh = Callable[[str], str]


@tool(idempotent=True)
async def remember(what: str, context: ToolContext) -> str:
    """Keep something in the session."""
    context.session.set("kept", what)
    return "kept"


def agents(*names: str) -> list[Agent]:
    script = [call_tools(("remember", {"what": "rain"}), text="I note it."), say("Noted.")]
    return [Agent(name, model=ScriptedModel(script), tools=[remember]) for name in names]


async def stored_entries(client: Client, session: str) -> list[StoredMessage]:
    return [stored async for stored in client.bus.log.read_session(session)]


async def folded(client: Client, entries: list[StoredMessage]) -> dict[ThreadRef, ThreadState]:
    """The fold of a prefix of a session's log, entry by entry."""
    journal = Journal(client.bus, SystemClock())
    threads: dict[ThreadRef, OpenThread] = {}
    for stored in entries:
        await journal.take(threads.setdefault(stored.ref, OpenThread(stored.ref)), stored)
    return {ref: thread.state for ref, thread in threads.items()}


async def test_a_replay_at_each_position_is_the_fold_of_the_log_up_to_there(bus_url: str, fresh: Fresh) -> None:
    names, session = (fresh("a"), fresh("b")), fresh("s")
    async with running(bus_url, *agents(*names)) as client:
        for prompt in ("one", "two"):
            tasks = [await client.send(name, prompt, session=session) for name in names]
            await asyncio.gather(*(task.result() for task in tasks))
        entries = await stored_entries(client, session)
        assert len(entries) >= 20
        states = []
        for count, stored in enumerate(entries, start=1):
            replay = await client.replay(session, stored.position)
            assert (replay.session, replay.position) == (session, stored.position)
            assert replay.threads == await folded(client, entries[:count])
            states.append(replay.threads)
        whole = await client.replay(session)
        assert whole.threads == states[-1] == (await client.replay(session, entries[-1].position + 10_000)).threads
        assert await client.replay(session, entries[5].position) == await client.replay(session, entries[5].position)


async def test_a_replay_has_the_conversation_as_it_was_then(bus_url: str, fresh: Fresh) -> None:
    names, session = (fresh("a"), fresh("b")), fresh("s")
    async with running(bus_url, *agents(*names)) as client:
        await (await client.send(names[0], "one", session=session)).result()
        between = (await client.replay(session)).position
        await (await client.send(names[1], "two", session=session)).result()
        now, then = await client.replay(session), await client.replay(session, between)
        told = [(message.role, message.text) for message in now.messages(names[1])]
        assert told == [("user", "two"), ("assistant", "I note it."), ("tool", ""), ("assistant", "Noted.")]
        assert [message.text for message in then.messages()] == ["one", "I note it.", "", "Noted."]
        assert then.messages() == now.messages() == now.messages(names[0])
        assert then.messages(names[1]) == now.messages("nobody") == []


async def test_a_session_without_entries_is_not_found(bus_url: str, fresh: Fresh) -> None:
    async with running(bus_url, *agents(name := fresh("a"))) as client:
        task = await client.send(name, "one")
        await task.result()
        first = (await stored_entries(client, task.session))[0].position
        for session, upto in ((fresh("s"), None), (task.session, first - 1), (task.session, 0), (task.session, -1)):
            with pytest.raises(NotFound, match="sessions list"):
                await client.replay(session, upto)


async def test_history_is_every_event_once_in_the_logs_order_and_ends(bus_url: str, fresh: Fresh) -> None:
    async with running(bus_url, *agents(name := fresh("a"))) as client:
        task = await client.send(name, "one")
        await task.result()
        events = [event async for event in client.history(task.session)]
        assert [event.type for event in events] == [
            "task.submitted",
            "task.started",
            "model.requested",
            "model.completed",
            "tool.started",
            "state.set",
            "tool.completed",
            "model.requested",
            "model.completed",
            "task.completed",
        ]
        assert [event.position for event in events] == sorted(event.position for event in events)
        assert {event.task for event in events} == {task.id}
        middle = events[4].position
        behind = [event async for event in client.history(task.session, after=middle)]
        assert behind == [event for event in events if event.position > middle]
        assert [event async for event in client.history(fresh("s"))] == []


async def test_a_tail_is_the_history_and_then_what_comes(bus_url: str, fresh: Fresh) -> None:
    async with running(bus_url, *agents(name := fresh("a"))) as client:
        first = await client.send(name, "one")
        await first.result()
        second = None
        seen = []
        async with asyncio.timeout(60):
            async for event in client.tail(first.session):
                seen.append(event)
                if event.type == "task.completed" and second is None:
                    second = await client.send(name, "two", session=first.session)
                elif event.type == "task.completed":
                    break
        assert seen == [event async for event in client.history(first.session)]


async def test_a_tail_may_begin_before_its_session(bus_url: str, fresh: Fresh) -> None:
    async with running(bus_url, *agents(name := fresh("a"))) as client:
        tail = client.tail(session := fresh("s"))
        waiting = asyncio.ensure_future(anext(tail))
        task = await client.send(name, "one", session=session)
        async with asyncio.timeout(60):
            assert (await waiting).type == "task.submitted"
        await tail.aclose()
        await task.result()


async def test_a_tail_may_be_left_open_when_the_client_goes(bus_url: str, fresh: Fresh) -> None:
    async with running(bus_url, *agents(name := fresh("a"))) as client:
        tail = client.tail((await client.send(name, "one")).session)
        await anext(tail)
    await tail.aclose()


async def test_sessions_are_listed_with_the_last_active_first(bus_url: str, fresh: Fresh) -> None:
    names = fresh("a"), fresh("b")
    async with running(bus_url, *agents(*names)) as client:
        old, new = fresh("s"), fresh("s")
        await (await client.send(names[0], "one", session=new)).result()
        await (await client.send(names[0], "one", session=old)).result()
        await (await client.send(names[1], "two", session=new)).result()
        mine = [info for info in await client.sessions() if info.session in (old, new)]
        assert [info.session for info in mine] == [new, old]
        assert (mine[0].participants, mine[0].tasks) == (list(names), 2)
        assert mine[0].entries == len(await stored_entries(client, new))
        assert mine[0].first_at <= mine[0].last_at
        assert "busagents" not in {name for info in await client.sessions() for name in info.participants}
