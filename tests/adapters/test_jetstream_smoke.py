"""The shortest way through the JetStream bus: provision, append, send, read, receive."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from busagents.adapters.jetstream.bus import JetStreamBus
from busagents.domain.subjects import ThreadRef


async def test_what_is_appended_and_sent_is_read_back_in_order_and_delivered(
    bus: JetStreamBus, fresh: Callable[[str], str]
) -> None:
    ref = ThreadRef(fresh("agent"), fresh("session"))
    inbox = await bus.inbox(ref.participant, credits=4)
    sent = await bus.log.send(ref, "in", b"hello", entry_id=str(uuid.uuid4()), types="task.submitted")
    delivery = await anext(inbox.deliveries())
    assert (delivery.message.body, delivery.message.position, delivery.deliveries) == (b"hello", sent, 1)
    entry_id = str(uuid.uuid4())
    head = await bus.log.append(ref, b"answer", entry_id=entry_id, head=0, types="task.started")
    await delivery.ack()
    inbox.release()
    await inbox.close()
    read = [stored async for stored in bus.log.read_thread(ref)]
    assert [(item.kind, item.position, item.body) for item in read] == [("in", sent, b"hello"), ("ev", head, b"answer")]
    assert read[1].entry_id == entry_id
    assert await bus.log.head(ref) == read[1]
