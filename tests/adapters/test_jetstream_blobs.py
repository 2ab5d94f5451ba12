"""Blobs that were deleted or altered behind our back are found out, and named."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from busagents.adapters.jetstream.blobs import JetStreamBlobs
from busagents.adapters.jetstream.bus import JetStreamBus, connect_bus
from busagents.domain.codec import sha256_hex
from busagents.domain.subjects import BLOB_BUCKET
from busagents.errors import BlobMissing, BusUnreachable
from busagents.testing import Direction, LinkProxy


async def test_a_blob_with_other_bytes_than_its_name_says_is_refused(bus: JetStreamBus) -> None:
    key = sha256_hex(uuid.uuid4().bytes)
    store = await bus.client.jetstream().object_store(BLOB_BUCKET)
    await store.put(key, b"somebody else's bytes")
    with pytest.raises(BlobMissing, match=f"{key}.*other bytes"):
        await bus.get_blob(key)


async def test_a_deleted_blob_is_missing_and_can_be_stored_again(bus: JetStreamBus) -> None:
    data = uuid.uuid4().bytes
    key = await bus.put_blob(data)
    await (await bus.client.jetstream().object_store(BLOB_BUCKET)).delete(key)
    with pytest.raises(BlobMissing, match=key):
        await bus.get_blob(key)
    assert await bus.put_blob(data) == key
    assert await bus.get_blob(key) == data


async def test_a_blob_without_its_chunks_is_missing_and_blocks_nobody(bus: JetStreamBus) -> None:
    data = uuid.uuid4().bytes
    key = await bus.put_blob(data)
    info = await (await bus.client.jetstream().object_store(BLOB_BUCKET)).get_info(key)
    await bus.client.jetstream().purge_stream(f"OBJ_{BLOB_BUCKET}", subject=f"$O.{BLOB_BUCKET}.C.{info.nuid}")
    blobs = JetStreamBlobs(bus.client, patience=0.5)
    async with asyncio.timeout(10):
        with pytest.raises(BlobMissing, match=key):
            await blobs.get(key)


async def test_a_link_that_is_silent_says_nothing_about_a_blob(bus_url: str) -> None:
    async with LinkProxy(bus_url) as link:
        connected = await connect_bus(link.url)
        try:
            key = await connected.put_blob(data := uuid.uuid4().bytes)
            blobs = JetStreamBlobs(connected.client, patience=0.5)
            assert await blobs.get(key) == data
            link.black_hole()
            with pytest.raises(BusUnreachable, match=key):
                await blobs.get(key)
            link.heal()
            assert await JetStreamBlobs(connected.client).get(key) == data
        finally:
            link.heal()
            await connected.close()


async def test_a_blob_whose_part_was_lost_on_the_way_is_not_missing(bus_url: str) -> None:
    async with LinkProxy(bus_url) as link:
        connected = await connect_bus(link.url)
        try:
            key = await connected.put_blob(data := uuid.uuid4().bytes)
            lost = link.drop_next(Direction.TO_CLIENT, f"$O.{BLOB_BUCKET}.C.".encode())
            with pytest.raises(BusUnreachable, match=f"{key}.*all of it is stored"):
                await JetStreamBlobs(connected.client, patience=0.5).get(key)
            assert lost.happened.is_set()
            assert await connected.get_blob(key) == data
        finally:
            await connected.close()
