"""Where push configurations are kept: any replica sees what another stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
from msgspec.structs import replace

from busagents.domain.codec import derived_id, sha256_hex
from busagents.gateway.errors import InvalidParams
from busagents.gateway.types import PushConfig

MOST = 16  # configurations of a task
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(tuple[PushConfig, ...])

Configs = tuple[PushConfig, ...]


class PushStore(Protocol):
    """Configurations by task and id. Who may see a task was checked before."""

    async def put(self, task_id: str, config: PushConfig) -> PushConfig:
        """Store one, in place of one of the same id; what was stored. Without an id it gets one that is made of the URL, so that
        the same again is the same.

        Raises:
            InvalidParams: the task has too many, or nothing can be posted there.
        """
        ...

    async def get(self, task_id: str, config_id: str) -> PushConfig | None:
        """One of a task's, if it is there."""
        ...

    async def list(self, task_id: str) -> Sequence[PushConfig]:
        """All of a task's, the oldest first."""
        ...

    async def delete(self, task_id: str, config_id: str) -> None:
        """Forget one. Nothing happens if it is not there."""
        ...


class Values(Protocol):
    """Small values by key that all replicas share, changed only by who has read them."""

    async def read(self, key: str) -> tuple[bytes, int] | None:
        """The value and its revision, if it is there."""
        ...

    async def write(self, key: str, value: bytes | None, *, revision: int) -> bool:
        """Replace the value of that revision (0: there is none; None as value: remove it). False: somebody else was first."""
        ...


Check = Callable[[PushConfig], None]
"""Raises InvalidParams for a configuration that nothing could be posted to."""


class StoredPush:
    """PushStore over shared values: those of a task under one key."""

    def __init__(self, values: Values, check: Check | None = None) -> None:
        self._values = values
        self._check = check

    async def put(self, task_id: str, config: PushConfig) -> PushConfig:
        """See PushStore.put."""
        if self._check is not None:
            self._check(config)
        known = config.id or derived_id("push", task_id, config.url)
        stored = replace(config, id=known, task_id=task_id)

        def added(configs: Configs) -> Configs:
            if any(item.id == known for item in configs):
                return tuple(stored if item.id == known else item for item in configs)
            if len(configs) >= MOST:
                raise InvalidParams(f"the task has {MOST} push configurations, which is the most: delete one first")
            return (*configs, stored)

        await self._change(task_id, added)
        return stored

    async def get(self, task_id: str, config_id: str) -> PushConfig | None:
        """See PushStore.get."""
        return next((item for item in await self.list(task_id) if item.id == config_id), None)

    async def list(self, task_id: str) -> Sequence[PushConfig]:
        """See PushStore.list."""
        found = await self._values.read(_key(task_id))
        return _DECODER.decode(found[0]) if found is not None else ()

    async def delete(self, task_id: str, config_id: str) -> None:
        """See PushStore.delete."""
        await self._change(task_id, lambda configs: tuple(item for item in configs if item.id != config_id))

    async def clear(self, task_id: str) -> None:
        """Forget all of a task's: it has ended, and its updates are delivered."""
        await self._change(task_id, lambda _: ())

    async def _change(self, task_id: str, change: Callable[[Configs], Configs]) -> None:
        """Until nobody else changes them at the same time."""
        key = _key(task_id)
        while True:
            found = await self._values.read(key)
            before = _DECODER.decode(found[0]) if found is not None else ()
            after = change(before)
            value = _ENCODER.encode(after) if after else None
            if after == before or await self._values.write(key, value, revision=found[1] if found is not None else 0):
                return


def read_configs(value: bytes) -> Configs:
    """A task's configurations as they are stored.

    Raises:
        msgspec.DecodeError: they are none.
    """
    return _DECODER.decode(value)


def _key(task_id: str) -> str:
    return sha256_hex(task_id.encode(errors="surrogatepass"))
