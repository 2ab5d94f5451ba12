"""Requests with one answer, over one reply subscription. When the connection is lost whoever waits learns it at once."""

from __future__ import annotations

import asyncio

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg


class NoAnswer(Exception):
    """Nobody answered in time, or the connection was lost meanwhile: what the request did is unknown. Stays in this package."""


class NobodyThere(Exception):
    """Nobody listens on the subject: the request did nothing. Stays in this package."""


class Requests:
    """What the client's own `request` does, without its wait for a time-out after a lost connection."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._prefix = ""
        self._waiting: dict[str, asyncio.Future[Msg]] = {}
        self._count = 0

    async def request(self, subject: str, body: bytes, *, timeout: float, headers: dict[str, str] | None = None) -> Msg:
        """The first answer within `timeout` seconds.

        Raises:
            NoAnswer, NobodyThere: see there.
            MaxPayloadError: of the client; nothing was sent.
        """
        self._count += 1
        token = str(self._count)
        loop = asyncio.get_running_loop()
        answer = self._waiting[token] = loop.create_future()
        timer = loop.call_later(timeout, _give_up, answer, f"no answer within {timeout:g} s")
        try:
            if not self._prefix:
                await self._open()
            await self._client.publish(subject, body, reply=f"{self._prefix}.{token}", headers=headers)
            message: Msg = await answer
        except nats.errors.MaxPayloadError:
            raise
        except (nats.errors.Error, OSError) as error:
            raise NoAnswer(type(error).__name__) from None
        finally:
            timer.cancel()
            del self._waiting[token]
        if not message.data and (message.headers or {}).get("Status") == "503":
            raise NobodyThere(subject)
        return message

    def lost(self) -> None:
        """The connection broke: no answer to anything sent before is sure to come."""
        for answer in self._waiting.values():
            _give_up(answer, "the connection was lost")

    async def _open(self) -> None:
        prefix = self._client.new_inbox()
        await self._client.subscribe(f"{prefix}.*", cb=self._receive)
        self._prefix = prefix

    async def _receive(self, message: Msg) -> None:
        answer = self._waiting.get(message.subject[len(self._prefix) + 1 :])
        if answer is not None and not answer.done():
            answer.set_result(message)


def _give_up(answer: asyncio.Future[Msg], why: str) -> None:
    if not answer.done():
        answer.set_exception(NoAnswer(why))
