"""JSON-RPC 2.0 at an agent's URL (specification 1.0.1, section 9): one POST, no batches, errors inside HTTP 200."""

from __future__ import annotations

from typing import Any

import msgspec

from busagents.gateway.calls import Call, Reader, Result, RpcDialect
from busagents.gateway.errors import A2AError
from busagents.gateway.exchange import Exchange, check_utf8, encode
from busagents.gateway.json_fields import Fields
from busagents.gateway.negotiation import V03, V1, not_v1, version
from busagents.gateway.types import Update
from busagents.gateway.wire_errors import AT_HTTP_LEVEL, InvalidRequest, MethodNotFound, ParseError
from busagents.gateway.wire_v1 import WireV1, error_details

NULL = b"null"
ID_BEGINS = frozenset([*(b"%d" % digit for digit in range(10)), b'"', b"-", b"n"])
SHOWN = 80  # characters of a wrong value in an error


class Request(msgspec.Struct):
    """The envelope. The id goes back as the bytes it came in, whatever its size."""

    jsonrpc: Any = None
    method: Any = None
    params: Any = None
    id: msgspec.Raw = msgspec.Raw(NULL)


class RpcFraming:
    """One exchange in one version."""

    __slots__ = ("_dialect", "_open", "ident")

    media_type = b"application/json"
    error_event = b""

    def __init__(self, dialect: RpcDialect, ident: bytes = NULL) -> None:
        self._dialect = dialect
        self.ident = ident
        self._open = b'{"jsonrpc":"2.0","id":%s,"result":' % ident

    def result(self, call: Call, result: Result) -> bytes:
        """A response."""
        if isinstance(result, bytes):  # a card, in JSON already
            return self._open + result + b"}"
        return self._open + encode(self._dialect.result(call, result)) + b"}"

    def item(self, update: Update) -> bytes:
        """A whole response around each item."""
        return self._open + encode(self._dialect.item(update)) + b"}"

    def error(self, error: A2AError) -> tuple[int, bytes]:
        """An error response. `data` is an array."""
        shown = {"code": error.code, "message": str(error), "data": error_details(error)}
        status = error.http if isinstance(error, AT_HTTP_LEVEL) else 200
        return status, b'{"jsonrpc":"2.0","id":%s,"error":%s}' % (self.ident, encode(shown))


class JsonRpc:
    """The binding, for the versions there is a dialect of."""

    def __init__(self, v03: RpcDialect | None) -> None:
        self._v1: RpcDialect = WireV1()
        self._v03 = v03
        self._decode = msgspec.json.Decoder(Request).decode

    async def serve(self, exchange: Exchange) -> None:
        """Answer one request."""
        exchange.framing = framing = RpcFraming(self._v1)
        request = self._read(await exchange.body())
        framing.ident = bytes(request.id)
        if framing.ident[:1] not in ID_BEGINS:
            framing.ident = NULL
            raise InvalidRequest("`id` must be a string, a number or null")
        dialect, reader = self._method(exchange, request)
        exchange.framing = RpcFraming(dialect, framing.ident)
        exchange.agree_on_extensions()
        await exchange.answer(reader(Fields({} if request.params is None else request.params)))

    def _read(self, body: bytes) -> Request:
        try:
            check_utf8(body)
            return self._decode(body)
        except msgspec.ValidationError as error:
            if body.lstrip(b" \t\r\n")[:1] == b"[":
                raise InvalidRequest("batches are not part of A2A: send each request alone") from None
            raise InvalidRequest(f"a request is an object with `jsonrpc`, `method`, `params` and `id`: {error}") from None
        except RecursionError:
            raise InvalidRequest("the request is nested too deep") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ParseError(f"the body is not JSON in UTF-8: {error}") from None

    def _method(self, exchange: Exchange, request: Request) -> tuple[RpcDialect, Reader]:
        method = request.method
        if request.jsonrpc != "2.0":
            raise InvalidRequest('`jsonrpc` must be "2.0"')
        if not isinstance(method, str):
            raise InvalidRequest("`method` must be a string")
        header = exchange.headers.get(b"a2a-version", b"")
        asked = V1 if header == b"1.0" else version(header.decode("latin-1"), exchange.query.get("A2A-Version", ""))
        if asked == V1:
            if reader := self._v1.methods.get(method):
                return self._v1, reader
        elif method in self._v1.methods:
            raise not_v1(f"The method {method}", V03)
        elif self._v03 is None:
            raise not_v1("This server", V03)
        elif reader := self._v03.methods.get(method):
            return self._v03, reader
        known = self._v1.methods if asked == V1 or self._v03 is None else self._v03.methods
        raise MethodNotFound(f"there is no method {method[:SHOWN]!r} in A2A {asked}; there are {', '.join(known)}")
