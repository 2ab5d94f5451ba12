"""The stream of messages that answers a prompt: `ack` first and whenever it was silent for long, the end last, and nothing behind it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

import nats.errors

from busagents.adapters.synadia import wire
from busagents.adapters.synadia.wire import Attachment

_SHARE = 8  # a character of text is at most six bytes of JSON; the wrapper and a margin
_OVERHEAD = 1024  # bytes around an attachment


class Send(Protocol):
    """Publishes to the reply subject."""

    async def __call__(self, data: bytes, headers: dict[str, str] | None) -> None: ...


class Reply:
    """Where one prompt's answer goes. What cannot be published is lost, as everything here may be: the log has it."""

    def __init__(self, send: Send, *, max_payload: int, ack_every: float) -> None:
        self._publish = send
        self._max_payload = max_payload
        self._ack_every = ack_every
        self._last = 0.0
        self._beating: asyncio.Task[None] | None = None
        self._over = False

    async def begin(self, headers: dict[str, str] | None = None) -> None:
        """Say that the prompt arrived, and from then on that it is worked on."""
        await self._send(wire.ACK, headers)
        self._beating = asyncio.create_task(self._beat())

    async def text(self, text: str) -> None:
        """A piece of the answer, in as many messages as it takes."""
        most = max(1, self._max_payload // _SHARE)
        for at in range(0, len(text), most):
            await self._send(wire.response(text[at : at + most]))

    async def files(self, attachments: list[Attachment]) -> None:
        """Files of the answer, each in a message of its own. One that fits into none is named."""
        room = self._max_payload - _OVERHEAD
        for item in attachments:
            if len(item.content) + 6 * len(item.filename) <= room:
                await self._send(wire.response("", [item]))
            else:
                await self.text(
                    f"\n[{item.filename} is too large for a message of this server ({len(item.content) * 3 // 4} bytes): see the session's log]"
                )

    async def question(self, id: str, reply_subject: str, text: str, attachments: list[Attachment]) -> None:
        """Ask who prompted. Files that do not fit beside the question are left out."""
        body = wire.query(id, reply_subject, text, attachments)
        await self._send(body if len(body) < self._max_payload else wire.query(id, reply_subject, text))

    async def error(self, code: int, reason: str, text: str, task: str = "") -> None:
        """Say that there will be no answer, and end. After an end: nothing."""
        headers, body = wire.error(code, reason, text, task)
        await self._last_words((body, headers), (wire.END, None))

    async def end(self) -> None:
        """The last message. Again: nothing."""
        await self._last_words((wire.END, None))

    async def _last_words(self, *messages: tuple[bytes, dict[str, str] | None]) -> None:
        if self._over:
            return
        self._over = True  # nothing else gets between them, or behind them
        if self._beating is not None:
            self._beating.cancel()
        for body, headers in messages:
            await self._put(body, headers)

    async def _send(self, body: bytes, headers: dict[str, str] | None = None) -> None:
        if not self._over:
            self._last = asyncio.get_running_loop().time()
            await self._put(body, headers)

    async def _put(self, body: bytes, headers: dict[str, str] | None) -> None:
        with contextlib.suppress(nats.errors.Error, ValueError):  # the connection is away, or nobody wants the answer
            await self._publish(body, headers)

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            left = self._last + self._ack_every - loop.time()
            if left > 0:
                await asyncio.sleep(left)
            else:
                await self._send(wire.ACK)
