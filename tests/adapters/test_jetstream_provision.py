"""Provisioning: once, the same for everybody, and no stream that could lose data. A full log is a typed refusal."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import msgspec
import pytest

from busagents.adapters.jetstream.bus import JetStreamBus, connect_bus
from busagents.adapters.jetstream.provision import provision, too_old
from busagents.adapters.jetstream.streams import TIMER_SOURCE, log_stream, timer_stream
from busagents.domain.subjects import STREAM, TIMER_STREAM, ThreadRef
from busagents.errors import LogFull, StreamRefused
from busagents.runtime.supervisor.nats_server import NatsServer


async def api(bus: JetStreamBus, subject: str, body: dict[str, Any]) -> dict[str, Any]:
    reply = await bus.client.request(f"$JS.API.{subject}", msgspec.json.encode(body), timeout=5)
    answer: dict[str, Any] = msgspec.json.decode(reply.data)
    assert "error" not in answer, answer["error"]
    return answer


async def test_provisioning_again_changes_nothing_and_gives_the_same_identity(own_server: NatsServer) -> None:
    bus = await connect_bus(own_server.url)
    first = await provision(bus.client, max_bytes=10_000_000)
    before = await api(bus, f"STREAM.INFO.{STREAM}", {})
    again = await provision(bus.client)
    assert (again.created, again.genesis) == (first.created, first.genesis)
    after = await api(bus, f"STREAM.INFO.{STREAM}", {})
    assert before["config"] == after["config"]
    assert before["config"]["max_bytes"] == 10_000_000
    assert (first.created, after["state"]["messages"]) == (before["created"], 1)
    await bus.close()


@pytest.mark.parametrize(
    ("setting", "harmful", "wanted"),
    [
        ("discard", "old", "new"),
        ("max_age", 3_600_000_000_000, "0"),
        ("max_msgs", 1000, "-1"),
        ("max_msgs_per_subject", 5, "-1"),
        ("deny_delete", False, "True"),
        ("deny_purge", True, "False"),
        ("allow_direct", False, "True"),
        ("allow_rollup_hdrs", True, "False"),
        ("allow_msg_ttl", True, "False"),
        ("storage", "memory", "file"),
        ("retention", "interest", "limits"),
        ("republish", None, "busagents.live"),
        ("subjects", ["busagents.log.*.*.*.ev"], "busagents.log"),
        ("sources", [{"name": "SOMEBODY"}], "BUSAGENTS_TIMERS"),
        ("sources", [{"name": "SOMEBODY"}, TIMER_SOURCE], "BUSAGENTS_TIMERS"),
        ("sources", [{"name": TIMER_STREAM}], "busagents.log.{{wildcard(1)}}"),
        (
            "subject_transform",
            {"src": "busagents.log.*.*.*.in", "dest": "busagents.log.{{wildcard(1)}}.{{wildcard(2)}}.{{wildcard(3)}}.ev"},
            "None",
        ),
    ],
)
async def test_a_stream_that_could_lose_data_is_refused_with_the_setting_and_what_it_must_be(
    own_server: NatsServer, setting: str, harmful: object, wanted: str
) -> None:
    bus = await connect_bus(own_server.url)
    config = {**log_stream(1, -1), setting: harmful}
    if setting == "allow_msg_ttl":
        config["deny_delete"] = False  # the server refuses both together
    await api(bus, f"STREAM.CREATE.{STREAM}", config)
    with pytest.raises(StreamRefused) as raised:
        await provision(bus.client)
    named = next(part for part in str(raised.value).split("; ") if f"{setting}=" in part)
    assert repr(harmful) in named
    assert wanted in named.split("must be")[1]
    await bus.close()


@pytest.mark.parametrize(
    ("setting", "harmful", "wanted"),
    [
        ("max_age", 3_600_000_000_000, "0"),
        ("max_msgs", 1000, "-1"),
        ("max_bytes", 10_000, "-1"),
        ("storage", "memory", "file"),
        ("retention", "interest", "workqueue"),
        ("allow_msg_schedules", False, "True"),
        ("subjects", ["busagents.timer.set.>"], "busagents.timer.>"),
    ],
)
async def test_a_stream_that_could_lose_timers_is_refused_with_the_setting_and_what_it_must_be(
    own_server: NatsServer, setting: str, harmful: object, wanted: str
) -> None:
    bus = await connect_bus(own_server.url)
    await api(bus, f"STREAM.CREATE.{TIMER_STREAM}", {**timer_stream(1), setting: harmful})
    with pytest.raises(StreamRefused, match=f"stream {TIMER_STREAM} could lose timers") as raised:
        await provision(bus.client)
    named = next(part for part in str(raised.value).split("; ") if f"{setting}=" in part)
    assert repr(harmful) in named
    assert wanted in named.split("must be")[1]
    await bus.close()


async def test_an_older_log_without_timers_gets_them_and_stays_the_log_it_is(own_server: NatsServer) -> None:
    bus, ref = await connect_bus(own_server.url), ThreadRef("agent", "session")
    older = {name: value for name, value in log_stream(1, 10_000_000).items() if name != "sources"}
    await api(bus, f"STREAM.CREATE.{STREAM}", older)
    first = await provision(bus.client)
    await bus.log.append(ref, b"one", entry_id=str(uuid.uuid4()), head=0, types="test")
    before = await api(bus, f"STREAM.INFO.{STREAM}", {})
    without = {name: value for name, value in before["config"].items() if name != "sources"}
    await api(bus, f"STREAM.UPDATE.{STREAM}", without)
    again = await provision(bus.client, known=first)
    after = await api(bus, f"STREAM.INFO.{STREAM}", {})
    assert after["config"] == before["config"]
    assert after["config"]["sources"] == [TIMER_SOURCE]
    assert (again.created, again.genesis, after["created"]) == (first.created, first.genesis, first.created)
    inbox = await bus.inbox(ref.participant, credits=1)
    await bus.set_timer(ref, "a-timer", seconds=0, body=b"fired")
    async with asyncio.timeout(20):
        assert (await anext(aiter(inbox.deliveries()))).message.body == b"fired"
    assert [entry.body async for entry in bus.log.read_thread(ref)] == [b"one", b"fired"]
    await bus.close()


async def test_an_older_log_that_could_lose_data_is_refused_and_not_touched(own_server: NatsServer) -> None:
    bus = await connect_bus(own_server.url)
    older = {name: value for name, value in log_stream(1, -1).items() if name != "sources"}
    created = await api(bus, f"STREAM.CREATE.{STREAM}", {**older, "discard": "old"})
    with pytest.raises(StreamRefused, match="discard='old'"):
        await provision(bus.client)
    assert (await api(bus, f"STREAM.INFO.{STREAM}", {}))["config"] == created["config"]
    await bus.close()


def test_a_server_too_old_for_timers_is_refused_with_its_version_and_the_one_needed() -> None:
    assert "it is 2.11.4, JetStream API level 1. Use nats-server 2.12 or newer" in str(too_old("2.11.4", 1))


async def test_a_stream_with_fewer_copies_than_asked_for_is_refused(own_server: NatsServer) -> None:
    bus = await connect_bus(own_server.url)
    await provision(bus.client)
    with pytest.raises(StreamRefused, match=r"num_replicas=1 \(must be 3"):
        await provision(bus.client, replicas=3)
    await bus.close()


async def test_more_room_than_the_server_has_is_refused_with_the_servers_reason(own_server: NatsServer) -> None:
    bus = await connect_bus(own_server.url)
    with pytest.raises(StreamRefused, match="insufficient storage"):
        await provision(bus.client, max_bytes=10**15)
    await bus.close()


async def test_a_full_log_refuses_cleanly_and_goes_on_when_room_is_made(own_server: NatsServer) -> None:
    bus = await connect_bus(own_server.url)
    await provision(bus.client, max_bytes=20_000)
    ref, stored = ThreadRef("agent", "session"), [bytes([number]) * 1000 for number in range(10)]
    head = 0
    for body in stored:
        head = await bus.log.append(ref, body, entry_id=str(uuid.uuid4()), head=head, types="test")
    with pytest.raises(LogFull, match="max_bytes"):
        await bus.log.append(ref, bytes(10_000), entry_id=str(uuid.uuid4()), head=head, types="test")
    with pytest.raises(LogFull, match="max_bytes"):
        await bus.log.send(ref, "stop", bytes(10_000), entry_id=str(uuid.uuid4()), types="test")
    assert [entry.body async for entry in bus.log.read_thread(ref)] == stored
    config = (await api(bus, f"STREAM.INFO.{STREAM}", {}))["config"]
    await api(bus, f"STREAM.UPDATE.{STREAM}", {**config, "max_bytes": 40_000})
    await bus.log.append(ref, b"room again", entry_id=str(uuid.uuid4()), head=head, types="test")
    assert [entry.body async for entry in bus.log.read_thread(ref)] == [*stored, b"room again"]
    await bus.close()
