"""Server-sent events: a stream of items as bytes, as fast as the caller reads.

What the items' source gives without a pause goes out in one write. A slow caller stops the source: the buffer is bounded, and nothing
is dropped. A comment goes out when nothing else has for a while, so that proxies keep the connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from busagents.gateway.errors import A2AError
from busagents.gateway.types import StreamItem, Update
from busagents.gateway.wire_errors import Internal

LOG = logging.getLogger(__name__)

FULL = 64 * 1024  # bytes; so many wait for the caller before the source does
COMMENT = b": keep-alive\n\n"
HEAD = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)


class EventFraming(Protocol):
    """How a binding puts a stream into bytes."""

    @property
    def error_event(self) -> bytes:
        """The lines of an event before the data of an error."""
        ...

    def item(self, update: Update) -> bytes:
        """The data of an item, without line breaks."""
        ...

    def error(self, error: A2AError) -> tuple[int, bytes]:
        """HTTP's status, and the data of an error."""
        ...


class EventStream:
    """One stream. Nothing is sent before the first item, so that an error can still be the answer itself."""

    __slots__ = (
        "_beat",
        "_buffer",
        "_framing",
        "_head",
        "_items",
        "_keep_alive",
        "_quiet",
        "_ready",
        "_room",
        "_size",
        "started",
    )

    def __init__(
        self,
        items: AsyncIterator[StreamItem],
        framing: EventFraming,
        keep_alive: float,
        extra: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self._items = items
        self._framing = framing
        self._keep_alive = keep_alive
        self._head = [*HEAD, *extra]
        self._buffer: list[bytes] = []
        self._size = 0
        self._ready = asyncio.Event()  # there is something to send, or the source has ended
        self._room = asyncio.Event()  # the buffer is not full
        self._room.set()
        self._quiet = True  # nothing went out since the last beat
        self._beat = asyncio.get_running_loop().call_later(keep_alive, self._on_beat)
        self.started = False

    async def run(self, send: Callable[[MutableMapping[str, Any]], Awaitable[None]]) -> None:
        """Send it all. What the source raises before its first item is raised, later it is the last event. Cancelled, it closes the
        source and leaves the answer open.
        """
        source = asyncio.get_running_loop().create_task(self._fill())
        source.add_done_callback(lambda _: self._ready.set())
        try:
            while self._buffer or not source.done():
                await self._ready.wait()
                self._ready.clear()
                await self._send_buffer(send)
            if error := source.result():
                if not self.started:
                    raise error
                self._buffer.append(b"%sdata: %s\n\n" % (self._framing.error_event, self._framing.error(error)[1]))
                await self._send_buffer(send)
            await self._start(send)
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._beat.cancel()
            if not source.done():
                source.cancel()
                await asyncio.wait([source])

    async def _fill(self) -> A2AError | None:
        """Read the source to its end; an error is one."""
        items, item_bytes = self._items, self._framing.item
        try:
            async for item in items:
                data = item_bytes(item.update)
                event = b"id: %s\ndata: %s\n\n" % (item.place.encode(), data) if item.place else b"data: %s\n\n" % data
                self._buffer.append(event)
                self._size += len(event)
                self._ready.set()
                if self._size > FULL:
                    self._room.clear()
                    await self._room.wait()
        except A2AError as error:
            return error
        except Exception:
            LOG.exception("a stream failed")
            return Internal()
        finally:
            if isinstance(items, AsyncGenerator):
                await items.aclose()
        return None

    async def _send_buffer(self, send: Callable[[MutableMapping[str, Any]], Awaitable[None]]) -> None:
        if not self._buffer:
            return
        await self._start(send)
        chunk = b"".join(self._buffer)
        self._buffer.clear()
        self._size = 0
        self._quiet = False
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        self._room.set()

    async def _start(self, send: Callable[[MutableMapping[str, Any]], Awaitable[None]]) -> None:
        if not self.started:
            self.started = True
            await send({"type": "http.response.start", "status": 200, "headers": self._head})

    def _on_beat(self) -> None:
        if self._quiet and not self._buffer:
            self._buffer.append(COMMENT)
            self._ready.set()
        self._quiet = True
        self._beat = asyncio.get_running_loop().call_later(self._keep_alive, self._on_beat)
