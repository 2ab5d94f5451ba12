"""What `up` starts, as data: the functions that children call, and how the supervisor reaches the bus."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

import msgspec

from busagents.adapters.jetstream.identity import StreamIdentity
from busagents.runtime.supervisor.nats_config import Credentials
from busagents.settings import Settings

if TYPE_CHECKING:
    from nats.aio.client import Client


class BusLink(Protocol):
    """The supervisor's own connection to the bus."""

    @property
    def stream(self) -> StreamIdentity:
        """Which log it is."""
        ...

    async def give_back(self, tokens: list[str]) -> None:
        """Return deliveries that a dead process held, so that another gets them now."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...


Connect = Callable[[str, Credentials | None, StreamIdentity | None], Awaitable[BusLink]]


_PRELOAD = ("busagents.bootstrap.participant", "nats.micro")
# The provider's SDK costs over a second of CPU and 40 MB: paid once for all participants, and only if it may be used.
_OPENAI = ("openai.resources.chat.completions", "httpx")


class Launch(msgspec.Struct, frozen=True):
    """`discover_target` and `participant_target` are "module:function", called in forked children as (payload, status_fd).

    `preload` is imported once, before the forks. `connect` gets the URL, the credentials and the identity of the log if
    one is known; it makes the streams if they may be made, and returns the supervisor's link.
    """

    connect: Connect
    discover_target: str = "busagents.bootstrap.services:discover_main"
    participant_target: str = "busagents.bootstrap.participant:main"
    preload: tuple[str, ...] = _PRELOAD


class _JetStreamLink:
    def __init__(self, client: Client, stream: StreamIdentity) -> None:
        self._client = client
        self.stream = stream

    async def give_back(self, tokens: list[str]) -> None:
        for token in tokens:  # a token is the delivery's acknowledgement subject
            await self._client.publish(token, b"-NAK")
        await self._client.flush()

    async def close(self) -> None:
        await self._client.close()


def jetstream_launch(settings: Settings) -> Launch:
    """The real thing: JetStream, services found by busagents.bootstrap.services, run by busagents.bootstrap.participant."""

    async def connect(url: str, credentials: Credentials | None, known: StreamIdentity | None) -> BusLink:
        from busagents.adapters.jetstream.connection import connect_client
        from busagents.adapters.jetstream.provision import provision

        user, password = (credentials.user, credentials.password) if credentials else (None, None)
        client = await connect_client(url, user=user, password=password, name="busagents-up")
        try:
            return _JetStreamLink(client, await provision(client, replicas=settings.replicas, known=known))
        except BaseException:
            await client.close()
            raise

    uses_openai = settings.openai_api_key is not None or settings.openai_base_url is not None
    return Launch(connect, preload=_PRELOAD + _OPENAI if uses_openai else _PRELOAD)
