"""An agent of the Synadia protocol as its authors' package has it: their codecs, a NATS micro service, nothing of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import nats
from nats.aio.client import Client
from nats.micro import add_service
from nats.micro.request import Request
from nats.micro.service import EndpointConfig, ServiceConfig
from synadia_ai.agents.envelope import Attachment, Envelope, decode
from synadia_ai.agents.messages import QueryChunk, ResponseChunk, StatusChunk, encode_chunk
from synadia_ai.agents.subjects import AgentSubject


class Stream:
    """Where the answer to one prompt goes."""

    def __init__(self, client: Client, request: Request) -> None:
        self.client = client
        self.request = request

    async def ack(self) -> None:
        await self.request.respond(encode_chunk(StatusChunk(status="ack")))

    async def say(self, text: str, *attachments: Attachment) -> None:
        await self.request.respond(encode_chunk(ResponseChunk(text=text, attachments=list(attachments) or None)))

    async def ask(self, question: str) -> Envelope:
        """Ask the caller, and wait for the answer."""
        inbox = self.client.new_inbox()
        subscription = await self.client.subscribe(inbox, max_msgs=1)
        await self.request.respond(encode_chunk(QueryChunk(id=inbox, reply_subject=inbox, prompt=question)))
        return decode((await subscription.next_msg(timeout=20)).data)

    async def refuse(self, code: str, text: str) -> None:
        await self.request.respond_error(code, text)


Handler = Callable[[Envelope, Stream], Awaitable[None]]


@asynccontextmanager
async def peer_agent(
    url: str,
    agent: str,
    handler: Handler,
    *,
    owner: str = "acme",
    session: str = "main",
    attachments_ok: bool = True,
    trust: str = "any",
    version: str = "0.3",
) -> AsyncIterator[Client]:
    """Run an agent until the block ends. A handler that returns has answered; one that is canceled leaves its caller alone."""
    client = await nats.connect(url)
    prompts: set[asyncio.Task[None]] = set()

    async def serve(request: Request) -> None:
        stream = Stream(client, request)
        await stream.ack()
        await handler(decode(request.data), stream)
        await request.respond(b"")

    async def arrived(request: Request) -> None:
        prompts.add(prompt := asyncio.create_task(serve(request)))
        prompt.add_done_callback(prompts.discard)

    subject = AgentSubject.new(agent, owner, session)
    metadata = {"agent": agent, "owner": owner, "session": session, "protocol_version": version}
    service = await add_service(client, ServiceConfig(name="agents", version="1.0.0", description="a peer", metadata=metadata))
    said = {"max_payload": "1MB", "attachments_ok": str(attachments_ok).lower(), "min_sender_trust": trust}
    await service.add_endpoint(
        EndpointConfig(name="prompt", subject=subject.prompt, queue_group="agents", handler=arrived, metadata=said)
    )
    await client.flush()
    try:
        yield client
    finally:
        for prompt in list(prompts):
            prompt.cancel()
        await client.close()
