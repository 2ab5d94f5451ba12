"""Claim check: large event data goes to the blob store, the entry keeps a reference. Nobody who writes a tool sees it."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from busagents.domain.codec import Entry, Record
from busagents.domain.messages import BlobRef
from busagents.ports.log import Bus

THRESHOLD = 128 * 1024  # bytes of one event's data


async def check_in(bus: Bus, entry: Entry) -> Entry:
    """The entry with each event above the threshold replaced by a reference; blobs are stored before this returns."""
    if all(len(bytes(record.data)) <= THRESHOLD for record in entry.events):
        return entry
    return replace(entry, events=tuple([await _put(bus, record) for record in entry.events]))


async def claim(bus: Bus, record: Record) -> Record:
    """The record with its data back in it.

    Raises:
        BlobMissing: the blob is absent or altered; the error names it.
    """
    if record.blob is None:
        return record
    return replace(record, data=msgspec.Raw(await bus.get_blob(record.blob.key)), blob=None)


async def _put(bus: Bus, record: Record) -> Record:
    data = bytes(record.data)
    if len(data) <= THRESHOLD:
        return record
    key = await bus.put_blob(data)
    return replace(record, data=msgspec.Raw(b"{}"), blob=BlobRef(key, key, len(data)))
