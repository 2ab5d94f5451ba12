"""The pull loop: what it does when the server ends a pull, loses the consumer, or delivers what nobody could answer."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

from busagents.adapters.jetstream.bus import JetStreamBus
from busagents.adapters.jetstream.connection import ConnectionEvents
from busagents.adapters.jetstream.inbox import JetStreamInbox
from busagents.adapters.jetstream.streams import ConsumerSettings
from busagents.domain.subjects import STREAM, ThreadRef
from busagents.ports.log import Delivery


async def send(bus: JetStreamBus, ref: ThreadRef, body: bytes) -> None:
    await bus.log.send(ref, "in", body, entry_id=str(uuid.uuid4()), types="test")


async def take(inbox: JetStreamInbox) -> Delivery:
    async with asyncio.timeout(10):
        return await anext(aiter(inbox.deliveries()))


async def test_a_pull_that_the_server_ended_is_renewed_with_the_same_credits(
    bus: JetStreamBus, fresh: Callable[[str], str]
) -> None:
    ref = ThreadRef(fresh("agent"), fresh("session"))
    settings = ConsumerSettings(pull_expires=0.05)
    inbox = await JetStreamInbox(bus.client, ConnectionEvents(), ref.participant, settings, 2).open()
    pulls = await bus.client.subscribe(f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{ref.participant}")
    asked = [(await pulls.next_msg(timeout=10)).data for _ in range(4)]
    assert all(b'"batch":2' in body for body in asked)
    for body in (b"0", b"1", b"2"):
        await send(bus, ref, body)
    assert [(await take(inbox)).message.body, (await take(inbox)).message.body] == [b"0", b"1"]
    inbox.release()
    assert (await take(inbox)).message.body == b"2"
    await inbox.close()


async def test_a_consumer_that_was_deleted_is_made_again_and_what_is_unanswered_is_delivered(
    bus: JetStreamBus, fresh: Callable[[str], str]
) -> None:
    ref = ThreadRef(fresh("agent"), fresh("session"))
    settings = ConsumerSettings(pull_expires=1.0)  # a pull that arrives just then may be lost without a word
    inbox = await JetStreamInbox(bus.client, ConnectionEvents(), ref.participant, settings, 2).open()
    await bus.client.jetstream().delete_consumer(STREAM, ref.participant)
    await send(bus, ref, b"sent without a consumer")
    assert (await take(inbox)).message.body == b"sent without a consumer"
    await inbox.close()


async def test_an_entry_under_an_impossible_name_is_ended_and_the_next_one_delivered(
    bus: JetStreamBus, fresh: Callable[[str], str]
) -> None:
    ref = ThreadRef(fresh("agent"), fresh("session"))
    inbox = await bus.inbox(ref.participant, credits=1)
    await bus.client.jetstream().publish(f"busagents.log.{ref.participant}.a@b.main.in", b"whose is this?")
    await send(bus, ref, b"mine")
    assert (await take(inbox)).message.body == b"mine"
    info = await bus.client.jetstream().consumer_info(STREAM, ref.participant)
    assert info.num_ack_pending == 1
    assert [entry.body async for entry in bus.log.read_participant(ref.participant)] == [b"mine"]
    await inbox.close()


async def test_a_plain_client_may_send_without_an_id(bus: JetStreamBus, fresh: Callable[[str], str]) -> None:
    ref = ThreadRef(fresh("agent"), fresh("session"))
    inbox = await bus.inbox(ref.participant, credits=1)
    await bus.client.publish(f"busagents.log.{ref.participant}.{ref.session}.main.in", b"by hand")
    delivery = await take(inbox)
    assert (delivery.message.body, delivery.message.entry_id) == (b"by hand", None)
    assert [entry.entry_id async for entry in bus.log.read_thread(ref)] == [None]
    await inbox.close()


async def test_a_supervisor_gives_a_dead_holders_delivery_back_by_its_token(
    bus: JetStreamBus, fresh: Callable[[str], str]
) -> None:
    ref = ThreadRef(fresh("agent"), fresh("session"))
    inbox = await bus.inbox(ref.participant, credits=2)
    await send(bus, ref, b"work")
    held = await take(inbox)
    await bus.client.publish(held.token, b"-NAK")
    again = await take(inbox)
    assert (again.message.position, again.deliveries) == (held.message.position, 2)
    await inbox.close()


async def test_an_inbox_opened_again_with_other_settings_keeps_its_place(bus: JetStreamBus, fresh: Callable[[str], str]) -> None:
    ref = ThreadRef(fresh("agent"), fresh("session"))
    await send(bus, ref, b"done")
    first = await bus.inbox(ref.participant, credits=1)
    await (await take(first)).ack()
    await first.close()
    await send(bus, ref, b"next")
    settings = ConsumerSettings(ack_wait=77.0)
    second = await JetStreamInbox(bus.client, ConnectionEvents(), ref.participant, settings, 1).open()
    assert (await take(second)).message.body == b"next"
    assert (await bus.client.jetstream().consumer_info(STREAM, ref.participant)).config.ack_wait == 77.0
    await second.close()
