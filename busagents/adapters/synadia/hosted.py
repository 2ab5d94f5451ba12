"""One session of one participant, as discovery lists it: a NATS micro service with its endpoints and its heartbeat."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import msgspec
import nats.errors
from nats.aio.client import Client

from busagents.adapters.synadia import subjects, wire
from busagents.adapters.synadia.desk import Listed
from busagents.adapters.synadia.reply import Send
from busagents.adapters.synadia.subjects import Address

if TYPE_CHECKING:
    from nats.micro.request import Request
    from nats.micro.service import Service

_DESCRIPTION = 256  # characters shown to other tools


class Prompted(Protocol):
    """Called with each prompt; returns soon."""

    async def __call__(self, subject: str, payload: bytes, send: Send) -> None: ...


class Hosted:
    """Made by `host`."""

    def __init__(self, client: Client, service: Service, address: Address, names: dict[str, str], every: int) -> None:
        self._client = client
        self._service = service
        self._address = address
        self._names = names
        self._every = every

    def heartbeat(self) -> bytes:
        """That it lives, now."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        names = self._names
        return msgspec.json.encode(
            wire.Heartbeat(names["agent"], names["owner"], names["session"], self._service.id, now, self._every)
        )

    async def beat(self) -> None:
        """Tell everybody. Best effort: the next one comes."""
        with contextlib.suppress(nats.errors.Error):
            await self._client.publish(self._address.subject("hb"), self.heartbeat())

    async def stop(self) -> None:
        """Be listed no longer."""
        with contextlib.suppress(nats.errors.Error):  # the connection is gone, and it with it
            await self._service.stop()


async def host(
    client: Client, address: Address, listed: Listed, names: dict[str, str], *, every: int, prompted: Prompted
) -> Hosted:
    """List a session. `names` are agent, owner and session as people know them; `every` is the heartbeat's cadence."""
    from nats.micro import add_service
    from nats.micro.service import EndpointConfig, ServiceConfig

    service = await add_service(
        client,
        ServiceConfig(
            name=subjects.SERVICE,
            version=listed.version,
            description=listed.description[:_DESCRIPTION],
            metadata={**names, "protocol_version": subjects.PROTOCOL, "kind": listed.kind},
        ),
    )
    hosted = Hosted(client, service, address, names, every)

    async def prompt(request: Request) -> None:
        await prompted(request.subject, request.data, request.respond)

    async def status(request: Request) -> None:
        with contextlib.suppress(nats.errors.Error, ValueError):  # who asks named no place for the answer
            await request.respond(hosted.heartbeat())

    metadata = {"max_payload": wire.size(client.max_payload), "attachments_ok": "true"}
    await service.add_endpoint(
        EndpointConfig(
            name="prompt", subject=address.subject("prompt"), queue_group=subjects.QUEUE, handler=prompt, metadata=metadata
        )
    )
    await service.add_endpoint(
        EndpointConfig(name="status", subject=address.subject("status"), queue_group=subjects.QUEUE, handler=status)
    )
    await client.flush()
    return hosted
