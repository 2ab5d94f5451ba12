"""Messages of the Synadia Agent Protocol (sections 5 to 9) to and from ours. Pure."""

from __future__ import annotations

import base64
import binascii
import mimetypes
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from busagents.domain.messages import DataPart, FilePart, Message, Part, Role, TextPart
from busagents.errors import InvalidInput
from busagents.ports.foreign import Alive, Asked, ForeignItem, Refused, Said

ERROR_CODE = "Nats-Service-Error-Code"
ERROR_TEXT = "Nats-Service-Error"
ACK = b'{"type":"status","data":"ack"}'
END = b""  # without headers

_BLANKS = b" \t\r\n"
_TYPES = mimetypes.MimeTypes(filenames=())  # Python's own table, the same on every machine
_BYTES = "application/octet-stream"
_DESCRIPTION = 500  # characters of an error in a header
_WORDS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    429: "rate_limited",
    500: "remote_error",
}


class Attachment(msgspec.Struct, frozen=True):
    """A file. `content` is padded standard base64."""

    filename: str
    content: str


class Envelope(msgspec.Struct, frozen=True, omit_defaults=True):
    """A prompt, or an answer to a question. Fields that are not known are ignored."""

    prompt: str
    attachments: list[Attachment] | None = None


class Heartbeat(msgspec.Struct, frozen=True):
    """That an instance lives; also what its status endpoint answers. `ts` is RFC 3339 UTC, `interval_s` its cadence."""

    agent: str
    owner: str
    session: str
    instance_id: str
    ts: str
    interval_s: int


class _Chunk(msgspec.Struct, frozen=True):
    type: str
    data: Any = None


class _Response(msgspec.Struct, frozen=True, omit_defaults=True):
    text: str
    attachments: list[Attachment] | None = None


class _Query(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str
    reply_subject: str
    prompt: str
    attachments: list[Attachment] | None = None


class _ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    error: str = ""
    message: str = ""
    task: str = ""


_ENVELOPE = msgspec.json.Decoder(Envelope)
_CHUNK = msgspec.json.Decoder(_Chunk)


def read_prompt(payload: bytes, role: Role = "user") -> Message:
    """The message of a prompt or of an answer: an envelope if its first byte is `{`, else plain text (section 5.3).

    Raises:
        InvalidInput: what the protocol answers with 400.
    """
    if not payload.lstrip(_BLANKS).startswith(b"{"):
        try:
            text = payload.decode()
        except UnicodeDecodeError as error:
            raise InvalidInput(f"the prompt is neither JSON nor UTF-8 text (byte {error.start}): send one of them") from None
        if not text.strip():
            raise InvalidInput('the prompt is empty: send text, or JSON such as {"prompt": "hello"}')
        return Message(role, (TextPart(text),))
    try:
        envelope = _ENVELOPE.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(
            f'the envelope cannot be read ({error}): send {{"prompt": "…", "attachments": [{{"filename": "…", "content": "base64"}}]}}'
        ) from None
    if not envelope.prompt.strip():
        raise InvalidInput("the envelope's prompt is empty: say what the agent shall do")
    return Message(role, (TextPart(envelope.prompt), *_files(envelope.attachments)))


def prompt_bytes(message: Message) -> bytes:
    """A prompt or an answer: plain text where that says it all, else an envelope. Without any text it says what is attached."""
    text, attachments = split_parts(message.parts)
    plain = text.encode()
    if not attachments and text.strip() and not plain.lstrip(_BLANKS).startswith(b"{"):
        return plain
    prompt = text if text.strip() else ", ".join(item.filename for item in attachments) or "(nothing)"
    return msgspec.json.encode(Envelope(prompt, attachments or None))


def split_parts(parts: tuple[Part, ...]) -> tuple[str, list[Attachment]]:
    """The text of a message, and its files. The protocol has no JSON values and no links: those are told as text."""
    texts: list[str] = []
    attachments: list[Attachment] = []
    for part in parts:
        match part:
            case TextPart(text):
                texts.append(text)
            case DataPart(data):
                texts.append(msgspec.json.encode(data).decode())
            case FilePart(media_type, name, base64=content) if content is not None:
                attachments.append(Attachment(name or "attachment" + (_TYPES.guess_extension(media_type) or ""), content))
            case FilePart(_, name, uri=uri) if uri is not None:
                texts.append(f"{name}: {uri}" if name else uri)
    return "\n".join(texts) if any(not isinstance(part, TextPart) for part in parts) else "".join(texts), attachments


def response(text: str, attachments: list[Attachment] | None = None) -> bytes:
    """A piece of the answer."""
    data = _Response(text, attachments) if attachments else text
    return msgspec.json.encode(_Chunk("response", data))


def query(id: str, reply_subject: str, prompt: str, attachments: list[Attachment] | None = None) -> bytes:
    """A question in the middle of an answer."""
    return msgspec.json.encode(_Chunk("query", _Query(id, reply_subject, prompt, attachments or None)))


def error(code: int, reason: str, text: str, task: str = "") -> tuple[dict[str, str], bytes]:
    """Headers and body of an error. A header is one line."""
    line = " ".join(text.split())[:_DESCRIPTION] or reason
    headers = {ERROR_CODE: str(code), ERROR_TEXT: line}
    return headers, msgspec.json.encode(_ErrorBody(reason, text, task))


def read_reply(payload: bytes, headers: Mapping[str, str] | None) -> ForeignItem:
    """What a message of an answer says. Not for the one that ends it, see `is_end`."""
    if headers and ERROR_CODE in headers:
        return _refusal(payload, headers)
    try:
        chunk = _CHUNK.decode(payload)
        match chunk.type:
            case "response":
                said = _Response(chunk.data) if isinstance(chunk.data, str) else msgspec.convert(chunk.data, _Response)
                return Said(said.text, tuple(_files(said.attachments)))
            case "query":
                asked = msgspec.convert(chunk.data, _Query)
                return Asked(
                    asked.id, asked.reply_subject, Message("assistant", (TextPart(asked.prompt), *_files(asked.attachments)))
                )
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError, InvalidInput) as problem:
        return Refused("protocol_error", f"the agent sent what the protocol does not know ({problem})", unknown=True)
    return Alive()  # status, and types to come


def is_end(payload: bytes, headers: Mapping[str, str] | None) -> bool:
    """It is the message that ends an answer."""
    return not payload and not headers


def parse_size(text: str) -> int | None:
    """Bytes of a size such as `1MB`; None if it is none."""
    text = text.strip().upper()
    for unit, factor in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10), ("B", 1)):
        number = text.removesuffix(unit).strip()
        if text.endswith(unit) and number.isascii() and number.isdigit():
            return int(number) * factor
    return None


def size(number: int) -> str:
    """Bytes in the largest unit that divides them."""
    for unit, factor in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if number >= factor and number % factor == 0:
            return f"{number // factor}{unit}"
    return f"{number}B"


def _refusal(payload: bytes, headers: Mapping[str, str]) -> Refused:
    try:
        body = msgspec.json.decode(payload, type=_ErrorBody)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = _ErrorBody()
    code = headers[ERROR_CODE]
    text = body.message or headers.get(ERROR_TEXT, "") or body.error
    reason = _WORDS.get(int(code), "remote_error") if code.isascii() and code.isdigit() and len(code) < 10 else "remote_error"
    return Refused(reason, f"{code}: {text}" if text else code)


def _files(attachments: list[Attachment] | None) -> Iterator[FilePart]:
    for item in attachments or ():
        name = item.filename.replace("\\", "/").rsplit("/", 1)[-1] or "attachment"
        try:
            base64.b64decode(item.content, validate=True)
        except (binascii.Error, ValueError):
            raise InvalidInput(
                f"attachment {name[:80]!r} is not padded standard base64 (RFC 4648, section 4): encode it so"
            ) from None
        yield FilePart(_TYPES.guess_type(name)[0] or _BYTES, name, base64=item.content)
