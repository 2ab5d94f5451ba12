"""Messages of the Synadia protocol: what we write the public package reads, what it writes we read, and nothing else passes."""

from __future__ import annotations

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synadia_ai.agents import envelope as theirs
from synadia_ai.agents import messages as chunks
from synadia_ai.agents.errors import ProtocolError

from busagents.adapters.synadia import wire
from busagents.domain.messages import DataPart, FilePart, Message, TextPart, user
from busagents.errors import InvalidInput
from busagents.ports.foreign import Alive, Asked, Refused, Said

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
files = st.lists(st.tuples(st.text("abc.", min_size=1, max_size=8).filter(str.strip), st.binary(max_size=40)), max_size=3)


@given(texts.filter(str.strip), files)
def test_a_prompt_of_ours_is_read_by_the_public_package_and_by_ourselves(text: str, attached: list[tuple[str, bytes]]) -> None:
    parts = [FilePart("application/octet-stream", name, base64=base64.b64encode(data).decode()) for name, data in attached]
    payload = wire.prompt_bytes(Message("user", (TextPart(text), *parts)))
    read = theirs.decode(payload)
    assert read.prompt == text
    assert [(item.filename, item.to_bytes()) for item in read.attachments or ()] == attached
    back = wire.read_prompt(payload)
    assert back.text == text
    assert [(part.name, part.base64) for part in back.parts if isinstance(part, FilePart)] == [(p.name, p.base64) for p in parts]


@given(texts.filter(str.strip), files)
def test_an_envelope_of_the_public_package_is_read(text: str, attached: list[tuple[str, bytes]]) -> None:
    envelope = theirs.Envelope(
        prompt=text, attachments=[theirs.Attachment.from_bytes(name, data) for name, data in attached], their_own=1
    )
    message = wire.read_prompt(theirs.encode(envelope))
    assert message.text == text
    got = [(part.name, base64.b64decode(part.base64 or "")) for part in message.parts if isinstance(part, FilePart)]
    assert got == attached


@given(st.binary(max_size=200))
def test_whatever_bytes_arrive_they_are_a_prompt_or_refused(payload: bytes) -> None:
    try:
        message = wire.read_prompt(payload)
    except InvalidInput:
        return
    assert message.text.strip()
    assert theirs.decode(payload).prompt == message.text


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xff\xfe", "UTF-8"),
        (b"{", "envelope cannot be read"),
        (b"{}", "envelope cannot be read"),
        (b'{"prompt": 5}', "envelope cannot be read"),
        (b'{"prompt": ""}', "prompt is empty"),
        (b'{"prompt": "x", "attachments": [{"filename": "a"}]}', "envelope cannot be read"),
        (b'{"prompt": "x", "attachments": [{"filename": "a", "content": "YQ"}]}', "base64"),
        (b'{"prompt": "x", "attachments": [{"filename": "a", "content": "_-=="}]}', "base64"),
        (b"{" * 100_000, "envelope cannot be read"),
    ],
)
def test_a_malformed_prompt_is_refused_with_the_reason(payload: bytes, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        wire.read_prompt(payload)


def test_an_attachment_brings_its_name_without_a_path_and_its_type() -> None:
    content = base64.b64encode(b"x").decode()
    payload = msgspec.json.encode({"prompt": "see", "attachments": [{"filename": "../../etc/report.pdf", "content": content}]})
    assert wire.read_prompt(payload).parts[1] == FilePart("application/pdf", "report.pdf", base64=content)


def test_what_the_protocol_has_no_form_for_is_told_as_text() -> None:
    parts = (TextPart("See"), DataPart({"n": 1}), FilePart("text/html", "page", uri="https://example.org/"))
    assert wire.split_parts(parts) == ('See\n{"n":1}\npage: https://example.org/', [])


def test_a_text_that_looks_like_json_travels_in_an_envelope() -> None:
    assert wire.read_prompt(wire.prompt_bytes(user(' {"a": 1}'))).text == ' {"a": 1}'


@given(texts, st.booleans())
def test_our_chunks_are_those_of_the_public_package(text: str, attached: bool) -> None:
    items = [wire.Attachment("a.txt", "YQ==")] if attached else []
    response = chunks.decode_chunk(wire.response(text, items))
    assert isinstance(response, chunks.ResponseChunk)
    assert (response.text, len(response.attachments or ())) == (text, len(items))
    question = chunks.decode_chunk(wire.query("1", "_INBOX.a", text, items))
    assert isinstance(question, chunks.QueryChunk)
    assert (question.id, question.reply_subject, question.prompt) == ("1", "_INBOX.a", text)
    assert chunks.decode_chunk(wire.ACK) == chunks.StatusChunk(status="ack")


@given(texts, st.booleans())
def test_chunks_of_the_public_package_are_read(text: str, attached: bool) -> None:
    items = [theirs.Attachment.from_bytes("a.txt", b"a")] if attached else None
    ours = tuple(FilePart("text/plain", "a.txt", base64="YQ==") for _ in items or ())
    said = wire.read_reply(chunks.encode_chunk(chunks.ResponseChunk(text=text, attachments=items)), None)
    assert said == Said(text, ours)
    query = chunks.QueryChunk(id="1", reply_subject="_INBOX.a", prompt=text, attachments=items)
    assert wire.read_reply(chunks.encode_chunk(query), {}) == Asked(
        "1", "_INBOX.a", Message("assistant", (TextPart(text), *ours))
    )
    assert wire.read_reply(chunks.encode_chunk(chunks.StatusChunk(status="ack")), None) == Alive()


@given(st.binary(max_size=100))
def test_whatever_an_agent_sends_is_read_as_the_public_package_reads_it(payload: bytes) -> None:
    try:
        chunk = chunks.decode_chunk(payload)
    except (ProtocolError, UnicodeDecodeError):
        chunk = "wrong"  # type: ignore[assignment]
    item = wire.read_reply(payload, None)
    assert isinstance(item, Refused) or chunk != "wrong"


def test_types_to_come_are_passed_over() -> None:
    assert wire.read_reply(b'{"type":"thought","data":[1]}', None) == Alive()


def test_an_error_is_one_line_in_the_header_and_whole_in_the_body() -> None:
    headers, body = wire.error(429, "busy", "too many\r\nEvil: header", "t1")
    assert headers == {"Nats-Service-Error-Code": "429", "Nats-Service-Error": "too many Evil: header"}
    assert wire.read_reply(body, headers) == Refused("rate_limited", "429: too many\r\nEvil: header")
    assert wire.read_reply(b"", {"Nats-Service-Error-Code": "odd"}) == Refused("remote_error", "odd")


def test_only_an_empty_message_without_headers_is_the_end() -> None:
    assert wire.is_end(b"", None)
    assert wire.is_end(b"", {})
    assert not wire.is_end(b"", {"Nats-Service-Error-Code": "500"})
    assert not wire.is_end(b"x", None)


@pytest.mark.parametrize(
    ("text", "number"), [("1MB", 1 << 20), ("512 kb", 512 << 10), ("7B", 7), ("1", None), ("MB", None), ("-1B", None)]
)
def test_sizes_are_read_as_the_protocol_writes_them(text: str, number: int | None) -> None:
    assert wire.parse_size(text) == number


@given(st.integers(1, 1 << 40))
def test_a_size_comes_back(number: int) -> None:
    assert wire.parse_size(wire.size(number)) == number
