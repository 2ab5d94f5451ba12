"""HTTP+JSON below an agent's URL (specification 1.0.1, section 11). `/v1/…` is 0.3; `/{tenant}/…` is the same as without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from busagents.gateway.calls import Call, Reader, RestDialect, Result
from busagents.gateway.errors import A2AError
from busagents.gateway.exchange import Exchange, check_utf8, encode
from busagents.gateway.json_fields import Fields, QueryFields
from busagents.gateway.negotiation import V03, V1, not_v1, version
from busagents.gateway.types import Update
from busagents.gateway.wire_errors import InvalidRequest, NoSuchPath, WrongMethod
from busagents.gateway.wire_v1 import WireV1, error_details

BODILESS = frozenset(["GET", "HEAD", "DELETE"])


class RestFraming:
    """One version's bodies."""

    __slots__ = ("_dialect",)

    media_type = b"application/a2a+json"
    error_event = b"event: error\n"

    def __init__(self, dialect: RestDialect) -> None:
        self._dialect = dialect

    def result(self, call: Call, result: Result) -> bytes:
        """The bare object."""
        return result if isinstance(result, bytes) else encode(self._dialect.result(call, result))

    def item(self, update: Update) -> bytes:
        """The bare StreamResponse."""
        return encode(self._dialect.item(update))

    def error(self, error: A2AError) -> tuple[int, bytes]:
        """google.rpc.Status in `error`."""
        shown: dict[str, Any] = {"code": error.http, "status": error.grpc, "message": str(error), "details": error_details(error)}
        return error.http, encode({"error": shown})


class Rest:
    """The binding, for the versions there is a dialect of."""

    def __init__(self, v03: RestDialect | None) -> None:
        self._v1: RestDialect = WireV1()
        self._v03 = v03
        self._decode = msgspec.json.Decoder().decode

    def find(self, path: tuple[str, ...]) -> tuple[RestDialect, Mapping[str, Reader]] | None:
        """The dialect and the readers of a path; None: it is none of ours."""
        if path[0] == "v1":
            found = self._v03.find(path[1:]) if self._v03 else None
            return (self._v03, found) if self._v03 and found else None
        found = self._v1.find(path) or self._v1.find(path[1:])  # a tenant is no proof of identity: it decides nothing
        return (self._v1, found) if found else None

    async def serve(self, exchange: Exchange, found: tuple[RestDialect, Mapping[str, Reader]]) -> None:
        """Answer one request."""
        dialect, readers = found
        exchange.framing = RestFraming(dialect)
        reader = readers.get(exchange.method)
        if reader is None:
            allowed = ", ".join(readers)
            raise WrongMethod(f"this path is for {allowed}, not for {exchange.method[:20]}", allowed)
        asked = version(exchange.header(b"a2a-version"), exchange.query.get("A2A-Version", ""))
        if dialect is self._v1 and asked != V1:
            raise not_v1("This path", V03)
        exchange.agree_on_extensions()
        await exchange.answer(reader(await self._fields(exchange)))

    async def _fields(self, exchange: Exchange) -> Fields:
        if exchange.method in BODILESS:
            return QueryFields(exchange.query)
        body = await exchange.body()
        if not body.strip():
            return Fields({})
        try:
            check_utf8(body)
            found = self._decode(body)
        except RecursionError:
            raise InvalidRequest("the body is nested too deep") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"the body is not JSON in UTF-8: {error}") from None
        if not isinstance(found, dict):
            raise InvalidRequest("the body must be a JSON object")
        return Fields(found)


def no_such_path(path: tuple[str, ...]) -> NoSuchPath:
    """The error of a path nothing is served at."""
    return NoSuchPath(f"nothing is served at {'/' + '/'.join(path)[:200]!r}: the agent's card has its URLs")
