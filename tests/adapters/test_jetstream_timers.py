"""Timers on a real server: they outlive it, follow its clock alone, and are never early."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
import uuid
from collections.abc import AsyncIterator
from fractions import Fraction

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from busagents.adapters.jetstream import server_clock
from busagents.adapters.jetstream.api import call
from busagents.adapters.jetstream.bus import JetStreamBus, connect_bus
from busagents.adapters.jetstream.provision import provision
from busagents.adapters.jetstream.server_clock import rfc3339
from busagents.domain.subjects import TIMER_STREAM, ThreadRef
from busagents.errors import StreamRefused
from busagents.ports.log import Delivery, Inbox
from busagents.runtime.supervisor.nats_server import NatsServer

SOON = 20.0  # seconds; after a restart the log asks for its timers again only after a while


@pytest.fixture
def ref() -> ThreadRef:
    return ThreadRef(f"agent_{uuid.uuid4().hex[:12]}", "session")


@pytest_asyncio.fixture
async def own_bus(own_server: NatsServer) -> AsyncIterator[JetStreamBus]:
    bus = await connect_bus(own_server.url)
    await provision(bus.client)
    yield bus
    await bus.close()


async def take(inbox: Inbox) -> Delivery:
    async with asyncio.timeout(SOON):
        delivery = await anext(aiter(inbox.deliveries()))
    await delivery.ack()
    inbox.release()
    return delivery


async def kept(bus: JetStreamBus) -> int:
    """How many timers, and messages of timers on their way, the server holds."""
    return int((await call(bus.client, f"STREAM.INFO.{TIMER_STREAM}"))["state"]["messages"])


async def test_timers_survive_a_kill_of_the_server_and_fire_once(
    own_server: NatsServer, own_bus: JetStreamBus, ref: ThreadRef
) -> None:
    inbox = await own_bus.inbox(ref.participant, credits=8)
    for number, seconds in enumerate((0.0, 0.4, 3.0)):  # before, during and after its death
        await own_bus.set_timer(ref, f"timer-{number}", seconds=seconds, body=str(number).encode())
    await own_server.kill()
    await asyncio.sleep(0.5)  # the time of the second passes while nobody is there
    await own_server.start()
    assert {(await take(inbox)).message.body for _ in range(3)} == {b"0", b"1", b"2"}
    await own_bus.set_timer(ref, "last", seconds=0.3, body=b"last")
    assert (await take(inbox)).message.body == b"last"
    assert sorted([entry.body async for entry in own_bus.log.read_thread(ref)]) == [b"0", b"1", b"2", b"last"]


async def test_a_timer_set_while_the_server_is_away_is_stored_when_it_is_back(
    own_server: NatsServer, own_bus: JetStreamBus, ref: ThreadRef
) -> None:
    inbox = await own_bus.inbox(ref.participant, credits=8)
    await own_bus.set_timer(ref, "before", seconds=3600, body=b"before")
    await own_server.kill()
    setting = asyncio.create_task(own_bus.set_timer(ref, "meanwhile", seconds=0.1, body=b"meanwhile"))
    await own_bus.drop_timer(ref, "never-set")  # does not wait
    await own_server.start()
    async with asyncio.timeout(SOON):
        await setting
    assert (await take(inbox)).message.body == b"meanwhile"


@pytest.mark.parametrize("hours", [-1.0, 1.0])
async def test_row_28_a_wall_clock_of_this_process_off_by_an_hour_changes_nothing(
    bus_url: str, ref: ThreadRef, monkeypatch: pytest.MonkeyPatch, hours: float
) -> None:
    real, real_ns = time.time, time.time_ns

    class Shifted(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Shifted:
            return cls.fromtimestamp(time.time(), tz)

    monkeypatch.setattr(time, "time", lambda: real() + hours * 3600)
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() + int(hours * 3600e9))
    monkeypatch.setattr(server_clock, "datetime", Shifted)
    bus = await connect_bus(bus_url)
    inbox = await bus.inbox(ref.participant, credits=4)
    began = time.monotonic()
    await bus.set_timer(ref, "a-timer", seconds=0.8, body=b"fired")
    await take(inbox)
    assert 0.8 <= time.monotonic() - began < 3
    await bus.close()


async def test_what_fired_or_was_dropped_leaves_nothing_behind(own_bus: JetStreamBus, ref: ThreadRef) -> None:
    inbox = await own_bus.inbox(ref.participant, credits=100)
    for number in range(20):
        await own_bus.set_timer(ref, f"fires-{number}", seconds=0.3, body=b"x")
        await own_bus.set_timer(ref, f"dropped-{number}", seconds=3600, body=b"x")
        await own_bus.set_timer(ref, f"dropped-{number}", seconds=1800, body=b"x")
        await own_bus.drop_timer(ref, f"dropped-{number}")
    for _ in range(20):
        await take(inbox)
    async with asyncio.timeout(SOON):
        while await kept(own_bus) > 0:  # noqa: ASYNC110  # the log confirms once a second what it took over, and no event tells
            await asyncio.sleep(0.1)


async def test_a_server_without_the_timers_stream_refuses_and_says_how_to_get_it(
    own_server: NatsServer, own_bus: JetStreamBus, ref: ThreadRef
) -> None:
    await own_bus.set_timer(ref, "a-timer", seconds=3600, body=b"x")
    await call(own_bus.client, f"STREAM.DELETE.{TIMER_STREAM}")
    other = await connect_bus(own_server.url)
    for bus in (own_bus, other):  # one knows the server's clock, one does not
        with pytest.raises(StreamRefused, match=f"{TIMER_STREAM} is not on this server. Start the system again"):
            await bus.set_timer(ref, "a-timer", seconds=0, body=b"x")
    await other.close()


async def test_timers_work_again_when_their_stream_was_lost_and_made_anew(
    own_server: NatsServer, own_bus: JetStreamBus, ref: ThreadRef
) -> None:
    inbox = await own_bus.inbox(ref.participant, credits=8)
    for number in range(3):
        await own_bus.set_timer(ref, f"before-{number}", seconds=0, body=b"before")
        await take(inbox)
    await call(own_bus.client, f"STREAM.DELETE.{TIMER_STREAM}")
    await provision(own_bus.client)
    await own_server.restart()  # else the log looks for it again only after 20 seconds
    await own_bus.set_timer(ref, "after", seconds=0, body=b"after")
    assert (await take(inbox)).message.body == b"after"


@given(epoch=st.floats(0, 32_503_680_000, allow_nan=False))
def test_a_moment_is_written_as_the_server_reads_it_and_never_earlier(epoch: float) -> None:
    text = rfc3339(epoch)
    assert text.endswith("Z")
    assert text[10] == "T"
    read = dt.datetime.fromisoformat(text) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    micros = Fraction(read // dt.timedelta(microseconds=1))
    assert 0 <= micros - Fraction(epoch) * 1_000_000 < 1
