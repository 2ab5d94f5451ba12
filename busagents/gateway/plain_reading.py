"""What comes in by plain HTTP."""

from __future__ import annotations

import uuid
from typing import TypeVar

import msgspec

from busagents.gateway import plain_types as p
from busagents.gateway.exchange import MAX_KEY, Exchange, check_utf8
from busagents.gateway.json_fields import storable, wrong
from busagents.gateway.types import Message, Part, SendRequest
from busagents.gateway.wire_errors import InvalidRequest

_B = TypeVar("_B", p.NewTask, p.Reply)


async def read_body(exchange: Exchange, decoder: msgspec.json.Decoder[_B]) -> _B:
    """What is asked. Raises A2AError."""
    body = await exchange.body()
    try:
        check_utf8(body)
        asked = decoder.decode(body)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        raise wrong(where.strip("`.") or "body", what[:1].lower() + what[1:]) from None
    except RecursionError:
        raise InvalidRequest("the body is nested too deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"the body is not JSON in UTF-8: {error}") from None
    if asked.text is msgspec.UNSET and asked.data is msgspec.UNSET:
        raise wrong("text", "is required, or data")
    return asked


def read_request(exchange: Exchange, asked: p.NewTask | p.Reply, message: Message) -> SendRequest:
    """What is sent: `message` with what is said, under the caller's key. Raises InvalidParams."""
    key = exchange.header(b"idempotency-key")
    if len(key) > MAX_KEY:
        raise wrong("Idempotency-Key", f"is longer than {MAX_KEY} characters")
    parts = () if asked.text is msgspec.UNSET else (Part(text=asked.text),)
    if asked.data is not msgspec.UNSET:
        parts = (*parts, Part(data=storable(asked.data, "data"), has_data=True))
    message = msgspec.structs.replace(message, message_id=str(uuid.uuid4()), parts=parts)
    return SendRequest(message, history_length=0, idempotency_key=key)


def read_place(exchange: Exchange) -> str:
    """Where a reader left: the header of an EventSource, or a parameter for those who cannot set one."""
    return exchange.header(b"last-event-id") or exchange.query.get("after", "")
