"""A thread followed by its log and the live feed: each fact once and in order, whatever the feed loses, doubles or invents."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busagents import Agent
from busagents.adapters.jetstream.bus import JetStreamBus
from busagents.adapters.memory.bus import MemoryBus
from busagents.domain.subjects import ThreadRef
from busagents.errors import ChainBroken
from busagents.ports.log import LiveMessage
from busagents.runtime.client.follow import follow
from busagents.runtime.client.live_session import LiveQueue
from busagents.testing import ScriptedModel, say
from tests.support.participants import running

Fresh = Callable[[str], str]
REF = ThreadRef("a", "s")


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(0, 12), st.booleans(), st.data())
def test_every_fact_comes_once_and_in_order(count: int, before: int, fresh: bool, data: st.DataObject) -> None:
    """`before` facts are stored when the reader begins; of the rest the feed hears what hypothesis leaves of it."""
    heard_before = 0 if fresh else min(before, count)

    async def run() -> None:
        bus = MemoryBus()
        head, live, facts = 0, [], []
        for number in range(count):
            previous, head = head, await bus.log.append(REF, b"%d" % number, entry_id=str(number), head=head, types="t")
            live.append(LiveMessage(REF, b"%d" % number, head, previous))
            facts.append(head)
        queue: LiveQueue = asyncio.Queue()
        heard = [message for message in live[heard_before:-1] for _ in range(data.draw(st.integers(0, 2)))]
        for message in [*heard, live[-1]]:
            queue.put_nowait(message)
        seen = []
        async for item in follow(bus, REF, queue, after=0, fresh=fresh):
            seen.append(item.position)  # type: ignore[union-attr]
            if item.position == facts[-1]:  # type: ignore[union-attr]
                break
        assert seen == facts

    asyncio.run(run())


async def test_a_fact_the_feed_lost_at_the_end_is_found_by_asking_the_log() -> None:
    bus = MemoryBus()
    queue: LiveQueue = asyncio.Queue()
    following = follow(bus, REF, queue, after=0, fresh=True)
    waiting = asyncio.ensure_future(anext(following))
    position = await bus.log.append(REF, b"fact", entry_id="1", head=0, types="t")
    async with asyncio.timeout(30):
        assert (await waiting).position == position  # type: ignore[union-attr]


async def test_what_others_publish_on_the_live_subject_disturbs_nobody(bus_url: str, fresh: Fresh, bus: JetStreamBus) -> None:
    gate = asyncio.Event()

    class Gated(ScriptedModel):
        async def stream(self, request):  # type: ignore[no-untyped-def]
            await gate.wait()
            async for chunk in super().stream(request):
                yield chunk

    async with running(bus_url, Agent(name := fresh("a"), model=Gated([say("the answer")]))) as client:
        task = await client.send(name, "go")
        reading = asyncio.ensure_future(_text(task))
        async for event in task.events():
            if event.type == "model.requested":
                break
        subject = f"busagents.live.{task.session}.{name}.main"
        for body in (b"", b"\xff", b"not json", b"[]", b"17", b'{"deltas": 3}', b'{"deltas": [{"task": "x"}]}', b'{"n": -1}'):
            await bus.client.publish(subject, body)
            await bus.client.publish(f"{subject}.deeper", body)
            await bus.client.publish(subject, body, headers={"Nats-Sequence": "no number"})
            await bus.client.publish(subject, body, headers={"Nats-Sequence": "-5", "Nats-Last-Sequence": "x"})
        other = {"n": 1, "deltas": [{"task": "another", "turn": 1, "attempt": 1, "text": "not ours", "at": 0}]}
        await bus.client.publish(subject, json.dumps(other).encode())
        await bus.client.flush()
        gate.set()
        async with asyncio.timeout(30):
            assert await reading == "the answer"


async def test_a_thread_whose_log_is_broken_is_told_to_whoever_waits(bus_url: str, fresh: Fresh, bus: JetStreamBus) -> None:
    async with running(bus_url, Agent(name := fresh("a"), model=ScriptedModel([say("one")]))) as client:
        first = await client.send(name, "go")
        await first.result()
        head = await bus.log.head(first.ref)
        assert head is not None
        forged = json.dumps({"v": 1, "id": "x", "seq": 99, "prev": "y", "events": []}).encode()
        await bus.log.append(first.ref, forged, entry_id=fresh("x"), head=head.position, types="")
        second = await client.send(name, "again", session=first.session)
        with pytest.raises(ChainBroken, match="entries are missing"):
            await second.result(timeout=30)
        with pytest.raises(ChainBroken):
            await client.replay(first.session)
        assert (await (await client.send(name, "elsewhere")).result()).text == "one"


async def _text(task):  # type: ignore[no-untyped-def]
    return "".join([piece async for piece in task.text()])
