"""Entries to bytes and back: JSON, in two stages. First the envelope, always; then each event by `(type, tv)`.

An entry is what one decision made together. `ev` entries carry `seq`, `prev` and what they consumed. An `in` or `stop`
entry may also be written by hand as one flat event: `{"type": "task.submitted", "data": {"text": "hello"}}`.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

import msgspec

from busagents.domain.events import EVENT_TYPES, Event, Recorded
from busagents.domain.messages import BlobRef
from busagents.domain.upcasters import UPCASTERS
from busagents.errors import UnreadableEntry

VERSION = 1
_NAMESPACE = uuid.UUID("6d0f0c59-3f5c-5ae4-9c4b-0b5a3c2f7e11")


class Consumed(msgspec.Struct, frozen=True, gc=False):
    """An `in` or `stop` entry this entry takes into account: its id and the sha256 of its stored bytes."""

    id: str
    sha256: str


class Record(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An event on the wire. `data`, or `blob` when it was too large and is kept in the object store.

    `ignorable` lets a reader that does not know the type skip it; any other unknown type refuses the thread.
    """

    type: str
    tv: int = 1
    task: str = ""
    turn: int = 0
    attempt: int = 0
    data: msgspec.Raw = msgspec.Raw(b"{}")
    blob: BlobRef | None = None
    ignorable: bool = False


class Entry(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The envelope. `time` is information only; `prev` is the sha256 of the stored bytes of the `ev` entry before."""

    v: int = 0
    id: str = ""
    seq: int = 0
    prev: str = ""
    time: str = ""
    trace: str = ""
    cause: str = ""
    corr: str = ""
    consumed: tuple[Consumed, ...] = ()
    events: tuple[Record, ...] = ()


class _Flat(msgspec.Struct):
    """One event written by hand."""

    type: str
    tv: int = 1
    id: str = ""
    task: str = ""
    data: msgspec.Raw = msgspec.Raw(b"{}")


_TYPES: dict[str, type[Event]] = {cls.type: cls for cls in EVENT_TYPES}
_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {cls.type: msgspec.json.Decoder(cls) for cls in EVENT_TYPES}
_ENCODER = msgspec.json.Encoder()
_ENTRY = msgspec.json.Decoder(Entry)
_FLAT = msgspec.json.Decoder(_Flat)
# What the decoder raises for bytes of others: not JSON or another shape, text that is not UTF-8, nesting without end.
_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def sha256_hex(data: bytes) -> str:
    """The hex sha256 of stored bytes."""
    return hashlib.sha256(data).hexdigest()


def derived_id(*names: str) -> str:
    """A uuid5: the same for the same names. For `in` entries and task ids, never for `ev` entries."""
    return str(uuid.uuid5(_NAMESPACE, "\x00".join(names)))


def to_record(recorded: Recorded) -> Record:
    """An event ready for the wire."""
    event = recorded.event
    return Record(event.type, event.tv, recorded.task, recorded.turn, recorded.attempt, msgspec.Raw(_ENCODER.encode(event)))


def encode_entry(entry: Entry) -> bytes:
    """The bytes to store."""
    return _ENCODER.encode(entry)


def decode_entry(body: bytes, *, where: str, fallback_id: str = "") -> Entry:
    """First stage: the envelope, or a flat event as an entry of its own.

    `where` names the entry in errors; `fallback_id` is used when a plain client gave no id.

    Raises:
        UnreadableEntry: no JSON, no envelope, or an envelope newer than this code.
    """
    try:
        entry = _ENTRY.decode(body)
        if not entry.events and not entry.v:
            flat = _FLAT.decode(body)
            entry = Entry(v=VERSION, id=flat.id, events=(Record(flat.type, flat.tv, flat.task, data=flat.data),))
    except _UNDECODABLE as error:
        raise UnreadableEntry(
            f"entry at {where} is not readable: {error}. Expected a JSON envelope or "
            '{"type": "task.submitted", "data": {"text": "…"}}; see docs/events.md'
        ) from None
    if entry.v > VERSION:
        raise UnreadableEntry(
            f"entry at {where} has envelope version {entry.v}, this busagents reads up to {VERSION}: upgrade busagents on this process"
        )
    return entry if entry.id else msgspec.structs.replace(entry, id=fallback_id)


def decode_record(record: Record, *, where: str) -> Recorded | None:
    """Second stage: the event itself, upcast to today's version; None for an unknown type that may be ignored.

    Raises:
        UnreadableEntry: unknown required type, newer version of a type, or data that does not fit it.
    """
    cls = _TYPES.get(record.type)
    if cls is None or not 1 <= record.tv <= cls.tv:
        if record.ignorable:
            return None
        raise UnreadableEntry(
            f"entry at {where} holds event {record.type!r} version {record.tv}, which this busagents does not know: "
            "it was written by a newer version, or by hand with a mistake; upgrade this process, or see docs/events.md"
        )
    try:
        if record.tv < cls.tv:
            data = msgspec.json.decode(record.data)
            for version in range(record.tv, cls.tv):
                data = UPCASTERS[record.type, version](data)
            event = msgspec.convert(data, cls)
        else:
            event = _DECODERS[record.type].decode(record.data)
    except _UNDECODABLE as error:
        raise UnreadableEntry(
            f"entry at {where}: the data of event {record.type!r} does not fit: {error}; see docs/events.md for its fields"
        ) from None
    return Recorded(event, record.task, record.turn, record.attempt)
