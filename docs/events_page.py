"""docs/events.md: every event type, the envelope around them, and the types they share."""

from __future__ import annotations

import msgspec
from struct_table import docstring, fields_table, first_sentence

from busagents.domain import messages as m
from busagents.domain.codec import VERSION, Consumed, Entry, Record, encode_entry, sha256_hex, to_record
from busagents.domain.events import EVENT_TYPES, Event, Handoff, Member, ModelCompleted, Recorded, TaskSubmitted, ToolStarted
from busagents.domain.fold import _RULES as FOLD_RULES
from busagents.domain.limits import Limits
from busagents.domain.subjects import ThreadRef

BY_HAND = '{"type": "task.submitted", "id": "order-17", "data": {"text": "Where is my parcel?"}}'
SHARED = (
    m.Message, m.TextPart, m.DataPart, m.FilePart, m.ReasoningPart, m.ToolCallPart, m.ToolResultPart,
    m.Usage, m.Artifact, m.BlobRef, Limits, ThreadRef, Member, Handoff,
)  # fmt: skip

INTRO = """\
# Events

<!-- written by docs/generate.py from the code; change the docstrings there -->

One JetStream stream holds everything that happened, as **entries**. An entry is one message: a JSON envelope with one or
more events that one decision made together. This page lists the envelope, every event type and the types they share.
[subjects.md](subjects.md) says where entries go and how to read and write them with the `nats` tool.

A reader decodes in two stages: first the envelope, always; then each event by its `type` and `tv`. Names and meanings of
released fields never change. A new field has a default, so older entries read on; a change that needs more raises `tv`,
and a pure function brings old data up to it. Unknown fields are skipped. An unknown `type`, or a `tv` above the one known,
refuses that thread (other threads go on) unless the event says `"ignorable": true`, and then it is skipped.

A field that has its default is left out on the wire.
"""


def events_page() -> str:
    """The whole page."""
    parts = [INTRO, _envelope(), _index()]
    parts += [_event(cls) for cls in EVENT_TYPES]
    parts.append("## Shared types\n")
    parts += [f"### {cls.__name__}\n\n{docstring(cls)}\n\n{fields_table(cls)}\n" for cls in SHARED]
    return "\n".join(parts)


def _envelope() -> str:
    blocks = ["## The envelope\n"]
    for title, cls in (("Entry", Entry), ("An event in `events`", Record), ("An item of `consumed`", Consumed)):
        blocks.append(f"### {title}\n\n{docstring(cls)}\n\n{fields_table(cls)}\n")
    blocks.append(
        f"### An example\n\nA message to a participant, as its client sends it:\n\n```json\n{_pretty(_submitted())}\n```\n"
    )
    blocks.append(
        "And the entry of the participant that took it on, once the model asked for a tool. `prev` is the sha256 of the entry\n"
        f"before it, byte for byte as stored; `consumed` works the same way for messages.\n\n```json\n{_pretty(_turn())}\n```\n"
    )
    blocks.append(f"A message may also be one flat event without an envelope, written by hand:\n\n```json\n{BY_HAND}\n```\n")
    blocks.append(
        "Its `id` makes sending it again harmless: an id that a thread has consumed is not consumed twice. Without one, the\n"
        "header `Nats-Msg-Id` counts, and without that its place in the log: the same text sent twice is then two messages.\n"
        "A task that names none of its own (`task`) gets one derived from the entry's id.\n"
    )
    return "\n".join(blocks)


def _submitted() -> bytes:
    recorded = Recorded(TaskSubmitted(text="Where is my parcel?"), "5f0c-task")
    return encode_entry(Entry(VERSION, "order-17", time="2026-01-31T09:00:00.000Z", events=(to_record(recorded),)))


def _turn() -> bytes:
    task = "5f0c-task"
    call = m.ToolCallPart("c0", "track", '{"order": 17}')
    completed = ModelCompleted(m.assistant("Let me look.", [call]), m.Usage(112, 19), "tool_calls", elapsed_ms=840)
    entry = Entry(
        VERSION,
        "01900b2e-0000-7000-8000-000000000002",
        seq=2,
        prev=sha256_hex(b"the first entry as stored"),
        time="2026-01-31T09:00:01.120Z",
        events=(
            to_record(Recorded(completed, task, 1, 1)),
            to_record(Recorded(ToolStarted("c0", "track", "read_only"), task, 1, 1)),
        ),
    )
    return encode_entry(entry)


def _pretty(body: bytes) -> str:
    return msgspec.json.format(body, indent=2).decode()


def _index() -> str:
    rows = ["## All types\n", "| type | tv | subject ends in | what it says |", "|---|---|---|---|"]
    for cls in EVENT_TYPES:
        mark = "" if cls in FOLD_RULES else " *"
        rows.append(f"| [`{cls.type}`](#{cls.type.replace('.', '')}){mark} | {cls.tv} | `{cls.kind}` | {first_sentence(cls)} |")
    rows.append("\n\\* The name and its fields are settled; no participant writes it yet.\n")
    return "\n".join(rows)


def _event(cls: type[Event]) -> str:
    return f"## {cls.type}\n\nVersion {cls.tv}, subject ends in `{cls.kind}`.\n\n{docstring(cls)}\n\n{fields_table(cls)}\n"
