"""Requests end: with an answer, without one, or at once when the connection is lost."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from nats.aio.msg import Msg

from busagents.adapters.jetstream.bus import JetStreamBus
from busagents.adapters.jetstream.requests import NoAnswer, NobodyThere, Requests


async def test_each_of_many_requests_gets_its_own_answer(bus: JetStreamBus) -> None:
    subject = f"echo.{uuid.uuid4().hex}"

    async def echo(message: Msg) -> None:
        await message.respond(message.data + b"!")

    await bus.client.subscribe(subject, cb=echo)
    requests = Requests(bus.client)
    answers = await asyncio.gather(*(requests.request(subject, str(n).encode(), timeout=10) for n in range(50)))
    assert [answer.data for answer in answers] == [f"{n}!".encode() for n in range(50)]


async def test_a_request_that_nobody_hears_says_so_at_once(bus: JetStreamBus) -> None:
    async with asyncio.timeout(10):
        with pytest.raises(NobodyThere):
            await Requests(bus.client).request(f"nobody.{uuid.uuid4().hex}", b"", timeout=600)


async def test_a_request_that_is_heard_in_silence_ends_after_its_time(bus: JetStreamBus) -> None:
    subject = f"silent.{uuid.uuid4().hex}"
    await bus.client.subscribe(subject)
    with pytest.raises(NoAnswer, match=r"within 0\.05 s"):
        await Requests(bus.client).request(subject, b"", timeout=0.05)


async def test_whoever_waits_for_an_answer_learns_at_once_that_the_connection_was_lost(bus: JetStreamBus) -> None:
    subject = f"silent.{uuid.uuid4().hex}"
    heard = await bus.client.subscribe(subject)
    requests = Requests(bus.client)
    waiting = asyncio.create_task(requests.request(subject, b"", timeout=600))
    await heard.next_msg(timeout=10)
    requests.lost()
    async with asyncio.timeout(10):
        with pytest.raises(NoAnswer, match="connection was lost"):
            await waiting
