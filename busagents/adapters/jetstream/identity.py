"""Which log this is: when its stream was created, and the id of its first entry."""

from __future__ import annotations

import contextlib
import uuid
from datetime import UTC, datetime

import msgspec
from nats.aio.client import Client

from busagents.adapters.jetstream.log import JetStreamLog
from busagents.domain.codec import VERSION, Entry, Record, encode_entry
from busagents.domain.subjects import RESERVED_PARTICIPANT, ThreadRef
from busagents.errors import Fenced, LogRegressed

GENESIS = ThreadRef(RESERVED_PARTICIPANT, "genesis")


class StreamIdentity(msgspec.Struct, frozen=True):
    """`created` is the stream's creation time as the server gives it, `genesis` the id of the entry that was stored first,
    `position` how far the log went when it was looked at: a log that is shorter later is an older copy.
    """

    created: str
    genesis: str
    position: int = 0


async def genesis_id(client: Client, *, write: bool) -> str:
    """The id of the genesis entry; written first if `write` and absent. Of two writers one wins, and both get its id.

    Raises:
        LogRegressed: it is absent and not to be written: this is not the log it should be.
    """
    log = JetStreamLog(client)
    first = await log.head(GENESIS)
    if first is None and write:
        entry_id = str(uuid.uuid4())
        record = Record("log.created", data=msgspec.Raw(b"{}"), ignorable=True)
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        entry = Entry(v=VERSION, id=entry_id, seq=1, time=now, events=(record,))
        with contextlib.suppress(Fenced):  # another process provisions at the same time
            await log.append(GENESIS, encode_entry(entry), entry_id=entry_id, head=0, types="log.created")
        first = await log.head(GENESIS)
    if first is None or first.entry_id is None:
        raise LogRegressed("the log has no genesis entry: its beginning is lost; restore the store before going on")
    return first.entry_id
