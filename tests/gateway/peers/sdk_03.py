"""Run in the environment of the A2A package's 0.3 line: does one thing with a gateway and prints what came of it, as JSON.

Arguments: the gateway's URL, the transport, what to do.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
from a2a.client import A2ACardResolver, Client, ClientConfig, ClientFactory
from a2a.client.errors import A2AClientHTTPError, A2AClientJSONRPCError
from a2a.types import (
    DataPart,
    FilePart,
    FileWithBytes,
    Message,
    Part,
    Role,
    TaskIdParams,
    TaskQueryParams,
    TextPart,
    TransportProtocol,
)

JSON = dict[str, Any]
Make = Callable[..., Awaitable[Client]]


def message(*parts: str | Part, **more: Any) -> Message:
    """What a user says; texts become parts."""
    made = [Part(root=TextPart(text=part)) if isinstance(part, str) else part for part in parts]
    return Message(message_id=str(uuid.uuid4()), role=Role.user, parts=made, **more)


def plain(item: Any) -> Any:
    """An object of the package as it goes over the wire."""
    return item.model_dump(mode="json", by_alias=True, exclude_none=True)


async def collected(items: AsyncIterator[Any]) -> JSON:
    """A stream's updates, and the task that the package has made of them."""
    seen = [(task, plain(update) if update is not None else None) async for task, update in items]
    return {"updates": [update for _, update in seen], "task": plain(seen[-1][0])}


async def one(items: AsyncIterator[Any]) -> JSON:
    """The answer to a message that is not streamed."""
    [(task, update)] = [item async for item in items]
    assert update is None
    return plain(task)


async def card(make: Make) -> JSON:
    """What the client found at the agent's address."""
    client = await make("echo")
    return plain(client._card) | {"transport": type(client._transport).__name__}


async def send(make: Make) -> JSON:
    """A blocking send, and what a get says about it."""
    client = await make("echo", streaming=False)
    sent = await one(client.send_message(message("hi", context_id="shop-03")))
    return {"sent": sent, "got": plain(await client.get_task(TaskQueryParams(id=sent["id"])))}


async def poll(make: Make) -> JSON:
    """A send that does not wait, and the task's history of one message. Without modes this client's configuration is empty over
    HTTP+JSON, as is that of one who configures nothing.
    """
    client = await make("asker", streaming=False, polling=True, accepted_output_modes=["text/plain"])
    sent = await one(client.send_message(message("go")))
    asked = TaskQueryParams(id=sent["id"], history_length=1)
    while (got := await client.get_task(asked)).status.state.value != "input-required":  # noqa: ASYNC110 - to poll is the point
        await asyncio.sleep(0.02)
    return {"sent": sent, "got": plain(got)}


async def parts(make: Make) -> JSON:
    """Text, a file and data, as the task's history has them."""
    client = await make("echo", streaming=False)
    file = Part(root=FilePart(file=FileWithBytes(bytes="AP8=", mime_type="image/png", name="a.png")))
    sent = message("look", file, Part(root=DataPart(data={"a": [1, None, {"b": 2.5}]})))
    return {"said": plain(sent), "sent": await one(client.send_message(sent))}


async def stream(make: Make) -> JSON:
    """A streamed answer."""
    return await collected((await make("talker")).send_message(message("go")))


async def cancel(make: Make) -> JSON:
    """A task that waits is canceled while two streams follow it; then once more."""
    client = await make("gated")
    items = client.send_message(message("go"))
    task, _ = await anext(items)
    follower = client.resubscribe(TaskIdParams(id=task.id))
    joined, _ = await anext(follower)
    canceled = await client.cancel_task(TaskIdParams(id=task.id))
    first, second = await collected(items), await collected(follower)
    again = await refusal(client.cancel_task(TaskIdParams(id=task.id)))
    return {"joined": joined.id, "canceled": plain(canceled), "streams": [first, second], "again": again}


async def resubscribe(make: Make) -> JSON:
    """A stream that is left in its middle, and taken up again."""
    client = await make("talker")
    items = client.send_message(message("go"))
    task, _ = await anext(items)
    await items.aclose()
    return {"id": task.id, **await collected(client.resubscribe(TaskIdParams(id=task.id)))}


async def follow_up(make: Make) -> JSON:
    """A question is answered in a second message."""
    client = await make("asker")
    asked = await collected(client.send_message(message("go")))
    task = asked["task"]
    answer = message("three", task_id=task["id"], context_id=task["contextId"])
    return {"asked": asked, "answered": await collected(client.send_message(answer))}


async def missing(make: Make) -> JSON:
    """A task that nobody knows."""
    client = await make("echo")
    return {"get": await refusal(client.get_task(TaskQueryParams(id="echo.none.none")))}


async def refusal(call: Awaitable[Any]) -> JSON:
    """The error that a call ends with."""
    try:
        await call
    except A2AClientJSONRPCError as error:
        return plain(error.error)
    except A2AClientHTTPError as error:
        return {"status": error.status_code}
    raise AssertionError("it was not refused")


async def main(base: str, transport: str, what: str) -> None:
    """Do it and print it."""
    async with httpx.AsyncClient(timeout=30) as http:

        async def make(agent: str, **options: Any) -> Client:
            found = await A2ACardResolver(http, f"{base}/agents/{agent}").get_agent_card()
            kinds = [TransportProtocol(transport)]
            return ClientFactory(
                ClientConfig(httpx_client=http, supported_transports=kinds, use_client_preference=True, **options)
            ).create(found)

        print(json.dumps(await globals()[what](make)))


asyncio.run(main(*sys.argv[1:]))
