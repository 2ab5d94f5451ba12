"""What every bus promises, as tests. An adapter's test module inherits the class and says how to connect."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise

import pytest

from busagents.domain.codec import sha256_hex
from busagents.domain.subjects import ThreadRef
from busagents.errors import BlobMissing, EntryTooLarge, Fenced, InvalidName
from busagents.ports.log import Bus, Delivery, Inbox, LiveMessage, LiveSubscription, StoredMessage

Connect = Callable[..., Awaitable[Bus]]  # connect(ack_wait=seconds): another process's connection to the same bus
SOON = 5.0  # seconds until a test gives up waiting for something that must come
SILENCE = 0.25  # seconds in which something that must not come would have come


def new_id() -> str:
    return str(uuid.uuid4())


def new_ref(participant: str | None = None, session: str | None = None) -> ThreadRef:
    return ThreadRef(participant or f"agent_{uuid.uuid4().hex[:12]}", session or f"session_{uuid.uuid4().hex[:12]}")


async def append(bus: Bus, ref: ThreadRef, body: bytes, head: int) -> int:
    return await bus.log.append(ref, body, entry_id=new_id(), head=head, types="test")


async def send(bus: Bus, ref: ThreadRef, body: bytes) -> int:
    return await bus.log.send(ref, "in", body, entry_id=new_id(), types="test")


async def all_of(entries: AsyncIterator[StoredMessage]) -> list[StoredMessage]:
    return [entry async for entry in entries]


async def take(inbox: Inbox) -> Delivery:
    async with asyncio.timeout(SOON):
        return await anext(aiter(inbox.deliveries()))


async def takes_nothing(inbox: Inbox) -> bool:
    """True when nothing is delivered for a while. A delivery that comes later is not lost."""
    waiting = asyncio.ensure_future(anext(aiter(inbox.deliveries())))
    done, _ = await asyncio.wait({waiting}, timeout=SILENCE)
    waiting.cancel()
    return not done


async def hear(live: LiveSubscription, count: int) -> list[LiveMessage]:
    heard: list[LiveMessage] = []
    async with asyncio.timeout(SOON):
        async for message in live:
            heard.append(message)
            if len(heard) == count:
                break
    return heard


class LogContract:
    """ports.log.EventLog."""

    async def test_appended_entries_are_read_back_byte_for_byte_in_order(self, connect: Connect) -> None:
        bus, ref = await connect(), new_ref()
        bodies = [b'{"v":1}', b"\xff\x00 not json", "zażółć".encode(), b""]
        ids, heads, head = [new_id() for _ in bodies], [], 0
        for entry_id, body in zip(ids, bodies, strict=True):
            head = await bus.log.append(ref, body, entry_id=entry_id, head=head, types="a.b,c.d")
            heads.append(head)
        read = await all_of(bus.log.read_thread(ref))
        assert [(e.ref, e.kind, e.position, e.entry_id, e.body) for e in read] == [
            (ref, "ev", position, entry_id, body) for position, entry_id, body in zip(heads, ids, bodies, strict=True)
        ]
        assert all(before < after for before, after in pairwise(heads))
        assert all(e.time.endswith("Z") and "T" in e.time for e in read)

    async def test_an_append_behind_an_old_head_is_fenced_for_good_and_stores_nothing(self, connect: Connect) -> None:
        winner, loser, ref = await connect(), await connect(), new_ref()
        first = await append(winner, ref, b"first", 0)
        for head in (0, 0, first + 1):
            with pytest.raises(Fenced, match=ref.session):
                await append(loser, ref, b"late", head)
        assert [e.body for e in await all_of(loser.log.read_thread(ref))] == [b"first"]

    async def test_of_many_writers_on_one_head_exactly_one_wins(self, connect: Connect) -> None:
        buses, ref = [await connect() for _ in range(4)], new_ref()
        head = 0
        for number in range(10):
            tries = [append(bus, ref, f"{number} by {who}".encode(), head) for who, bus in enumerate(buses)]
            results = await asyncio.gather(*tries, return_exceptions=True)
            won = [result for result in results if isinstance(result, int)]
            assert len(won) == 1
            assert all(isinstance(result, int | Fenced) for result in results)
            head = won[0]
        assert len(await all_of(buses[0].log.read_thread(ref))) == 10

    async def test_an_append_repeated_with_its_id_and_head_is_recognised_as_stored(self, connect: Connect) -> None:
        bus, ref, entry_id = await connect(), new_ref(), new_id()
        first = await bus.log.append(ref, b"once", entry_id=entry_id, head=0, types="test")
        assert await bus.log.append(ref, b"once", entry_id=entry_id, head=0, types="test") == first
        assert len(await all_of(bus.log.read_thread(ref))) == 1

    async def test_a_send_repeated_with_its_id_is_stored_once(self, connect: Connect) -> None:
        bus, ref, entry_id = await connect(), new_ref(), new_id()
        positions = {await bus.log.send(ref, "in", b"once", entry_id=entry_id, types="test") for _ in range(3)}
        assert [e.position for e in await all_of(bus.log.read_thread(ref))] == list(positions)

    async def test_messages_from_others_do_not_move_the_fence(self, connect: Connect) -> None:
        bus, ref = await connect(), new_ref()
        head = await append(bus, ref, b"one", 0)
        await send(bus, ref, b"from another")
        await bus.log.send(ref, "stop", b"cancel", entry_id=new_id(), types="task.cancel")
        await append(bus, ref, b"two", head)
        assert [(e.kind, e.body) for e in await all_of(bus.log.read_thread(ref))] == [
            ("ev", b"one"),
            ("in", b"from another"),
            ("stop", b"cancel"),
            ("ev", b"two"),
        ]

    async def test_reading_after_a_position_gives_what_is_behind_it_of_that_thread_alone(self, connect: Connect) -> None:
        bus, ref = await connect(), new_ref()
        other = ThreadRef(ref.participant, ref.session, "other")
        positions = [await send(bus, ref, str(n).encode()) for n in range(3)]
        await send(bus, other, b"not mine")
        assert [e.body for e in await all_of(bus.log.read_thread(ref, after=positions[0]))] == [b"1", b"2"]
        assert await all_of(bus.log.read_thread(ref, after=positions[-1])) == []
        assert await all_of(bus.log.read_thread(new_ref())) == []

    async def test_a_session_is_read_over_all_its_participants_in_the_order_of_the_log(self, connect: Connect) -> None:
        bus, first = await connect(), new_ref()
        second = new_ref(session=first.session)
        bodies = []
        for number, ref in enumerate([first, second, first, second]):
            bodies.append(f"{number}".encode())
            await send(bus, ref, bodies[-1])
        await send(bus, new_ref(participant=first.participant), b"another session")
        assert [e.body for e in await all_of(bus.log.read_session(first.session))] == bodies

    async def test_a_participant_is_read_over_all_its_sessions_and_a_star_reads_everything(self, connect: Connect) -> None:
        bus, first = await connect(), new_ref()
        second, other = new_ref(participant=first.participant), new_ref()
        start = await send(bus, first, b"0")
        await send(bus, other, b"another participant")
        await append(bus, second, b"1", 0)
        assert [e.body for e in await all_of(bus.log.read_participant(first.participant))] == [b"0", b"1"]
        everything = {e.body for e in await all_of(bus.log.read_participant("*", after=start - 1))}
        assert {b"0", b"1", b"another participant"} <= everything

    async def test_a_long_thread_is_read_whole_over_several_pages(self, connect: Connect) -> None:
        bus, ref = await connect(), new_ref()
        for start in range(0, 1201, 100):
            await asyncio.gather(*(send(bus, ref, str(n).encode()) for n in range(start, min(start + 100, 1201))))
        read = await all_of(bus.log.read_thread(ref))
        assert sorted(int(e.body) for e in read) == list(range(1201))
        assert all(before.position < after.position for before, after in pairwise(read))

    async def test_many_large_entries_are_read_whole(self, connect: Connect) -> None:
        bus, ref = await connect(), new_ref()
        bodies = [bytes([n]) * 900_000 for n in range(24)]
        for body in bodies:
            await send(bus, ref, body)
        assert [e.body for e in await all_of(bus.log.read_thread(ref))] == bodies

    async def test_the_head_is_the_last_fact_and_none_before_the_first(self, connect: Connect) -> None:
        bus, ref = await connect(), new_ref()
        await send(bus, ref, b"a message is no fact")
        assert await bus.log.head(ref) is None
        head = await append(bus, ref, b"one", 0)
        await send(bus, ref, b"another message")
        stored = await bus.log.head(ref)
        assert stored is not None
        assert (stored.position, stored.body, stored.kind) == (head, b"one", "ev")

    async def test_an_entry_above_the_limit_is_refused_with_its_size_and_nothing_is_stored(self, connect: Connect) -> None:
        bus, ref = await connect(), new_ref()
        size = 2 * 1024 * 1024
        with pytest.raises(EntryTooLarge, match=str(size)):
            await append(bus, ref, bytes(size), 0)
        with pytest.raises(EntryTooLarge, match=str(size)):
            await send(bus, ref, bytes(size))
        assert await all_of(bus.log.read_thread(ref)) == []

    @pytest.mark.parametrize("name", ["*", ">", "a.b", "", "a b", "x" * 65])
    async def test_a_name_no_subject_can_hold_is_refused_before_anything_is_stored(self, connect: Connect, name: str) -> None:
        bus, good = await connect(), new_ref()
        for ref in (
            ThreadRef(name, good.session),
            ThreadRef(good.participant, name),
            ThreadRef(good.participant, good.session, name),
        ):
            with pytest.raises(InvalidName):
                await append(bus, ref, b"x", 0)
            with pytest.raises(InvalidName):
                await send(bus, ref, b"x")


class InboxContract:
    """ports.log.Inbox and Delivery."""

    async def test_what_was_sent_before_and_after_the_inbox_opened_is_delivered_in_order(self, connect: Connect) -> None:
        bus, ref = await connect(), new_ref()
        sent = [await send(bus, ref, b"before")]
        inbox = await bus.inbox(ref.participant, credits=8)
        sent.append(await send(bus, new_ref(participant=ref.participant), b"after"))
        sent.append(await bus.log.send(ref, "stop", b"cancel", entry_id="a-stop", types="task.cancel"))
        await send(bus, new_ref(), b"for somebody else")
        got = [await take(inbox) for _ in range(3)]
        assert [(d.message.position, d.message.body, d.deliveries) for d in got] == [
            (sent[0], b"before", 1),
            (sent[1], b"after", 1),
            (sent[2], b"cancel", 1),
        ]
        assert (got[2].message.kind, got[2].message.ref) == ("stop", ref)
        assert len({d.token for d in got}) == 3
        assert await takes_nothing(inbox)

    async def test_own_facts_are_not_delivered(self, connect: Connect) -> None:
        bus, ref = await connect(), new_ref()
        inbox = await bus.inbox(ref.participant, credits=8)
        await append(bus, ref, b"a fact", 0)
        assert await takes_nothing(inbox)

    async def test_never_more_unfinished_deliveries_than_credits(self, connect: Connect) -> None:
        bus, ref = await connect(), new_ref()
        for n in range(6):
            await send(bus, ref, str(n).encode())
        inbox = await bus.inbox(ref.participant, credits=2)
        held = [await take(inbox), await take(inbox)]
        assert await takes_nothing(inbox)
        inbox.release()
        held.append(await take(inbox))
        assert await takes_nothing(inbox)
        inbox.release(2)
        held += [await take(inbox), await take(inbox)]
        assert await takes_nothing(inbox)
        assert [d.message.body for d in held] == [b"0", b"1", b"2", b"3", b"4"]

    async def test_credits_stay_exact_over_many_deliveries(self, connect: Connect) -> None:
        bus, ref = await connect(), new_ref()
        inbox = await bus.inbox(ref.participant, credits=3)
        seen, unfinished, most = [], 0, 0

        async def finish(delivery: Delivery) -> None:
            nonlocal unfinished
            await delivery.ack()
            unfinished -= 1
            inbox.release()

        await asyncio.gather(*(send(bus, ref, str(n).encode()) for n in range(60)))
        async with asyncio.timeout(SOON), asyncio.TaskGroup() as group:
            async for delivery in inbox.deliveries():
                unfinished += 1
                most = max(most, unfinished)
                seen.append(int(delivery.message.body))
                group.create_task(finish(delivery))
                if len(seen) == 60:
                    break
        assert sorted(seen) == list(range(60))
        assert most <= 3

    async def test_a_delivery_held_in_silence_goes_to_another_replica(self, connect: Connect) -> None:
        dead, alive, ref = await connect(ack_wait=0.4), await connect(ack_wait=0.4), new_ref()
        position = await send(dead, ref, b"work")
        first = await take(await dead.inbox(ref.participant, credits=1))
        second = await take(await alive.inbox(ref.participant, credits=1))
        assert (first.message.position, second.message.position) == (position, position)
        assert (first.deliveries, second.deliveries) == (1, 2)

    async def test_a_delivery_in_progress_stays_with_its_holder(self, connect: Connect) -> None:
        bus, ref = await connect(ack_wait=0.6), new_ref()
        await send(bus, ref, b"long work")
        inbox = await bus.inbox(ref.participant, credits=2)
        delivery = await take(inbox)
        for _ in range(5):
            assert await takes_nothing(inbox)
            await delivery.in_progress()
        await delivery.ack()

    async def test_an_acknowledged_delivery_never_comes_again(self, connect: Connect) -> None:
        bus, ref = await connect(ack_wait=0.2), new_ref()
        await send(bus, ref, b"work")
        inbox = await bus.inbox(ref.participant, credits=2)
        await (await take(inbox)).ack()
        assert await takes_nothing(inbox)
        assert await takes_nothing(await (await connect()).inbox(ref.participant, credits=2))

    async def test_a_terminated_delivery_never_comes_again(self, connect: Connect) -> None:
        bus, ref = await connect(ack_wait=0.2), new_ref()
        await send(bus, ref, b"poison")
        inbox = await bus.inbox(ref.participant, credits=2)
        await (await take(inbox)).term()
        assert await takes_nothing(inbox)
        assert await takes_nothing(inbox)

    async def test_what_is_given_back_comes_again_with_a_higher_count(self, connect: Connect) -> None:
        bus, ref = await connect(ack_wait=30), new_ref()
        await send(bus, ref, b"work")
        inbox = await bus.inbox(ref.participant, credits=3)
        await (await take(inbox)).nak()
        again = await take(inbox)
        assert again.deliveries == 2
        await again.nak(0.6)
        assert await takes_nothing(inbox)
        assert (await take(inbox)).deliveries == 3

    async def test_what_is_given_back_comes_again_however_often(self, connect: Connect) -> None:
        bus, ref = await connect(), new_ref()
        await send(bus, ref, b"x")
        inbox = await bus.inbox(ref.participant, credits=1)
        for count in range(1, 41):  # who gives a message up says so; a queue that did it would lose it
            delivery = await take(inbox)
            assert delivery.deliveries == count
            inbox.release()
            await delivery.nak()

    async def test_replicas_share_the_queue_without_doubles(self, connect: Connect) -> None:
        first, second, ref = await connect(), await connect(), new_ref()
        inboxes = [await bus.inbox(ref.participant, credits=5) for bus in (first, second)]
        for n in range(10):
            await send(first, ref, str(n).encode())
        got = [await take(inbox) for inbox in inboxes for _ in range(5)]
        assert sorted(int(d.message.body) for d in got) == list(range(10))

    async def test_closing_gives_back_what_was_not_begun_and_ends_the_iteration(self, connect: Connect) -> None:
        bus, ref = await connect(ack_wait=30), new_ref()
        for n in range(3):
            await send(bus, ref, str(n).encode())
        inbox = await bus.inbox(ref.participant, credits=3)
        held = await take(inbox)
        await inbox.close()
        async with asyncio.timeout(SOON):
            assert [d async for d in inbox.deliveries()] == []
        other = await (await connect(ack_wait=30)).inbox(ref.participant, credits=3)
        assert {(await take(other)).message.body for _ in range(2)} == {b"1", b"2"}
        assert await takes_nothing(other)
        assert held.message.body == b"0"

    async def test_a_participant_is_known_once_its_inbox_was_opened(self, connect: Connect) -> None:
        bus, ref = await connect(), new_ref()
        await send(bus, ref, b"nobody is there yet")
        assert not await bus.known(ref.participant)
        await (await bus.inbox(ref.participant, credits=1)).close()
        assert await (await connect()).known(ref.participant)


class LiveContract:
    """The live feed, cancels heard at once, ownership questions."""

    async def test_a_watcher_hears_stored_facts_with_their_place_and_deltas_without(self, connect: Connect) -> None:
        bus, watcher, ref = await connect(), await connect(), new_ref()
        other = new_ref(session=ref.session)
        live = await watcher.watch_session(ref.session)
        await send(bus, ref, b"messages are not republished")
        first = await append(bus, ref, b"one", 0)
        await bus.publish_live(ref, b"delta")
        elsewhere = await append(bus, other, b"other thread", 0)
        second = await append(bus, ref, b"two", first)
        heard = await hear(live, 4)
        assert sorted((m.position, m.previous, m.body) for m in heard) == sorted(
            [(first, 0, b"one"), (0, 0, b"delta"), (elsewhere, 0, b"other thread"), (second, first, b"two")]
        )
        assert {m.ref for m in heard} == {ref, other}
        await live.close()

    async def test_a_watcher_hears_nothing_of_other_sessions(self, connect: Connect) -> None:
        bus, ref = await connect(), new_ref()
        live = await bus.watch_session(ref.session)
        await bus.publish_live(new_ref(participant=ref.participant), b"elsewhere")
        await bus.publish_live(ref, b"here")
        assert [m.body for m in await hear(live, 1)] == [b"here"]

    async def test_a_slow_watcher_loses_the_oldest_and_keeps_the_newest(self, connect: Connect) -> None:
        bus, ref = await connect(), new_ref()
        live, quick = await bus.watch_session(ref.session), await bus.watch_session(ref.session)
        for n in range(5000):
            await bus.publish_live(ref, str(n).encode())
            if n % 500 == 499:
                await hear(quick, 500)
        await hear(live, 1)
        await live.close()
        async with asyncio.timeout(SOON):
            kept = [int(m.body) async for m in live]
        assert kept[-1] == 4999
        assert kept == list(range(kept[0], 5000))
        assert 1000 < len(kept) <= 4096

    async def test_closing_ends_the_iteration(self, connect: Connect) -> None:
        live = await (await connect()).watch_session("some_session")
        await live.close()
        async with asyncio.timeout(SOON):
            assert [m async for m in live] == []

    async def test_every_replica_hears_a_cancel_at_once(self, connect: Connect) -> None:
        buses, ref = [await connect(), await connect()], new_ref()
        heard: asyncio.Queue[tuple[ThreadRef, bytes]] = asyncio.Queue()
        for bus in buses:
            await bus.hear_stops(ref.participant, lambda ref, body: heard.put_nowait((ref, body)))
        await send(buses[0], ref, b"a message is no cancel")
        await buses[0].log.send(ref, "stop", b"cancel", entry_id=new_id(), types="task.cancel")
        async with asyncio.timeout(SOON):
            assert [await heard.get(), await heard.get()] == [(ref, b"cancel")] * 2

    async def test_only_the_process_that_holds_a_thread_answers_for_it(self, connect: Connect) -> None:
        owner, idle, asker, ref = await connect(), await connect(), await connect(), new_ref()
        other = new_ref(participant=ref.participant)
        await owner.answer_owner(ref.participant, lambda asked: asked == ref)
        await idle.answer_owner(ref.participant, lambda asked: False)
        assert await asker.ask_owner(ref, timeout=SOON)
        assert not await asker.ask_owner(other, timeout=0.1)
        assert not await asker.ask_owner(new_ref(), timeout=SOON)

    async def test_every_process_of_a_participant_hears_whose_text_is_asked_for(self, connect: Connect) -> None:
        writers, asker, ref = [await connect(), await connect()], await connect(), new_ref()
        heard: asyncio.Queue[ThreadRef] = asyncio.Queue()
        for bus in writers:
            await bus.hear_catch_ups(ref.participant, heard.put_nowait)
        await asker.ask_catch_up(new_ref())
        await asker.ask_catch_up(ref)
        async with asyncio.timeout(SOON):
            assert [await heard.get(), await heard.get()] == [ref, ref]


class TimerContract:
    """Timers: what comes later, whoever is still there."""

    async def test_a_timer_fires_once_into_the_threads_in_and_its_inbox_though_its_setter_is_gone(self, connect: Connect) -> None:
        setter, bus, ref = await connect(), await connect(), new_ref()
        inbox = await bus.inbox(ref.participant, credits=4)
        began = time.monotonic()
        await setter.set_timer(ref, "a-timer", seconds=0.6, body=b"fired")
        await setter.close()
        assert await all_of(bus.log.read_thread(ref)) == []
        delivery = await take(inbox)
        assert time.monotonic() - began >= 0.6
        assert (delivery.message.ref, delivery.message.kind, delivery.message.body) == (ref, "in", b"fired")
        assert await takes_nothing(inbox)
        stored = [(e.ref, e.kind, e.position, e.body) for e in await all_of(bus.log.read_thread(ref))]
        assert stored == [(ref, "in", delivery.message.position, b"fired")]

    async def test_a_replaced_timer_fires_once_at_the_later_time_with_the_later_body(self, connect: Connect) -> None:
        first, second, ref = await connect(), await connect(), new_ref()
        inbox = await first.inbox(ref.participant, credits=4)
        await first.set_timer(ref, "a-timer", seconds=0.5, body=b"early")
        began = time.monotonic()
        await second.set_timer(ref, "a-timer", seconds=1.2, body=b"late")
        assert (await take(inbox)).message.body == b"late"
        assert time.monotonic() - began >= 1.2
        assert await takes_nothing(inbox)

    async def test_a_replaced_timer_fires_once_at_the_earlier_time_too(self, connect: Connect) -> None:
        bus, ref = await connect(), new_ref()
        inbox = await bus.inbox(ref.participant, credits=4)
        await bus.set_timer(ref, "a-timer", seconds=3600, body=b"late")
        await bus.set_timer(ref, "a-timer", seconds=0.1, body=b"early")
        assert (await take(inbox)).message.body == b"early"
        assert await takes_nothing(inbox)

    @pytest.mark.parametrize("by", ["its setter", "another process"])
    async def test_a_dropped_timer_does_not_fire_and_others_do(self, connect: Connect, by: str) -> None:
        bus, other, ref = await connect(), await connect(), new_ref()
        inbox, elsewhere = await bus.inbox(ref.participant, credits=4), ThreadRef(ref.participant, ref.session, "other")
        await bus.set_timer(ref, "a-timer", seconds=0.6, body=b"dropped")
        await bus.set_timer(ref, "another-timer", seconds=1.0, body=b"another name")
        await bus.set_timer(elsewhere, "a-timer", seconds=1.3, body=b"another thread")
        await (bus if by == "its setter" else other).drop_timer(ref, "a-timer")
        assert [(await take(inbox)).message.body for _ in range(2)] == [b"another name", b"another thread"]
        assert await takes_nothing(inbox)

    @pytest.mark.parametrize("by", ["its setter", "another process"])
    async def test_a_timer_set_again_right_after_it_was_dropped_fires(self, connect: Connect, by: str) -> None:
        setter, ref = await connect(), new_ref()
        inbox = await setter.inbox(ref.participant, credits=8)
        again = setter if by == "its setter" else await connect()
        for number in range(5):
            await setter.set_timer(ref, f"timer-{number}", seconds=3600, body=b"dropped")
        for number in range(5):
            await again.drop_timer(ref, f"timer-{number}")
            await again.set_timer(ref, f"timer-{number}", seconds=0.3, body=str(number).encode())
        assert sorted([(await take(inbox)).message.body for _ in range(5)]) == [b"0", b"1", b"2", b"3", b"4"]
        assert await takes_nothing(inbox)

    @pytest.mark.parametrize("seconds", [0.0, -5.0])
    async def test_a_timer_whose_time_has_come_fires_at_once(self, connect: Connect, seconds: float) -> None:
        bus, ref = await connect(), new_ref()
        inbox = await bus.inbox(ref.participant, credits=4)
        await bus.set_timer(ref, "a-timer", seconds=seconds, body=b"now")
        async with asyncio.timeout(1.5):
            assert (await take(inbox)).message.body == b"now"
        await bus.drop_timer(ref, "a-timer")  # too late, and no error
        assert await takes_nothing(inbox)

    async def test_a_timer_that_fired_may_be_set_again(self, connect: Connect) -> None:
        bus, ref = await connect(), new_ref()
        inbox = await bus.inbox(ref.participant, credits=4)
        for number in range(3):
            await bus.set_timer(ref, "a-timer", seconds=0, body=str(number).encode())
            assert (await take(inbox)).message.body == str(number).encode()
        assert await takes_nothing(inbox)

    async def test_many_timers_at_once_all_fire(self, connect: Connect) -> None:
        bus, ref = await connect(), new_ref()
        inbox = await bus.inbox(ref.participant, credits=200)
        timers = [bus.set_timer(ref, f"timer-{n}", seconds=0.5, body=str(n).encode()) for n in range(100)]
        await asyncio.gather(*timers)
        assert sorted([int((await take(inbox)).message.body) for _ in timers]) == list(range(100))

    async def test_a_timer_may_be_set_for_longer_than_anybody_waits(self, connect: Connect) -> None:
        bus, ref = await connect(), new_ref()
        await bus.set_timer(ref, "a-timer", seconds=1e12, body=b"never")
        assert await takes_nothing(await bus.inbox(ref.participant, credits=1))
        await bus.drop_timer(ref, "a-timer")

    async def test_a_timers_entry_above_the_limit_is_refused_with_its_size(self, connect: Connect) -> None:
        size = 2 * 1024 * 1024
        with pytest.raises(EntryTooLarge, match=str(size)):
            await (await connect()).set_timer(new_ref(), "a-timer", seconds=0, body=bytes(size))

    @pytest.mark.parametrize("name", ["*", ">", "a.b", ""])
    async def test_a_timer_is_refused_a_name_no_subject_can_hold(self, connect: Connect, name: str) -> None:
        bus, ref = await connect(), new_ref()
        for wrong, timer in ((ref, name), (ThreadRef(ref.participant, name), "a-timer")):
            with pytest.raises(InvalidName):
                await bus.set_timer(wrong, timer, seconds=0, body=b"x")
            with pytest.raises(InvalidName):
                await bus.drop_timer(wrong, timer)


class BlobContract:
    """The blob store and discovery."""

    async def test_a_blob_is_kept_under_its_sha256_and_read_by_everybody(self, connect: Connect) -> None:
        bus, data = await connect(), uuid.uuid4().bytes * 20_000
        key = await bus.put_blob(data)
        assert key == sha256_hex(data)
        assert await bus.put_blob(data) == key
        assert await (await connect()).get_blob(key) == data

    async def test_an_empty_blob_is_a_blob(self, connect: Connect) -> None:
        bus = await connect()
        assert await bus.get_blob(await bus.put_blob(b"")) == b""

    async def test_an_absent_blob_is_an_error_that_names_it(self, connect: Connect) -> None:
        key = sha256_hex(uuid.uuid4().bytes)
        with pytest.raises(BlobMissing, match=key):
            await (await connect()).get_blob(key)

    async def test_registered_participants_are_found_with_what_they_say_of_themselves(self, connect: Connect) -> None:
        buses, ref = [await connect(), await connect()], new_ref()
        for bus in buses:
            await bus.register(ref.participant, description="Answers", version="1.2.3", metadata={"model": "a:b"})
        found = [item for item in await buses[0].participants(timeout=0.5) if item.name == ref.participant]
        assert [(item.description, item.version, item.metadata) for item in found] == [("Answers", "1.2.3", {"model": "a:b"})] * 2
        assert len({item.instance for item in found}) == 2
        await buses[1].close()
        assert len([item for item in await buses[0].participants(timeout=0.5) if item.name == ref.participant]) == 1


class BusContract(LogContract, InboxContract, LiveContract, TimerContract, BlobContract):
    """Everything."""
