"""A link to a NATS server that fails on demand: cut, black-holed, half-written, with frames lost, doubled or out of order."""

from __future__ import annotations

import asyncio
import contextlib
from enum import Enum
from types import TracebackType
from urllib.parse import urlsplit

from busagents.testing.nats_frames import FrameSplitter

_CHUNK = 64 * 1024


class Direction(Enum):
    """Which way a frame goes."""

    TO_SERVER = "to server"
    TO_CLIENT = "to client"


class _Action(Enum):
    DROP = "drop"
    DUPLICATE = "duplicate"
    SWAP = "swap"
    HALF_WRITE = "half write"


class LinkFault:
    """A fault that waits for the next frame with `match` in it. `happened` is set when it has struck."""

    def __init__(self, action: _Action, direction: Direction, match: bytes) -> None:
        self.action = action
        self.direction = direction
        self.match = match
        self.happened = asyncio.Event()
        self.held: bytes | None = None  # of a swap: the frame that waits for the next one


class LinkProxy:
    """A TCP proxy in front of one NATS server.

        async with LinkProxy(server.url) as link:
            bus = await connect_bus(link.url)
            lost = link.drop_next(Direction.TO_CLIENT, b'"stream":"BUSAGENTS"')

    A black hole keeps what it swallowed and delivers it when healed, as TCP does with lost packets.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._faults: list[LinkFault] = []
        self._down = False
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def __aenter__(self) -> LinkProxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._down = True
        if self._server is not None:
            self._server.close()
        tasks = [task for link in list(self._links) for task in link.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where clients connect."""
        if self._server is None:
            raise RuntimeError("the link has no address before it is entered")
        return f"nats://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Break every connection now. New ones are accepted."""
        for link in list(self._links):
            link.abort()

    def go_down(self) -> None:
        """Break every connection, and each new one at once, until heal()."""
        self._down = True
        self.cut()

    def black_hole(self) -> None:
        """Forward nothing any more, in either direction, and let nobody know, until heal()."""
        self._flowing.clear()

    def heal(self) -> None:
        """Work again. What a black hole holds is delivered."""
        self._down = False
        self._flowing.set()

    def drop_next(self, direction: Direction, match: bytes) -> LinkFault:
        """Lose the next frame with `match` in it."""
        return self._arm(_Action.DROP, direction, match)

    def duplicate_next(self, direction: Direction, match: bytes) -> LinkFault:
        """Deliver the next frame with `match` in it twice."""
        return self._arm(_Action.DUPLICATE, direction, match)

    def swap_next(self, direction: Direction, match: bytes) -> LinkFault:
        """Deliver the next frame with `match` in it behind the one with `match` after it."""
        return self._arm(_Action.SWAP, direction, match)

    def half_write_next(self, direction: Direction, match: bytes) -> LinkFault:
        """Deliver half of the next frame with `match` in it, then break its connection."""
        return self._arm(_Action.HALF_WRITE, direction, match)

    def _arm(self, action: _Action, direction: Direction, match: bytes) -> LinkFault:
        fault = LinkFault(action, direction, match)
        self._faults.append(fault)
        return fault

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._down:
            writer.transport.abort()
            return
        try:
            up_reader, up_writer = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
        except OSError:  # the server is away: so is the link
            writer.transport.abort()
            return
        link = _Link(self, reader, writer, up_reader, up_writer)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)

    async def passed(self, frame: bytes, direction: Direction) -> tuple[bytes, bool]:
        """What to forward in place of a frame, and whether the connection breaks behind it."""
        await self._flowing.wait()
        fault = next((f for f in self._faults if f.direction is direction and f.match in frame), None)
        if fault is None:
            return frame, False
        if fault.action is _Action.SWAP and fault.held is None:
            fault.held = frame
            return b"", False
        self._faults.remove(fault)
        fault.happened.set()
        match fault.action:
            case _Action.DROP:
                return b"", False
            case _Action.DUPLICATE:
                return frame + frame, False
            case _Action.SWAP:
                return frame + (fault.held or b""), False
            case _Action.HALF_WRITE:
                return frame[: len(frame) // 2], True


class _Link:
    """One client's connection and its counterpart at the server."""

    def __init__(
        self,
        proxy: LinkProxy,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        up_reader: asyncio.StreamReader,
        up_writer: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._pumps = [(reader, up_writer, Direction.TO_SERVER), (up_reader, writer, Direction.TO_CLIENT)]
        self.tasks: list[asyncio.Task[None]] = []

    def abort(self) -> None:
        """Break both sides without a goodbye."""
        for _, writer, _ in self._pumps:
            writer.transport.abort()

    async def run(self) -> None:
        """Forward until one side ends; then end both."""
        self.tasks = [asyncio.create_task(self._pump(*pump)) for pump in self._pumps]
        try:
            await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in self.tasks:
                task.cancel()
            self.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction) -> None:
        splitter = FrameSplitter()
        with contextlib.suppress(OSError):  # broken by us or by a side: the link is over
            while data := await reader.read(_CHUNK):
                for frame in splitter.feed(data):
                    forwarded, breaks = await self._proxy.passed(frame, direction)
                    if forwarded:
                        writer.write(forwarded)
                        await writer.drain()
                    if breaks:
                        return
