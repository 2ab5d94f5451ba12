"""What `up` starts, as data: the functions that children call, and how the supervisor reaches the bus."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from busagents.runtime.supervisor.nats_config import Credentials
from busagents.settings import Settings


class BusLink(Protocol):
    """The supervisor's own connection to the bus."""

    async def give_back(self, tokens: list[str]) -> None:
        """Return deliveries that a dead process held, so that another gets them now."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...


class Launch(msgspec.Struct, frozen=True):
    """`discover_target` and `participant_target` are "module:function", called in forked children as (payload, status_fd).

    `preload` is imported once, before the forks. `connect` provisions the streams and returns the supervisor's link.
    """

    connect: Callable[[str, Credentials | None], Awaitable[BusLink]]
    discover_target: str = "busagents.bootstrap.services:discover_main"
    participant_target: str = "busagents.bootstrap.participant:main"
    preload: tuple[str, ...] = ("busagents.bootstrap.participant", "busagents.bootstrap.services")


class _JetStreamLink:
    def __init__(self, url: str, credentials: Credentials | None) -> None:
        self._url = url
        self._credentials = credentials

    async def open(self, *, replicas: int) -> _JetStreamLink:
        """Connect and provision."""
        import nats

        from busagents.adapters.jetstream.provision import provision

        user, password = (self._credentials.user, self._credentials.password) if self._credentials else (None, None)
        self._connection = await nats.connect(
            self._url, user=user, password=password, name="busagents-up", max_reconnect_attempts=-1
        )
        await provision(self._connection, replicas=replicas)
        return self

    async def give_back(self, tokens: list[str]) -> None:
        for token in tokens:  # a token is the delivery's acknowledgement subject
            await self._connection.publish(token, b"-NAK")
        await self._connection.flush()

    async def close(self) -> None:
        await self._connection.close()


def jetstream_launch(settings: Settings) -> Launch:
    """The real thing: JetStream, services found by busagents.bootstrap.services, run by busagents.bootstrap.participant."""

    async def connect(url: str, credentials: Credentials | None) -> BusLink:
        return await _JetStreamLink(url, credentials).open(replicas=settings.replicas)

    return Launch(connect)
