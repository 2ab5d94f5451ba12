"""Entries to bytes and back, in two stages, and what happens to bytes that are no entry."""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar

import msgspec
import pytest
from event_strategies import any_event, entries, recorded_events, texts, tokens
from hypothesis import given
from hypothesis import strategies as st

from busagents.domain import codec
from busagents.domain.codec import Entry, Record, decode_entry, decode_record, derived_id, encode_entry, sha256_hex, to_record
from busagents.domain.events import EVENT_TYPES, Event, Recorded, TaskCancel, TaskSubmitted, ToolStarted
from busagents.domain.messages import BlobRef, user
from busagents.domain.upcasters import UPCASTERS
from busagents.errors import LogError, UnreadableEntry

WHERE = "position 7"


def decode_one(body: bytes) -> Recorded | None:
    (record,) = decode_entry(body, where=WHERE).events
    return decode_record(record, where=WHERE)


def read_or_refuse(body: bytes) -> None:
    """Read all of it; any error but UnreadableEntry goes on to the test."""
    with contextlib.suppress(UnreadableEntry):
        for record in decode_entry(body, where=WHERE).events:
            decode_record(record, where=WHERE)


@given(recorded_events)
def test_every_event_reads_back_as_it_was_written(recorded: Recorded) -> None:
    assert decode_record(to_record(recorded), where=WHERE) == recorded


@given(entries)
def test_every_entry_reads_back_with_all_its_events(entry: Entry) -> None:
    back = decode_entry(encode_entry(entry), where=WHERE)
    assert msgspec.structs.replace(back, events=()) == msgspec.structs.replace(entry, events=())
    assert [decode_record(r, where=WHERE) for r in back.events] == [decode_record(r, where=WHERE) for r in entry.events]


@given(entries)
def test_an_entry_that_is_read_and_written_again_has_the_same_bytes(entry: Entry) -> None:
    body = encode_entry(entry)
    assert encode_entry(decode_entry(body, where=WHERE)) == body


@given(st.binary(max_size=200))
def test_any_bytes_are_an_entry_or_a_typed_error(body: bytes) -> None:
    read_or_refuse(body)


@given(entries, st.data())
def test_an_entry_with_a_flipped_byte_is_an_entry_or_a_typed_error(entry: Entry, data: st.DataObject) -> None:
    body = bytearray(encode_entry(entry))
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    read_or_refuse(bytes(body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"null",
        b"[]",
        b"{}",
        b'{"v":1,"events":[{"type":"task.cancel"',
        b"\xff\xfe",
        b'{"v":"one"}',
        b"[" * 100_000,
        b'{"v":1,"events":[{"type":"state.set","data":' + b"[" * 100_000,
    ],
)
def test_bytes_that_are_no_entry_are_refused_with_an_example_of_one(body: bytes) -> None:
    with pytest.raises(UnreadableEntry, match=r"entry at position 7 is not readable.*task\.submitted"):
        decode_entry(body, where=WHERE)


@pytest.mark.parametrize(
    "data",
    [
        b'{"reason":5}',
        b"[]",
        b'"text"',
        b'{"reason":"\xff"}',
        b'{"reason":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_data_that_does_not_fit_its_type_is_refused_by_the_types_name(data: bytes) -> None:
    with pytest.raises(UnreadableEntry, match=r"position 7: the data of event 'task\.cancel' does not fit"):
        decode_record(Record("task.cancel", data=msgspec.Raw(data)), where=WHERE)


def test_the_envelope_reads_even_when_an_event_in_it_does_not() -> None:
    body = b'{"v":1,"id":"e1","seq":4,"prev":"ab","events":[{"type":"from.the.future","tv":9,"data":{"x":[1]}}]}'
    entry = decode_entry(body, where=WHERE)
    assert (entry.id, entry.seq, entry.prev, entry.events[0].type) == ("e1", 4, "ab", "from.the.future")


def test_an_unknown_type_refuses_the_entry_and_says_to_upgrade() -> None:
    with pytest.raises(UnreadableEntry, match=r"'from\.the\.future' version 1.*upgrade this process"):
        decode_one(b'{"v":1,"events":[{"type":"from.the.future"}]}')


def test_an_unknown_type_that_says_it_may_be_ignored_is_skipped() -> None:
    assert decode_one(b'{"v":1,"events":[{"type":"from.the.future","ignorable":true}]}') is None


@pytest.mark.parametrize("tv", [2, 99, 0, -1])
def test_a_version_of_a_type_that_this_code_does_not_have_is_refused(tv: int) -> None:
    with pytest.raises(UnreadableEntry, match=rf"'task\.cancel' version {tv}"):
        decode_record(Record("task.cancel", tv), where=WHERE)


def test_a_newer_version_of_a_known_type_is_skipped_if_it_may_be_ignored() -> None:
    assert decode_record(Record("task.cancel", 2, ignorable=True), where=WHERE) is None


def test_a_newer_envelope_is_refused_with_both_versions() -> None:
    with pytest.raises(UnreadableEntry, match="envelope version 2, this busagents reads up to 1: upgrade"):
        decode_entry(b'{"v":2,"events":[{"type":"task.cancel"}]}', where=WHERE)


def test_fields_that_a_newer_writer_added_do_not_disturb_an_older_reader() -> None:
    body = b'{"v":1,"id":"e","shard":3,"events":[{"type":"task.cancel","mood":"sad","data":{"reason":"r","by":"ann"}}]}'
    assert decode_one(body) == Recorded(TaskCancel("r"))


def test_an_unreadable_entry_is_a_log_error() -> None:
    assert issubclass(UnreadableEntry, LogError)


def test_one_event_may_be_written_by_hand_without_an_envelope() -> None:
    entry = decode_entry(b'{"type":"task.submitted","task":"t1","id":"mine","data":{"text":"hello"}}', where=WHERE)
    assert (entry.v, entry.id, entry.seq) == (1, "mine", 0)
    recorded = decode_record(entry.events[0], where=WHERE)
    assert recorded == Recorded(TaskSubmitted(text="hello"), "t1")
    assert isinstance(recorded.event, TaskSubmitted)
    assert recorded.event.prompt == user("hello")


def test_an_event_by_hand_may_leave_out_its_data() -> None:
    assert decode_one(b'{"type":"task.cancel"}') == Recorded(TaskCancel())


def test_an_entry_without_an_id_takes_the_one_the_store_knows_it_by() -> None:
    assert decode_entry(b'{"type":"task.cancel"}', where=WHERE, fallback_id="header").id == "header"
    assert decode_entry(b'{"type":"task.cancel","id":"own"}', where=WHERE, fallback_id="header").id == "own"


@given(texts, st.integers(0, 10**9))
def test_a_reference_to_the_blob_store_reads_back_in_place_of_the_data(key: str, size: int) -> None:
    record = Record("tool.completed", task="t", blob=BlobRef(key, key, size))
    (back,) = decode_entry(encode_entry(Entry(v=1, id="e", events=(record,))), where=WHERE).events
    assert back.blob == record.blob
    assert bytes(back.data) == b"{}"


@given(any_event)
def test_defaults_are_left_out_on_the_wire(event: Event) -> None:
    data = msgspec.json.decode(to_record(Recorded(event)).data)
    defaults = {f.encode_name: f.default for f in msgspec.structs.fields(type(event)) if f.default is not msgspec.NODEFAULT}
    assert not [name for name, default in defaults.items() if name in data and data[name] is default]


@given(tokens, tokens)
def test_a_derived_id_is_the_same_for_the_same_names_and_another_for_others(a: str, b: str) -> None:
    assert derived_id(a, b) == derived_id(a, b)
    assert (derived_id(a, b) == derived_id(b, a)) == (a == b)
    assert derived_id(a + b) != derived_id(a, b)


def test_derived_ids_and_hashes_never_change_because_logs_hold_them() -> None:
    assert derived_id("task", "e1") == "4387b8fb-5d7c-535b-81ed-94e954eae650"
    assert sha256_hex(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_every_older_version_of_every_type_has_its_step_and_there_are_no_others() -> None:
    assert set(UPCASTERS) == {(cls.type, old) for cls in EVENT_TYPES for old in range(1, cls.tv)}


class _Renamed(ToolStarted, frozen=True, omit_defaults=True):
    """`tool.started` as it might be in two versions: `name` became `tool`, then `tool` became a list."""

    tv: ClassVar[int] = 3
    tools: tuple[str, ...] = ()


@pytest.fixture
def third_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """`tool.started` is at version 3, with upcasters from 1 and 2."""

    def to_2(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "tool": data["name"]}

    def to_3(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "tools": [data["tool"]]}

    monkeypatch.setitem(codec._TYPES, "tool.started", _Renamed)
    monkeypatch.setitem(codec._DECODERS, "tool.started", msgspec.json.Decoder(_Renamed))
    monkeypatch.setitem(UPCASTERS, ("tool.started", 1), to_2)
    monkeypatch.setitem(UPCASTERS, ("tool.started", 2), to_3)


def _started(tv: int, data: bytes) -> Event:
    recorded = decode_record(Record("tool.started", tv, data=msgspec.Raw(data)), where=WHERE)
    assert recorded is not None
    return recorded.event


@pytest.mark.usefixtures("third_version")
def test_an_old_version_is_raised_step_by_step_to_todays() -> None:
    old = b'{"call":"c","name":"search","recovery":"read_only"}'
    assert _started(1, old) == _Renamed("c", "search", "read_only", tools=("search",))


@pytest.mark.usefixtures("third_version")
def test_a_version_in_between_takes_only_the_steps_it_lacks() -> None:
    middle = b'{"call":"c","name":"x","recovery":"read_only","tool":"search"}'
    assert _started(2, middle) == _Renamed("c", "x", "read_only", tools=("search",))


@pytest.mark.usefixtures("third_version")
def test_todays_version_is_read_without_any_step() -> None:
    assert _started(3, b'{"call":"c","name":"x","recovery":"read_only","tools":["a","b"]}') == _Renamed(
        "c", "x", "read_only", tools=("a", "b")
    )


@pytest.mark.usefixtures("third_version")
def test_an_old_version_whose_data_does_not_fit_after_the_steps_is_refused() -> None:
    with pytest.raises(UnreadableEntry, match=r"'tool\.started' does not fit"):
        _started(1, b'{"call":5,"name":"search","recovery":"read_only"}')
