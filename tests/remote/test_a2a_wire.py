"""A2A's JSON: cards are read of both versions, messages written and read in each shape, streams taken apart at any byte."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from busagents.adapters.a2a_client import failures, sse
from busagents.adapters.a2a_client.card import Interface, card_urls, read_card
from busagents.adapters.a2a_client.credentials import credentials_of
from busagents.adapters.a2a_client.reading import read_update
from busagents.adapters.a2a_client.writing import Shape, write_send
from busagents.domain.messages import DataPart, FilePart, Message, TextPart
from busagents.ports.remote import (
    Outbound,
    RemoteArtifact,
    RemoteChunk,
    RemoteInvalid,
    RemoteReply,
    RemoteStatus,
    RemoteTask,
)

json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
parts = st.lists(
    st.builds(TextPart, st.text())
    | st.builds(DataPart, st.dictionaries(st.text(max_size=5), json, max_size=3))
    | st.builds(FilePart, st.just("image/png"), st.text(max_size=5), st.just("AAH/"))
    | st.builds(FilePart, st.just("image/png"), st.text(max_size=5), st.none(), st.just("https://x.example/f")),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("shape", ["1.0", "0.3", "0.3 rest"])
@given(parts=parts)
def test_a_message_that_is_written_reads_as_it_was(shape: Shape, parts: list[Any]) -> None:
    body = write_send(shape, Outbound("m", Message("user", tuple(parts)), "t", "c"), wait=True)
    message = msgspec.json.decode(msgspec.json.encode(body))["message"]
    read = read_update({**message} if shape == "0.3" else {"message": message})
    assert read == RemoteReply(Message("assistant", tuple(parts)), "c")


@given(value=json)
def test_whatever_a_remote_sends_is_read_or_refused(value: Any) -> None:
    for sent in (
        value,
        {"task": value},
        {"statusUpdate": value},
        {"artifactUpdate": value},
        {"message": value},
        {"kind": "task", "id": value},
    ):
        try:
            read_update(sent)
        except RemoteInvalid:
            continue


def test_the_two_versions_of_an_update_read_the_same() -> None:
    said = {"messageId": "m", "parts": [{"text": "hm"}]}
    status = {"state": "TASK_STATE_INPUT_REQUIRED", "message": said, "timestamp": "2026-01-01T00:00:00Z"}
    old = {
        "state": "input-required",
        "message": {**said, "parts": [{"kind": "text", "text": "hm"}]},
        "timestamp": "2026-01-01T00:00:00Z",
    }
    expected = RemoteStatus("t", "c", "input-required", Message("assistant", (TextPart("hm"),)), "2026-01-01T00:00:00Z m")
    assert read_update({"statusUpdate": {"taskId": "t", "contextId": "c", "status": status}}) == expected
    assert read_update({"status_update": {"task_id": "t", "context_id": "c", "status": status}}) == expected
    assert read_update({"kind": "status-update", "taskId": "t", "contextId": "c", "status": old, "final": True}) == expected
    artifact = {"artifactId": "a", "parts": [{"text": "x"}], "unknown": 1}
    chunk = RemoteChunk("t", "c", RemoteArtifact("a", (TextPart("x"),)), True)
    assert read_update({"artifactUpdate": {"taskId": "t", "contextId": "c", "artifact": artifact, "append": True}}) == chunk


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("TASK_STATE_CANCELLED", "canceled"),
        ("canceled", "canceled"),
        (3, "completed"),
        ("TASK_STATE_UNSPECIFIED", "unknown"),
        ("new", "unknown"),
    ],
)
def test_a_state_is_read_by_any_of_its_names(word: Any, state: str) -> None:
    task = read_update({"task": {"id": "t", "contextId": "c", "status": {"state": word}}})
    assert isinstance(task, RemoteTask)
    assert task.state == state


NEW = {"url": "https://x.example/a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ({"supportedInterfaces": [NEW]}, Interface("https://x.example/a", "JSONRPC", "1.0")),
        (
            {"supportedInterfaces": [{**NEW, "protocolBinding": "GRPC"}, {**NEW, "protocolBinding": "HTTP+JSON", "tenant": "t"}]},
            Interface("https://x.example/a", "HTTP+JSON", "1.0", "t"),
        ),
        ({"supportedInterfaces": [{**NEW, "protocolVersion": "0.3"}, NEW]}, Interface("https://x.example/a", "JSONRPC", "1.0")),
        ({"supportedInterfaces": [{**NEW, "protocolVersion": "0.3"}]}, Interface("https://x.example/a", "JSONRPC", "0.3")),
        ({"url": "https://x.example/", "protocolVersion": "0.3.0"}, Interface("https://x.example/", "JSONRPC", "0.3")),
        ({"url": "/rpc"}, Interface("https://x.example/rpc", "JSONRPC", "0.3")),
        (
            {
                "url": "https://x.example/g", "preferredTransport": "GRPC", "protocolVersion": "0.3.0",
                "additionalInterfaces": [{"url": "https://x.example/r", "transport": "HTTP+JSON"}],
            },
            Interface("https://x.example/r", "HTTP+JSON", "0.3"),
        ),
    ],
)  # fmt: skip
def test_the_way_to_speak_is_chosen_from_the_card(card: dict[str, Any], expected: Interface) -> None:
    assert read_card({"name": "x", **card}, "https://x.example/.well-known/agent-card.json").interface == expected


@pytest.mark.parametrize(
    "card", [None, [], {}, {"name": 1}, {"name": "x"}, {"name": "x", "supportedInterfaces": [{**NEW, "protocolVersion": "2.0"}]}]
)
def test_a_card_that_offers_nothing_spoken_here_is_refused(card: Any) -> None:
    with pytest.raises(RemoteInvalid):
        read_card(card, "https://x.example/card.json")


def test_the_card_is_looked_for_at_the_well_known_places_unless_its_own_url_is_given() -> None:
    assert card_urls("https://x.example/a/card.json") == ["https://x.example/a/card.json"]
    assert card_urls("https://x.example/a/") == [
        "https://x.example/a/.well-known/agent-card.json",
        "https://x.example/a/.well-known/agent.json",
    ]


async def cut(data: bytes, sizes: list[int]) -> AsyncIterator[bytes]:
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


@given(
    events=st.lists(
        st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), min_size=1, max_size=3), max_size=4
    ),
    end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    sizes=st.lists(st.integers(0, 7), max_size=40),
)
async def test_a_stream_is_the_same_events_wherever_it_is_cut(events: list[list[str]], end: bytes, sizes: list[int]) -> None:
    lines = [b": a comment", b"id: 7"]
    for event in events:
        lines += [*(b"data: " + line.encode() for line in event), b""]
    data = end.join([*lines, b""])
    found = [event async for event in sse.events(cut(data, sizes), max_size=10_000)]
    assert found == ["\n".join(event).encode() for event in events]


async def test_an_event_that_is_too_large_is_refused() -> None:
    for data in (b"data: " + b"x" * 200 + b"\n\n", b"data: xxxxxxxxxx\n" * 20):
        with pytest.raises(RemoteInvalid):
            _ = [event async for event in sse.events(cut(data, [5] * 20), max_size=100)]


def test_credentials_are_read_by_name_and_never_shown() -> None:
    found = credentials_of("my-agent", {"BUSAGENTS_A2A_MY_AGENT_TOKEN": "s3cret", "BUSAGENTS_A2A_OTHER_TOKEN": "x"})
    assert found.headers("X-API-Key") == {"Authorization": "Bearer s3cret"}
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    ("status", "body", "task", "name"),
    [
        (401, None, False, "RemoteUnauthorized"), (429, None, False, "RemoteUnreachable"), (503, None, True, "RemoteUnreachable"),
        (500, None, False, "RemoteLost"), (502, {}, False, "RemoteLost"), (404, None, True, "RemoteTaskUnknown"),
        (404, None, False, "RemoteUnsupported"), (409, None, True, "RemoteNotCancelable"), (400, {"error": {"message": "no"}}, False, "RemoteRefused"),
        (400, {"error": {"details": [{"reason": "TASK_NOT_CANCELABLE"}]}}, True, "RemoteNotCancelable"),
        (400, {"error": {"details": [{"reason": "UNSUPPORTED_OPERATION"}]}}, True, "RemoteUnsupported"),
        (400, {"jsonrpc": "2.0", "error": {"code": -32001, "message": "gone"}}, False, "RemoteTaskUnknown"),
    ],
)  # fmt: skip
def test_what_an_http_status_means(status: int, body: Any, task: bool, name: str) -> None:
    assert type(failures.of_status(status, body, "x.example", task=task)).__name__ == name
