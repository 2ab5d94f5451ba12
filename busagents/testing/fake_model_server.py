"""A model server on this machine that speaks OpenAI's chat completions over real sockets, and fails when told to.

    async with FakeModelServer([call_tools(("add", {"a": 1, "b": 2})), say("3")], faults=[Fault("status", status=429)]) as server:
        model = OpenAIChatModel("fake", api_key="none", base_url=server.base_url)

As a process of its own, for tests that kill the client:

    python -m busagents.testing.fake_model_server --script script.json --count-file calls.txt

whose first line of output is the base URL.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from busagents.testing.openai_wire import Fault, Wire, error_object, events, position_of, sse
from busagents.testing.scripted_model import Say

_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}

Turns = Sequence[Say] | Callable[[dict[str, Any]], Say]


class Received(msgspec.Struct, frozen=True):
    """A request as it came. Header names are in lower case; `body` is decoded JSON, None if there was none."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Script(msgspec.Struct, frozen=True):
    """What `--script` holds: turns as {"text", "calls": [[name, arguments]], "stop_reason"}, faults (null for none), wire."""

    turns: tuple[Say, ...]
    faults: tuple[Fault | None, ...] = ()
    wire: Wire = Wire()


class FakeModelServer:
    """An HTTP/1.1 server on 127.0.0.1, on a free port.

    Args:
        turns: as ScriptedModel's: the place in the list is read from the request, the last turn answers whatever follows;
            or a function from the request's JSON to a turn.
        faults: the first request gets the first fault, and so on; None and the end of the list mean no fault.
        wire: the shape of the stream.
        key: if given, another bearer token is answered with 401.
        count_file: gets one line per request, appended by O_APPEND.
        port: instead of a free one.
    """

    def __init__(
        self,
        turns: Turns,
        *,
        faults: Sequence[Fault | None] = (),
        wire: Wire | None = None,
        key: str | None = None,
        count_file: Path | None = None,
        port: int = 0,
    ) -> None:
        if not callable(turns) and not turns:
            raise ValueError('a script needs at least one turn: FakeModelServer([say("hello")])')
        self._turns = turns
        self._faults = list(faults)
        self._wire = wire or Wire()
        self._key = key
        self._count_file = count_file
        self._port = port
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._changed = asyncio.Condition()
        self.requests: list[Received] = []
        self.connections = 0
        """How many connections were made."""
        self.hung_up = asyncio.Event()
        """Set when a client leaves a request that hangs."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def base_url(self) -> str:
        """For `base_url=` or OPENAI_BASE_URL."""
        assert self._server is not None, "use it in `async with`"
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def received(self, count: int) -> None:
        """Wait until so many requests have come."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.requests) >= count)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: asyncio 3.11 reports each one it made itself as an error when it is canceled.
        task = asyncio.create_task(self._connected(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        self.connections += 1

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read_request(reader)) is not None:
                await self._answer(request, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left
        finally:
            writer.close()

    async def _answer(self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._changed:
            fault = self._faults[len(self.requests)] if len(self.requests) < len(self._faults) else None
            self.requests.append(request)
            self._changed.notify_all()
        self._count(request)
        refusal = self._refusal(request, fault)
        if refusal is not None:
            await _send(writer, *refusal, retry_after=fault.retry_after if fault else "")
            return
        turns, body = self._turns, request.body
        position = position_of(body["messages"])
        turn = turns(body) if callable(turns) else turns[min(position, len(turns) - 1)]
        asked = self._wire.usage and bool((body.get("stream_options") or {}).get("include_usage"))
        pieces = events(turn, position=position, model=body.get("model", ""), wire=self._wire, ask_usage=asked)
        await self._stream(pieces, fault, reader, writer)

    def _refusal(self, request: Received, fault: Fault | None) -> tuple[int, Any] | None:
        """Status and body, if the request is not answered by a stream."""
        if fault is not None and fault.kind == "status":
            return fault.status, error_object(fault.code, fault.message)
        if not request.path.endswith("/chat/completions") or request.method != "POST":
            return 404, error_object("not_found", f"{request.method} {request.path} is not served: POST /v1/chat/completions is")
        if self._key is not None and request.headers.get("authorization") != f"Bearer {self._key}":
            return 401, error_object("invalid_api_key", f"Incorrect API key provided: {request.headers.get('authorization', '')}")
        if not isinstance(request.body, dict) or not isinstance(request.body.get("messages"), list):
            return 400, error_object("invalid_request_error", "the body must be a JSON object with messages")
        if request.body.get("stream") is not True:
            return 400, error_object("invalid_request_error", "this server only streams: send stream=true")
        return None

    async def _stream(
        self, pieces: list[bytes], fault: Fault | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        kind = fault.kind if fault is not None else None
        if fault is not None:
            pieces = pieces[: len(pieces) // 2 if fault.after is None else fault.after]
        if fault is not None and kind == "error_in_stream":
            pieces.append(sse(error_object(fault.code, fault.message)))
        if kind == "malformed":
            pieces.append(b'data: {"id": "chatcmpl-\n\n')
        if fault is not None and kind == "event":
            pieces.append(b"data: " + fault.message.encode() + b"\n\n")
        if kind == "hang" and not pieces:
            await self._hang(reader)
            return
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in pieces:
            if self._wire.delay:
                await asyncio.sleep(self._wire.delay)
            size = self._wire.chunk_bytes or len(piece)
            for start in range(0, len(piece), size):
                part = piece[start : start + size]
                writer.write(b"%x\r\n%s\r\n" % (len(part), part))
                await writer.drain()
        if kind == "hang":
            await self._hang(reader)
        elif kind == "cut":
            writer.transport.abort()
        else:
            writer.write(b"0\r\n\r\n")
            await writer.drain()

    async def _hang(self, reader: asyncio.StreamReader) -> None:
        await reader.read()  # returns when the client closes its end
        self.hung_up.set()

    def _count(self, request: Received) -> None:
        if self._count_file is None:
            return
        descriptor = os.open(self._count_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, f"{request.method} {request.path}\n".encode())
        finally:
            os.close(descriptor)


async def _read_request(reader: asyncio.StreamReader) -> Received | None:
    """The next request of the connection, or None at its end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    raw = await reader.readexactly(int(headers.get("content-length", 0)))
    try:
        body = msgspec.json.decode(raw) if raw else None
    except msgspec.DecodeError:
        body = None
    return Received(method, path, headers, body)


async def _send(writer: asyncio.StreamWriter, status: int, body: Any, *, retry_after: str) -> None:
    raw = msgspec.json.encode(body)
    head = (
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}\r\ncontent-type: application/json\r\ncontent-length: {len(raw)}\r\n"
    )
    if retry_after:
        head += f"retry-after: {retry_after}\r\n"
    writer.write(head.encode() + b"\r\n" + raw)
    await writer.drain()


async def _serve(script: Script, count_file: Path | None) -> None:
    async with FakeModelServer(script.turns, faults=script.faults, wire=script.wire, count_file=count_file) as server:
        print(server.base_url, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve a script until the process is ended."""
    import argparse

    parser = argparse.ArgumentParser(description="A scripted model server; prints its base URL first.")
    parser.add_argument("--script", type=Path, required=True, help="JSON: turns, faults, wire")
    parser.add_argument("--count-file", type=Path, help="gets one line per request")
    options = parser.parse_args()
    script = msgspec.json.decode(options.script.read_bytes(), type=Script)
    try:
        asyncio.run(_serve(script, options.count_file))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
