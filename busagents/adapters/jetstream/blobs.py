"""Large payloads in the object store, under the sha256 of their bytes."""

from __future__ import annotations

import asyncio

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js.object_store import ObjectStore

from busagents.adapters.jetstream.api import ApiError, call
from busagents.domain.codec import sha256_hex
from busagents.domain.subjects import BLOB_BUCKET
from busagents.errors import BlobMissing, BusUnreachable


class JetStreamBlobs:
    """Puts and gets of `ports.log.Bus`. `patience` is how many seconds one get may take."""

    def __init__(self, client: Client, *, patience: float = 30.0) -> None:
        self._client = client
        self._patience = patience
        self._store: ObjectStore | None = None

    async def put(self, data: bytes) -> str:
        """Store bytes under their sha256, which is returned; a no-op when they are there.

        Raises:
            BusUnreachable: the object store does not answer or has no room.
        """
        key = sha256_hex(data)
        try:
            store = await self._bucket()
            try:
                await store.get_info(key)
            except nats.js.errors.ObjectNotFoundError:
                await store.put(key, data)
        except (nats.js.errors.Error, nats.errors.Error, TimeoutError) as error:
            raise BusUnreachable(
                f"a payload of {len(data)} bytes cannot be stored ({type(error).__name__}: {error}): nothing was appended; "
                "check the NATS server and its free space"
            ) from None
        return key

    async def get(self, key: str) -> bytes:
        """The bytes, checked.

        Raises:
            BlobMissing: absent or altered.
            BusUnreachable: the object store does not answer, or too slowly.
        """
        try:
            async with asyncio.timeout(self._patience):  # nats-py waits for ever for a chunk that is gone
                data = (await (await self._bucket()).get(key)).data or b""
        except (
            nats.js.errors.ObjectNotFoundError,
            nats.js.errors.ObjectDeletedError,
            nats.js.errors.BucketNotFoundError,
        ) as error:
            raise BlobMissing(
                f"blob {key} is not in the object store ({type(error).__name__}): restore it from a backup"
            ) from None
        except nats.js.errors.DigestMismatchError:
            raise _altered(key) from None
        except TimeoutError:
            raise await self._why_it_did_not_come(key) from None
        except (nats.js.errors.Error, nats.errors.Error) as error:
            raise BusUnreachable(f"blob {key} cannot be read now ({type(error).__name__}): check the NATS server") from None
        if sha256_hex(data) != key:
            raise _altered(key)
        return data

    async def _why_it_did_not_come(self, key: str) -> BlobMissing | BusUnreachable:
        """Only the server can say that a part is gone; its silence says nothing about the blob."""
        late = f"blob {key} did not come within {self._patience:g} s"
        try:
            info = await (await self._bucket()).get_info(key)
            chunks = f"$O.{BLOB_BUCKET}.C.{info.nuid}"
            stream = await call(self._client, f"STREAM.INFO.OBJ_{BLOB_BUCKET}", {"subjects_filter": chunks})
        except (nats.js.errors.Error, nats.errors.Error, TimeoutError, ApiError, BusUnreachable) as error:
            return BusUnreachable(f"{late}, and the NATS server does not say why ({type(error).__name__}): check it and the link")
        kept = (stream["state"].get("subjects") or {}).get(chunks, 0)
        if kept < (info.chunks or 0):
            return BlobMissing(f"{late}: {kept} of its {info.chunks} parts are left; restore it from a backup")
        return BusUnreachable(f"{late}, though all of it is stored: the NATS server or the link is slow; try again")

    async def _bucket(self) -> ObjectStore:
        if self._store is None:
            self._store = await self._client.jetstream().object_store(BLOB_BUCKET)
        return self._store


def _altered(key: str) -> BlobMissing:
    return BlobMissing(f"blob {key} in the object store has other bytes than were stored: restore it from a backup")
