"""Faults of servers and links, and what the log makes of them. The numbers are rows of the project's fault list.

Behind each fault every acknowledged entry must be read back once, in order, with the bytes that were acknowledged.
"""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from busagents.adapters.jetstream.bus import JetStreamBus, connect_bus
from busagents.adapters.jetstream.inbox import JetStreamInbox
from busagents.adapters.jetstream.log import JetStreamLog
from busagents.adapters.jetstream.provision import provision
from busagents.domain.subjects import STREAM, ThreadRef
from busagents.errors import AppendUnresolved, Fenced, LogRegressed
from busagents.runtime.supervisor.nats_server import NatsServer
from busagents.testing.link_proxy import Direction, LinkFault, LinkProxy

STORED = b'"stream":"BUSAGENTS"'  # only a publish's confirmation has it


def new_ref() -> ThreadRef:
    return ThreadRef(f"agent_{uuid.uuid4().hex[:12]}", f"session_{uuid.uuid4().hex[:12]}")


async def append(bus: JetStreamBus, ref: ThreadRef, body: bytes, head: int, entry_id: str | None = None) -> int:
    return await bus.log.append(ref, body, entry_id=entry_id or str(uuid.uuid4()), head=head, types="test")


async def bodies(bus: JetStreamBus, ref: ThreadRef) -> list[bytes]:
    return [entry.body async for entry in bus.log.read_thread(ref)]


async def work_off(inbox: JetStreamInbox, count: int) -> set[bytes]:
    """Acknowledge what comes until `count` different messages came."""
    got: set[bytes] = set()
    async with asyncio.timeout(30):
        async for delivery in inbox.deliveries():
            got.add(delivery.message.body)
            await delivery.ack()
            inbox.release()
            if len(got) == count:
                break
    return got


async def struck(fault: LinkFault) -> None:
    async with asyncio.timeout(10):
        await fault.happened.wait()


@pytest_asyncio.fixture
async def link(bus_url: str) -> AsyncIterator[LinkProxy]:
    async with LinkProxy(bus_url) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def far(link: LinkProxy) -> AsyncIterator[JetStreamBus]:
    """A bus behind the failing link; `bus` is on the server itself."""
    connected = await connect_bus(link.url, ack_wait=0.5)
    yield connected
    link.heal()
    await connected.close()


# --- 15: the server is killed under load -----------------------------------------------------------------------------


async def test_15_no_acknowledged_entry_is_lost_or_doubled_over_twenty_kills_of_the_server(own_server: NatsServer) -> None:
    buses = [await connect_bus(own_server.url) for _ in range(3)]
    await provision(buses[0].client)
    refs = [new_ref() for _ in buses]
    acknowledged: list[list[bytes]] = [[] for _ in buses]
    stop = asyncio.Event()
    progress = [asyncio.Event() for _ in buses]

    async def write(who: int) -> None:
        head = 0
        while not stop.is_set():
            body = f"{who}:{len(acknowledged[who])}".encode()
            head = await append(buses[who], refs[who], body, head)
            acknowledged[who].append(body)
            progress[who].set()

    writers = [asyncio.create_task(write(who)) for who in range(len(buses))]
    for _ in range(20):
        async with asyncio.timeout(20):
            for each in progress:
                each.clear()
                await each.wait()
        await own_server.kill()
        await own_server.start()
    stop.set()
    await asyncio.gather(*writers)
    for bus, ref, written in zip(buses, refs, acknowledged, strict=True):
        assert await bodies(bus, ref) == written
        await bus.close()


async def test_15_messages_sent_while_the_server_is_killed_are_delivered_and_stored_once(own_server: NatsServer) -> None:
    bus = await connect_bus(own_server.url, ack_wait=2)
    await provision(bus.client)
    ref = new_ref()
    inbox = await bus.inbox(ref.participant, credits=4)
    working = asyncio.create_task(work_off(inbox, 25))
    for kill in range(5):
        sends = [
            asyncio.create_task(bus.log.send(ref, "in", f"{kill}:{n}".encode(), entry_id=str(uuid.uuid4()), types="test"))
            for n in range(5)
        ]
        await own_server.kill()
        await own_server.start()
        await asyncio.gather(*sends)
    sent = [f"{kill}:{n}".encode() for kill in range(5) for n in range(5)]
    assert await working == set(sent)
    assert sorted(await bodies(bus, ref)) == sorted(sent)
    await bus.close()


# --- 17: the stream is gone, or is another one -----------------------------------------------------------------------


async def test_17_a_known_stream_that_was_deleted_is_not_replaced_by_an_empty_one(own_server: NatsServer) -> None:
    bus = await connect_bus(own_server.url)
    known = await provision(bus.client)
    await provision(bus.client, known=known)
    await bus.client.jetstream().delete_stream(STREAM)
    with pytest.raises(LogRegressed, match="is gone"):
        await provision(bus.client, known=known)
    with pytest.raises(LogRegressed, match="does not exist"):
        await append(bus, new_ref(), b"nowhere", 0)
    with pytest.raises(LogRegressed, match="does not exist"):
        await bodies(bus, new_ref())
    assert STREAM not in [info.config.name for info in await bus.client.jetstream().streams_info()]
    await bus.close()


async def test_17_a_stream_made_anew_under_the_same_name_is_refused_as_another_log(own_server: NatsServer) -> None:
    bus = await connect_bus(own_server.url)
    known = await provision(bus.client)
    await bus.client.jetstream().delete_stream(STREAM)
    other = await provision(bus.client)
    assert other.created != known.created
    assert other.genesis != known.genesis
    with pytest.raises(LogRegressed, match="another log"):
        await provision(bus.client, known=known)
    await bus.close()


async def test_17_a_stream_whose_beginning_was_purged_is_refused(own_server: NatsServer) -> None:
    bus = await connect_bus(own_server.url)
    known = await provision(bus.client)
    await append(bus, new_ref(), b"kept", 0)
    await bus.client.jetstream().purge_stream(STREAM, subject="busagents.log.busagents.>")
    with pytest.raises(LogRegressed, match="genesis"):
        await provision(bus.client, known=known)
    with pytest.raises(LogRegressed, match="genesis"):
        await provision(bus.client)
    await bus.close()


async def test_17_a_store_replaced_by_one_of_another_server_is_refused(own_server: NatsServer, tmp_path: Path) -> None:
    async with NatsServer(tmp_path / "other", durability="process") as other:
        bus = await connect_bus(other.url)
        await provision(bus.client)
        await bus.close()
    bus = await connect_bus(own_server.url)
    known = await provision(bus.client)
    await bus.close()
    await own_server.stop()
    shutil.rmtree(own_server.data_dir / "jetstream")
    shutil.copytree(tmp_path / "other" / "jetstream", own_server.data_dir / "jetstream")
    await own_server.start()
    bus = await connect_bus(own_server.url)
    with pytest.raises(LogRegressed, match="another log"):
        await provision(bus.client, known=known)
    await bus.close()


async def test_17_a_store_replaced_by_an_older_copy_of_itself_is_refused(own_server: NatsServer, tmp_path: Path) -> None:
    ref, store = new_ref(), own_server.data_dir / "jetstream"
    bus = await connect_bus(own_server.url)
    await provision(bus.client)
    head = await append(bus, ref, b"in the copy", 0)
    await bus.close()
    await own_server.stop()
    shutil.copytree(store, tmp_path / "copy")
    await own_server.start()
    bus = await connect_bus(own_server.url)
    await append(bus, ref, b"after the copy", head)
    known = await provision(bus.client)
    await bus.close()
    await own_server.stop()
    shutil.rmtree(store)
    shutil.copytree(tmp_path / "copy", store)
    await own_server.start()
    bus = await connect_bus(own_server.url)
    with pytest.raises(LogRegressed, match=f"went to {known.position}"):
        await provision(bus.client, known=known)
    await bus.close()


async def test_17_many_processes_that_provision_at_once_agree_on_one_log(own_server: NatsServer) -> None:
    buses = [await connect_bus(own_server.url) for _ in range(6)]
    identities = await asyncio.gather(*(provision(bus.client) for bus in buses))
    assert len({(identity.created, identity.genesis) for identity in identities}) == 1
    assert len([entry async for entry in buses[0].log.read_participant("*")]) == 1
    for bus in buses:
        await bus.close()


# --- 20: the confirmation is lost ------------------------------------------------------------------------------------


async def test_20_an_append_whose_confirmation_is_lost_succeeds_with_one_copy(
    link: LinkProxy, far: JetStreamBus, bus: JetStreamBus
) -> None:
    ref = new_ref()
    first = await append(far, ref, b"one", 0)
    lost = link.drop_next(Direction.TO_CLIENT, STORED)
    second = await append(far, ref, b"two", first)
    await struck(lost)
    await append(far, ref, b"three", second)
    assert await bodies(bus, ref) == [b"one", b"two", b"three"]


async def test_20_an_append_whose_link_is_cut_before_the_confirmation_succeeds_with_one_copy(
    link: LinkProxy, far: JetStreamBus, bus: JetStreamBus
) -> None:
    ref, head = new_ref(), 0
    for number in range(5):
        lost = link.drop_next(Direction.TO_CLIENT, STORED)
        appending = asyncio.create_task(append(far, ref, str(number).encode(), head))
        await struck(lost)
        link.cut()
        head = await appending
    assert await bodies(bus, ref) == [b"0", b"1", b"2", b"3", b"4"]


async def test_20_a_rival_behind_an_entry_whose_confirmation_was_lost_fences_its_writer(
    link: LinkProxy, far: JetStreamBus, bus: JetStreamBus
) -> None:
    ref = new_ref()
    lost = link.drop_next(Direction.TO_CLIENT, STORED)
    appending = asyncio.create_task(append(far, ref, b"ours", 0))
    await struck(lost)
    stored = await bus.log.head(ref)
    assert stored is not None
    await append(bus, ref, b"the rival's", stored.position)
    with pytest.raises(Fenced):
        await appending
    assert await bodies(bus, ref) == [b"ours", b"the rival's"]


async def test_20_an_append_that_ended_unresolved_is_recognised_as_stored_when_it_is_repeated(
    link: LinkProxy, far: JetStreamBus, bus: JetStreamBus
) -> None:
    ref, log, entry_id = new_ref(), JetStreamLog(far.client, deadline=0.5), str(uuid.uuid4())
    lost = link.drop_next(Direction.TO_CLIENT, STORED)
    appending = asyncio.create_task(log.append(ref, b"once", entry_id=entry_id, head=0, types="test"))
    await struck(lost)
    link.black_hole()
    with pytest.raises(AppendUnresolved):
        await appending
    link.heal()
    position = await log.append(ref, b"once", entry_id=entry_id, head=0, types="test")
    assert [(entry.position, entry.body) async for entry in bus.log.read_thread(ref)] == [(position, b"once")]


async def test_20_a_send_whose_confirmation_is_lost_is_stored_once(link: LinkProxy, far: JetStreamBus, bus: JetStreamBus) -> None:
    ref = new_ref()
    lost = link.drop_next(Direction.TO_CLIENT, STORED)
    position = await far.log.send(ref, "in", b"once", entry_id=str(uuid.uuid4()), types="test")
    await struck(lost)
    assert [(entry.position, entry.body) async for entry in bus.log.read_thread(ref)] == [(position, b"once")]


# --- 21: half a frame ------------------------------------------------------------------------------------------------


async def test_21_an_append_cut_in_the_middle_of_its_frame_is_stored_once(
    link: LinkProxy, far: JetStreamBus, bus: JetStreamBus
) -> None:
    ref = new_ref()
    first = await append(far, ref, b"one", 0)
    half = link.half_write_next(Direction.TO_SERVER, b"the second body")
    second = await append(far, ref, b"the second body", first)
    await struck(half)
    await append(far, ref, b"three", second)
    assert await bodies(bus, ref) == [b"one", b"the second body", b"three"]


async def test_21_a_read_cut_in_the_middle_of_an_entry_gives_every_entry_once(
    link: LinkProxy, far: JetStreamBus, bus: JetStreamBus
) -> None:
    ref, head = new_ref(), 0
    written = [f"body {number}".encode() for number in range(20)]
    for body in written:
        head = await append(bus, ref, body, head)
    half = link.half_write_next(Direction.TO_CLIENT, b"body 11")
    assert await bodies(far, ref) == written
    await struck(half)


# --- 22: published again after the dedupe window ---------------------------------------------------------------------


async def test_22_an_entry_published_again_after_the_dedupe_window_is_recognised_as_stored(own_server: NatsServer) -> None:
    bus = await connect_bus(own_server.url)
    await provision(bus.client, duplicate_window=0.1)
    ref, entry_id = new_ref(), str(uuid.uuid4())
    first = await append(bus, ref, b"once", 0, entry_id)
    await asyncio.sleep(0.5)  # the window itself is what passes here
    assert await append(bus, ref, b"once", 0, entry_id) == first
    second = await append(bus, ref, b"twice", first)
    with pytest.raises(Fenced):
        await append(bus, ref, b"once", 0, entry_id)
    assert [(e.position, e.body) async for e in bus.log.read_thread(ref)] == [(first, b"once"), (second, b"twice")]
    await bus.close()


# --- 23: two owners on one head --------------------------------------------------------------------------------------


async def test_23_of_two_owners_on_one_head_one_wins_and_the_other_is_fenced_for_good(
    far: JetStreamBus, bus: JetStreamBus
) -> None:
    for _ in range(20):
        ref = new_ref()
        results = await asyncio.gather(append(far, ref, b"far", 0), append(bus, ref, b"near", 0), return_exceptions=True)
        fenced = [isinstance(result, Fenced) for result in results]
        assert sorted(fenced) == [False, True]
        loser, winner = (far, b"near") if fenced[0] else (bus, b"far")
        with pytest.raises(Fenced):
            await append(loser, ref, b"again", 0)
        assert await bodies(bus, ref) == [winner]


# --- 25: doubled and reordered ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [LinkProxy.duplicate_next, LinkProxy.swap_next], ids=["doubled", "reordered"])
async def test_25_publishes_that_arrive_doubled_or_out_of_order_are_stored_once(
    link: LinkProxy, far: JetStreamBus, bus: JetStreamBus, fault: Callable[[LinkProxy, Direction, bytes], LinkFault]
) -> None:
    ref, other = new_ref(), new_ref()
    armed = fault(link, Direction.TO_SERVER, b"the body of")
    writes: list[Awaitable[int]] = [append(far, ref, b"the body of one", 0), append(far, other, b"the body of two", 0)]
    heads = await asyncio.gather(*writes)
    await struck(armed)
    await append(far, ref, b"next", heads[0])
    assert await bodies(bus, ref) == [b"the body of one", b"next"]
    assert await bodies(bus, other) == [b"the body of two"]


@pytest.mark.parametrize("fault", [LinkProxy.duplicate_next, LinkProxy.swap_next], ids=["doubled", "reordered"])
async def test_25_deliveries_that_arrive_doubled_or_out_of_order_lose_nothing_and_break_no_credit(
    link: LinkProxy, far: JetStreamBus, bus: JetStreamBus, fault: Callable[[LinkProxy, Direction, bytes], LinkFault]
) -> None:
    ref = new_ref()
    inbox = await far.inbox(ref.participant, credits=2)
    armed = fault(link, Direction.TO_CLIENT, b"message ")
    written = [f"message {number}".encode() for number in range(12)]
    working = asyncio.create_task(work_off(inbox, len(written)))
    for body in written:
        await bus.log.send(ref, "in", body, entry_id=str(uuid.uuid4()), types="test")
    await struck(armed)
    assert await working == set(written)
    assert await bodies(bus, ref) == written


# --- 26: a black hole ------------------------------------------------------------------------------------------------


async def test_26_an_append_into_a_black_hole_returns_when_the_link_is_back_with_one_copy(
    link: LinkProxy, far: JetStreamBus, bus: JetStreamBus
) -> None:
    ref = new_ref()
    first = await append(far, ref, b"one", 0)
    link.black_hole()
    appending = asyncio.create_task(append(far, ref, b"two", first))
    done, _ = await asyncio.wait({appending}, timeout=5)  # row 26: five seconds of silence
    assert not done
    assert await bodies(bus, ref) == [b"one"]
    link.heal()
    async with asyncio.timeout(30):
        second = await appending
    await append(far, ref, b"three", second)
    assert await bodies(bus, ref) == [b"one", b"two", b"three"]


async def test_26_a_writer_in_a_black_hole_is_fenced_when_another_went_on_meanwhile(
    link: LinkProxy, far: JetStreamBus, bus: JetStreamBus
) -> None:
    ref = new_ref()
    first = await append(far, ref, b"one", 0)
    link.black_hole()
    appending = asyncio.create_task(append(far, ref, b"the lost owner's", first))
    await append(bus, ref, b"the new owner's", first)
    link.heal()
    async with asyncio.timeout(30):
        with pytest.raises(Fenced):
            await appending
    assert await bodies(bus, ref) == [b"one", b"the new owner's"]


async def test_26_an_append_that_never_learns_its_outcome_says_so_within_its_deadline(
    link: LinkProxy, far: JetStreamBus, bus: JetStreamBus
) -> None:
    ref, log = new_ref(), JetStreamLog(far.client, deadline=0.5)
    link.black_hole()
    async with asyncio.timeout(20):
        with pytest.raises(AppendUnresolved, match="not known"):
            await log.append(ref, b"one", entry_id=str(uuid.uuid4()), head=0, types="test")
    assert await bodies(bus, ref) == []


async def test_26_an_inbox_in_a_black_hole_goes_on_when_the_link_is_back(
    link: LinkProxy, far: JetStreamBus, bus: JetStreamBus
) -> None:
    ref = new_ref()
    inbox = await far.inbox(ref.participant, credits=1)
    link.black_hole()
    for number in range(3):
        await bus.log.send(ref, "in", str(number).encode(), entry_id=str(uuid.uuid4()), types="test")
    link.heal()
    assert await work_off(inbox, 3) == {b"0", b"1", b"2"}


async def test_26_an_inbox_whose_link_was_down_is_served_by_the_next_connection(
    link: LinkProxy, far: JetStreamBus, bus: JetStreamBus
) -> None:
    ref = new_ref()
    inbox = await far.inbox(ref.participant, credits=2)
    link.go_down()
    for number in range(6):
        await bus.log.send(ref, "in", str(number).encode(), entry_id=str(uuid.uuid4()), types="test")
    link.heal()
    assert await work_off(inbox, 6) == {str(number).encode() for number in range(6)}
