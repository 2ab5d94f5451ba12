"""Messages to a participant's thread, in the envelope, large payloads checked in."""

from __future__ import annotations

from datetime import UTC, datetime

from busagents.domain.codec import VERSION, Entry, encode_entry, to_record
from busagents.domain.events import Event, Recorded
from busagents.domain.subjects import ThreadRef
from busagents.ports.log import Bus
from busagents.runtime import claim_check


async def send_event(bus: Bus, ref: ThreadRef, event: Event, *, task: str, entry_id: str) -> int:
    """Append an `in` or `stop` event to the thread; its position. Safe to repeat with the same `entry_id`.

    Raises:
        InvalidName, LogFull, EntryTooLarge, AppendUnresolved: see EventLog.send.
    """
    assert event.kind != "ev", "facts are appended by the thread's owner only"
    time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    entry = Entry(v=VERSION, id=entry_id, time=time, events=(to_record(Recorded(event, task)),))
    body = encode_entry(await claim_check.check_in(bus, entry))
    return await bus.log.send(ref, event.kind, body, entry_id=entry_id, types=event.type)
