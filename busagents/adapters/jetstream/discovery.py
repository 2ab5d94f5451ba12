"""Participants announce themselves as NATS micro services, so `nats micro ls` finds them too."""

from __future__ import annotations

import asyncio

import msgspec
import nats.errors
from nats.aio.client import Client

from busagents.ports.log import Announced

_SERVICE = "busagents"
_DESCRIPTION = 256  # characters shown to other tools


class _Info(msgspec.Struct):
    id: str
    version: str = ""
    description: str = ""
    metadata: dict[str, str] | None = None


async def announce(client: Client, participant: str, *, description: str, version: str, metadata: dict[str, str]) -> None:
    """Answer discovery, ping and stats requests for as long as the connection lives."""
    from nats.micro import add_service
    from nats.micro.service import ServiceConfig

    await add_service(
        client,
        ServiceConfig(
            name=_SERVICE,
            version=version,
            description=description[:_DESCRIPTION],
            metadata={**metadata, "participant": participant},
        ),
    )


async def discover(client: Client, *, timeout: float) -> list[Announced]:
    """Everybody who answers within `timeout` seconds, sorted by name, then instance."""
    found: list[Announced] = []
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox)
    try:
        await client.publish(f"$SRV.INFO.{_SERVICE}", b"", reply=inbox)
        async with asyncio.timeout(timeout):
            while True:
                message = await subscription.next_msg(timeout=None)
                if not message.data:  # nobody is there: the server's own 503
                    break
                info = msgspec.json.decode(message.data, type=_Info)
                metadata = dict(info.metadata or {})
                found.append(Announced(metadata.pop("participant", ""), info.id, info.description, info.version, metadata))
    except (TimeoutError, nats.errors.TimeoutError):
        pass  # the time is up: these are all
    finally:
        await subscription.unsubscribe()
    return sorted(found, key=lambda item: (item.name, item.instance))
