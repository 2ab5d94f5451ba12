"""One HTTP exchange: what came in, the answer, and the way from a call to it, for both bindings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

import msgspec

from busagents.gateway.calls import Call, CardFor, Result, Send, SendStream, Subscribe, carry_out, is_stream, open_stream
from busagents.gateway.errors import A2AError, InvalidAgentResponse
from busagents.gateway.json_fields import wrong
from busagents.gateway.negotiation import NO_EXTENSIONS, ExtensionsOf, activated
from busagents.gateway.presence import Presence
from busagents.gateway.service import GatewayService
from busagents.gateway.sse import EventStream
from busagents.gateway.types import Caller, StreamItem, Update
from busagents.gateway.wire_errors import BodyTooLarge, BodyTooSlow, MediaTypeUnknown, error_headers

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
SendMessage = Callable[[MutableMapping[str, Any]], Awaitable[None]]

EXTENSION_HEADERS = frozenset([b"a2a-extensions", b"x-a2a-extensions"])  # the second is of 0.3
MAX_KEY = 255  # characters of an Idempotency-Key
READ_ON = 4  # times `max_body`; so far a body that is too large is read
WATCH_AFTER = 1.0  # seconds; a call that takes longer is given up when its caller leaves
JSON_TYPES = frozenset([b"application/json", b"application/a2a+json"])
_ENCODE = msgspec.json.Encoder().encode


class Framing(Protocol):
    """How a binding puts things into bytes, for one exchange."""

    media_type: bytes
    error_event: bytes  # the lines of an SSE event before the data of an error

    def result(self, call: Call, result: Result) -> bytes:
        """The body of an answer."""
        ...

    def item(self, update: Update) -> bytes:
        """The data of one SSE event."""
        ...

    def error(self, error: A2AError) -> tuple[int, bytes]:
        """HTTP's status, and the body or the data."""
        ...


@dataclass(frozen=True)
class Wiring:
    """What every exchange needs. `keep_alive` and `body_time` in seconds, `max_body` in bytes."""

    service: GatewayService
    extensions_of: ExtensionsOf
    card_for: CardFor | None
    keep_alive: float
    max_body: int
    body_time: float


class Exchange:
    """A request and the way to answer it. `path` are the segments below the agent's URL."""

    __slots__ = (
        "_receive",
        "_scope",
        "_send",
        "active",
        "caller",
        "framing",
        "headers",
        "participant",
        "path",
        "started",
        "wiring",
    )

    def __init__(self, wiring: Wiring, scope: Scope, receive: Receive, send: SendMessage, framing: Framing) -> None:
        self.wiring = wiring
        self.framing = framing
        self._scope = scope
        self._receive = receive
        self._send = send
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.caller = Caller()
        self.participant = ""
        self.path: tuple[str, ...] = ()
        self.active = ""  # the extensions in use
        self.started = False

    @property
    def method(self) -> str:
        """HTTP's."""
        return str(self._scope["method"])

    @property
    def query(self) -> dict[str, str]:
        """The URL's query; of a name that is there twice, the last."""
        return dict(parse_qsl(self._scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=None))

    def header(self, name: bytes) -> str:
        """A header, by its lowercase name; empty if it is absent."""
        return self.headers.get(name, b"").decode("latin-1")

    def agree_on_extensions(self) -> None:
        """Raises ExtensionSupportRequired."""
        extensions = self.wiring.extensions_of(self.participant)
        if extensions is not NO_EXTENSIONS:
            lists = (value.decode("latin-1") for name, value in self._scope["headers"] if name in EXTENSION_HEADERS)
            self.active = activated(extensions, ",".join(lists))

    async def body(self) -> bytes:
        """All of it. Raises BodyTooLarge, BodyTooSlow, MediaTypeUnknown."""
        kind = self.headers.get(b"content-type", b"application/json")
        if kind not in JSON_TYPES and kind.partition(b";")[0].strip().lower() not in JSON_TYPES:
            raise MediaTypeUnknown(
                f"the body is {kind[:80].decode('latin-1')!r}, not JSON: send it with `Content-Type: application/json`"
            )
        limit = self.wiring.max_body
        try:
            async with asyncio.timeout(self.wiring.body_time):
                message = await self._receive()
                whole: bytes = message.get("body", b"")
                if message.get("more_body") or message["type"] != "http.request":
                    whole = await self._rest(message, limit)
        except TimeoutError:
            raise BodyTooSlow(f"the body did not arrive within {self.wiring.body_time:g} s: send it again") from None
        if len(whole) > limit:
            raise BodyTooLarge(f"the body is larger than {limit} bytes: send large files by URL")
        return whole

    async def _rest(self, message: MutableMapping[str, Any], limit: int) -> bytes:
        """Of a body that is too large, what was read by then. It is read to its end if that is not far: a caller who still writes when
        the connection closes never sees the answer.
        """
        parts = [message.get("body", b"")]
        size = kept = len(parts[0])
        while message.get("more_body") and size <= READ_ON * limit:
            message = await self._receive()
            size += len(message.get("body", b""))
            if kept <= limit:
                parts.append(message.get("body", b""))
                kept = size
        if message["type"] == "http.disconnect":
            raise BodyTooSlow("the caller left before the body was whole")
        return b"".join(parts)

    async def reply(self, status: int, body: bytes, media_type: bytes, extra: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        """A whole answer."""
        self.started = True
        headers = [(b"content-type", media_type), (b"content-length", b"%d" % len(body)), *extra, *self._active_header()]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": b"" if self.method == "HEAD" else body})

    async def refuse(self, error: A2AError) -> None:
        """An error as the answer."""
        status, body = self.framing.error(error)
        await self.reply(status, body, self.framing.media_type, error_headers(error))

    async def answer(self, call: Call) -> None:
        """Carry the call out and answer with its result or its stream. Errors go up until the answer has begun."""
        call = self._with_headers(call)
        wiring, framing = self.wiring, self.framing
        if is_stream(call):
            await self.stream(open_stream(wiring.service, self.caller, self.participant, call), framing)
            return
        with self.presence() as presence:
            result = await carry_out(wiring.service, wiring.card_for, self.caller, self.participant, call)
        if not presence.gone:
            await self.reply(200, framing.result(call, result), framing.media_type)

    async def stream(self, items: AsyncIterator[StreamItem], framing: Framing) -> None:
        """A stream as the answer; an error goes up until it has begun."""
        stream = EventStream(items, framing, self.wiring.keep_alive, self._active_header())
        with Presence(self._receive, 0.0):
            await stream.run(self._sending)

    def presence(self) -> Presence:
        """A block that is given up when the caller leaves."""
        return Presence(self._receive, WATCH_AFTER)

    async def _sending(self, message: MutableMapping[str, Any]) -> None:
        self.started = True
        await self._send(message)

    def _active_header(self) -> tuple[tuple[bytes, bytes], ...]:
        return ((b"a2a-extensions", self.active.encode("latin-1", "replace")),) if self.active else ()

    def _with_headers(self, call: Call) -> Call:
        if isinstance(call, Send | SendStream):
            key = self.header(b"idempotency-key")
            if not key:
                return call
            if len(key) > MAX_KEY:
                raise wrong("Idempotency-Key", f"is longer than {MAX_KEY} characters")
            return type(call)(msgspec.structs.replace(call.request, idempotency_key=key))
        if isinstance(call, Subscribe) and (after := self.header(b"last-event-id")):
            return Subscribe(call.task_id, after)
        return call


def encode(value: Any) -> bytes:
    """As JSON. Raises InvalidAgentResponse: what the participant gave has no JSON."""
    try:
        return _ENCODE(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidAgentResponse(f"the answer cannot be put into JSON: {error}") from error


def check_utf8(body: bytes) -> None:
    """The decoder does not look at what it passes over or gives back raw. Raises UnicodeDecodeError."""
    if not body.isascii():
        body.decode()


def segments(scope: Scope) -> tuple[str, ...]:
    """The path, cut before it is decoded: an id may hold a slash."""
    raw = scope.get("raw_path") or b""
    path = raw.partition(b"?")[0].decode("latin-1") if b"%" in raw else scope["path"]
    root = scope.get("root_path", "")
    if root and path.startswith(root):
        path = path[len(root) :]
    found = path.strip("/").split("/")
    return tuple(unquote(part) for part in found) if b"%" in raw else tuple(found)
