"""The event types as a promise: their names, versions and subjects never change, and each says what it means."""

from __future__ import annotations

import msgspec
import pytest
from event_strategies import events_of
from hypothesis import given, settings
from hypothesis import strategies as st

from busagents.domain.codec import decode_record, to_record
from busagents.domain.events import EVENT_TYPES, TERMINAL, Event, Recorded, TaskSubmitted
from busagents.domain.messages import Message, TextPart, user

# The wire tags of every released event: (version, last token of the subject). A line is added, never changed.
WIRE = {
    "task.submitted": (1, "in"),
    "task.input": (1, "in"),
    "task.cancel": (1, "stop"),
    "task.outcome": (1, "in"),
    "task.question": (1, "in"),
    "task.question_closed": (1, "in"),
    "timer.fired": (1, "in"),
    "task.started": (1, "ev"),
    "model.requested": (1, "ev"),
    "model.completed": (1, "ev"),
    "model.failed": (1, "ev"),
    "tool.started": (1, "ev"),
    "tool.completed": (1, "ev"),
    "tool.failed": (1, "ev"),
    "tool.unknown": (1, "ev"),
    "tool.suspended": (1, "ev"),
    "approval.decided": (1, "ev"),
    "hook.decided": (1, "ev"),
    "task.delegated": (1, "ev"),
    "task.undeliverable": (1, "ev"),
    "input.required": (1, "ev"),
    "input.answered": (1, "ev"),
    "input.refused": (1, "ev"),
    "handoff.made": (1, "ev"),
    "edges.chosen": (1, "ev"),
    "node.started": (1, "ev"),
    "node.completed": (1, "ev"),
    "inputs.chosen": (1, "ev"),
    "outputs.reduced": (1, "ev"),
    "context.compacted": (1, "ev"),
    "state.set": (1, "ev"),
    "task.completed": (1, "ev"),
    "task.failed": (1, "ev"),
    "task.canceled": (1, "ev"),
    "thread.forked": (1, "ev"),
    "thread.archived": (1, "ev"),
    "thread.erased": (1, "ev"),
}
each_type = pytest.mark.parametrize("cls", EVENT_TYPES, ids=lambda cls: cls.type)


def test_the_wire_tags_are_the_released_ones() -> None:
    assert {cls.type: (cls.tv, cls.kind) for cls in EVENT_TYPES} == WIRE


def test_every_event_class_is_in_the_table() -> None:
    assert {cls for cls in Event.__subclasses__() if cls.__module__.startswith("busagents.")} == set(EVENT_TYPES)


def test_three_events_end_a_task() -> None:
    assert {cls.type for cls in TERMINAL} == {"task.completed", "task.failed", "task.canceled"}


@each_type
def test_an_event_says_when_it_is_written(cls: type[Event]) -> None:
    assert len(vars(cls).get("__doc__") or "") > 20  # its own, not the one of the base class


@each_type
def test_an_event_cannot_be_changed(cls: type[Event]) -> None:
    assert cls.__struct_config__.frozen
    assert cls.__struct_config__.omit_defaults


@each_type
@settings(max_examples=25)
@given(st.data())
def test_each_event_type_reads_back_as_it_was_written(cls: type[Event], data: st.DataObject) -> None:
    recorded = Recorded(data.draw(events_of(cls)), "t", 2, 3)
    record = to_record(recorded)
    assert (record.type, record.tv) == (cls.type, cls.tv)
    assert decode_record(record, where="here") == recorded


@each_type
def test_fields_have_the_same_names_on_the_wire_as_in_python(cls: type[Event]) -> None:
    assert cls.__struct_encode_fields__ == cls.__struct_fields__


def test_a_submitted_tasks_message_counts_before_its_shorthand_text() -> None:
    message = Message("user", (TextPart("long"),))
    assert TaskSubmitted(message=message, text="short").prompt == message
    assert TaskSubmitted(text="short").prompt == user("short")


def test_an_event_without_a_required_field_does_not_decode() -> None:
    with pytest.raises(msgspec.ValidationError, match="request"):
        msgspec.convert({"message": {"role": "user", "parts": []}}, next(c for c in EVENT_TYPES if c.type == "task.input"))
