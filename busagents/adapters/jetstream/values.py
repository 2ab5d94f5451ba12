"""Small values by key in a bucket of the server, changed only by who has read them."""

from __future__ import annotations

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js.api import KeyValueConfig, StorageType
from nats.js.kv import KeyValue

from busagents.errors import BusUnreachable

_FAILURES = (nats.js.errors.Error, nats.errors.Error, TimeoutError)


class JetStreamValues:
    """A bucket, made when it is first used. Only the newest value of a key is kept, for `max_age` seconds (0: for ever). Keys:
    letters, digits and `-/_=.`.
    """

    def __init__(self, client: Client, bucket: str, *, replicas: int = 1, max_age: float = 0.0) -> None:
        self._client = client
        self._config = KeyValueConfig(bucket=bucket, history=1, storage=StorageType.FILE, replicas=replicas, ttl=max_age or None)
        self._bucket: KeyValue | None = None

    async def read(self, key: str) -> tuple[bytes, int] | None:
        """The value and its revision, if it is there.

        Raises:
            BusUnreachable: the bucket cannot be read now.
        """
        try:
            entry = await (await self._open()).get(key)
        except nats.js.errors.KeyNotFoundError:
            return None
        except _FAILURES as error:
            raise self._away(error) from None
        return entry.value or b"", entry.revision or 0

    async def write(self, key: str, value: bytes | None, *, revision: int) -> bool:
        """Replace the value of that revision (0: there is none; None as value: remove it). False: somebody else was first.

        Raises:
            BusUnreachable: it is not known whether it was written.
        """
        try:
            bucket = await self._open()
            if value is None:
                await bucket.delete(key, last=revision)
            elif revision:
                await bucket.update(key, value, last=revision)
            else:
                await bucket.create(key, value)
        except nats.js.errors.KeyWrongLastSequenceError:
            return False
        except _FAILURES as error:
            raise self._away(error) from None
        return True

    async def create(self) -> None:
        """Make the bucket, if there is none.

        Raises:
            BusUnreachable: it cannot be made now.
        """
        try:
            await self._open()
        except _FAILURES as error:
            raise self._away(error) from None

    async def _open(self) -> KeyValue:
        if self._bucket is None:
            stream = self._client.jetstream()
            try:
                self._bucket = await stream.key_value(self._config.bucket)
            except nats.js.errors.BucketNotFoundError:
                self._bucket = await stream.create_key_value(self._config)
        return self._bucket

    def _away(self, error: Exception) -> BusUnreachable:
        return BusUnreachable(f"bucket {self._config.bucket} cannot be used now ({type(error).__name__}): check the NATS server")
