"""The objects of 1.0 as JSON: the SDK's protobuf reads what we write, and we read what it writes."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

import msgspec
import pytest
from a2a.types import a2a_pb2 as pb
from google.protobuf.json_format import MessageToJson, Parse
from hypothesis import given
from hypothesis import strategies as st

from busagents.gateway.errors import A2AError, InvalidParams
from busagents.gateway.json_fields import Fields
from busagents.gateway.types import (
    Artifact,
    ArtifactUpdate,
    Message,
    Part,
    PushConfig,
    Status,
    StatusUpdate,
    Task,
    TaskPage,
    Update,
)
from busagents.gateway.wire_v1 import error_details, message_json, page_json, push_json, stream_response, task_json
from busagents.gateway.wire_v1_read import STATES, read_message, read_push

words = st.text(st.characters(codec="utf-8"), max_size=8)
names = words.filter(bool)
plain = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
metadata = st.none() | st.dictionaries(words, plain, min_size=1, max_size=2)
base64_texts = st.binary(max_size=9).map(lambda raw: base64.b64encode(raw).decode())
about = {"media_type": words, "filename": words, "metadata": metadata}
parts = (
    st.builds(Part, text=words, **about)
    | st.builds(Part, raw=base64_texts, **about)
    | st.builds(Part, url=words, **about)
    | st.builds(Part, data=plain, has_data=st.just(True), **about)
)
part_lists = st.lists(parts, min_size=1, max_size=3).map(tuple)
some_names = st.lists(words, max_size=2).map(tuple)
messages = st.builds(
    Message, names, st.sampled_from(["user", "agent"]), part_lists, words, words, some_names, some_names, metadata
)
times = st.datetimes(min_value=datetime(1970, 1, 1)).map(lambda at: at.isoformat(timespec="milliseconds") + "Z")
statuses = st.builds(Status, st.sampled_from(list(STATES)), st.none() | messages, st.just("") | times)
artifacts = st.builds(Artifact, names, part_lists, words, words, some_names, metadata)
tasks = st.builds(
    Task,
    names,
    names,
    statuses,
    st.none() | st.lists(artifacts, max_size=2).map(tuple),
    st.none() | st.lists(messages, max_size=2).map(tuple),
    metadata,
)
updates: st.SearchStrategy[Update] = (
    tasks
    | messages
    | st.builds(StatusUpdate, names, names, statuses, st.booleans(), metadata)
    | st.builds(ArtifactUpdate, names, names, artifacts, st.booleans(), st.booleans(), metadata)
)


def as_protobuf(value: Any, kind: Any) -> Any:
    """Read as strictly as protobuf does: no unknown fields."""
    return Parse(msgspec.json.encode(value), kind())


@given(messages)
def test_a_message_comes_back_as_it_went(message: Message) -> None:
    assert read_message(Fields(msgspec.json.decode(msgspec.json.encode(message_json(message))))) == message


@given(messages)
def test_a_message_comes_back_through_protobuf_in_both_spellings(message: Message) -> None:
    sent = as_protobuf(message_json(message), pb.Message)
    for kept in (False, True):
        text = MessageToJson(sent, preserving_proto_field_name=kept)
        assert read_message(Fields(json.loads(text))) == message


@given(updates)
def test_protobuf_reads_every_item_of_a_stream(update: Update) -> None:
    read = as_protobuf(stream_response(update), pb.StreamResponse)
    kinds = {Task: "task", Message: "message", StatusUpdate: "status_update", ArtifactUpdate: "artifact_update"}
    assert read.WhichOneof("payload") == kinds[type(update)]
    if isinstance(update, ArtifactUpdate):
        assert (read.artifact_update.append, read.artifact_update.last_chunk) == (update.append, update.last_chunk)


@given(st.lists(tasks, max_size=2).map(tuple), words)
def test_protobuf_reads_a_page(found: tuple[Task, ...], token: str) -> None:
    read = as_protobuf(page_json(TaskPage(found, token, 50, 7)), pb.ListTasksResponse)
    assert (len(read.tasks), read.next_page_token, read.page_size, read.total_size) == (len(found), token, 50, 7)


def test_the_numbers_of_the_states_are_protobufs() -> None:
    assert [pb.TaskState.Value(name) for name in STATES.values()] == list(range(1, 9))


def test_a_push_configuration_is_read_whole_and_shown_without_secrets() -> None:
    shown = {
        "id": "p",
        "taskId": "t",
        "url": "https://h",
        "token": "T",
        "authentication": {"scheme": "Bearer", "credentials": "C"},
    }
    config = read_push(Fields(shown))
    assert config == PushConfig("https://h", "p", "t", "T", "Bearer", "C")
    assert push_json(config) == {"id": "p", "taskId": "t", "url": "https://h", "authentication": {"scheme": "Bearer"}}


def test_what_is_none_is_left_out_and_what_is_empty_is_not() -> None:
    task = Task("t", "c", Status("working"))
    assert task_json(task) == {"id": "t", "contextId": "c", "status": {"state": "TASK_STATE_WORKING"}}
    assert task_json(msgspec.structs.replace(task, artifacts=(), history=()))["artifacts"] == []


def test_every_error_has_a_reason_and_wrong_fields_are_named() -> None:
    for kind in A2AError.__subclasses__():
        if kind.__module__ == "busagents.gateway.errors" and kind is not InvalidParams:
            assert error_details(kind("x"))[0]["reason"] == kind.reason
    info, request = error_details(InvalidParams("x", (("a.b", "is wrong"),)))
    assert info["reason"] == "INVALID_PARAMS"
    assert request["fieldViolations"] == [{"field": "a.b", "description": "is wrong"}]


@pytest.mark.parametrize("depth", [100, 101])
def test_metadata_may_be_a_hundred_levels_deep(depth: int) -> None:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    if depth == 100:
        assert Fields({"metadata": value}).object("metadata") == value
    else:
        with pytest.raises(InvalidParams, match="deeper than 100"):
            Fields({"metadata": value}).object("metadata")
