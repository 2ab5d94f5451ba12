"""From chunks to a turn: wire files replayed in one piece and cut at any byte."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import AsyncOpenAI

from busagents.adapters.openai_chat.call import _plain
from busagents.adapters.openai_chat.chunks import TurnAccumulator
from busagents.domain.messages import ReasoningPart
from busagents.errors import ModelTransient
from busagents.ports.model import Chunk, ReasoningDelta, TextDelta, TurnCompleted

WIRE = Path(__file__).parent.parent / "wire" / "openai"
WHOLE = sorted(path.stem for path in WIRE.glob("*.sse") if path.stem != "truncated")


class Pieces(httpx2.AsyncByteStream):
    """A response body that arrives in the pieces given."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


async def replay(case: str, cuts: list[int] | None = None) -> list[Chunk]:
    """The chunks of a wire file through the SDK's own decoder, cut at the given places."""
    raw = (WIRE / f"{case}.sse").read_bytes()
    places = sorted({0, len(raw), *(cut % len(raw) for cut in cuts or [])})
    pieces = [raw[start:end] for start, end in itertools.pairwise(places)]

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Pieces(pieces))

    transport = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    accumulator = TurnAccumulator()
    chunks: list[Chunk] = []
    async with AsyncOpenAI(api_key="none", base_url="http://127.0.0.1/v1", http_client=transport, max_retries=0) as client:
        async for event in await client.chat.completions.create(model="m", messages=[], stream=True):
            chunks.extend(accumulator.feed(_plain(event)))
    return [*chunks, accumulator.finish(input_tokens=3)]


def turn_of(case: str) -> TurnCompleted:
    last = asyncio.run(replay(case))[-1]
    assert isinstance(last, TurnCompleted)
    return last


@pytest.fixture(scope="module")
def in_one_piece() -> dict[str, list[Chunk]]:
    return {case: asyncio.run(replay(case)) for case in WHOLE}


@settings(max_examples=60, deadline=None)
@given(case=st.sampled_from(WHOLE), cuts=st.lists(st.integers(0, 10_000), max_size=30))
def test_where_the_bytes_are_cut_changes_nothing(in_one_piece: dict[str, list[Chunk]], case: str, cuts: list[int]) -> None:
    assert asyncio.run(replay(case, cuts)) == in_one_piece[case]


def test_every_byte_by_itself_changes_nothing(in_one_piece: dict[str, list[Chunk]]) -> None:
    assert asyncio.run(replay("text", list(range(10_000)))) == in_one_piece["text"]


def test_text_and_usage_are_read() -> None:
    turn = turn_of("text")
    assert turn.message.text == "Grüße, world 🌍."
    assert (turn.usage.input_tokens, turn.usage.output_tokens, turn.usage.cached_tokens) == (12, 5, 4)
    assert not turn.usage.estimated
    assert turn.response_id == "chatcmpl-1"


def test_interleaved_calls_are_told_apart_by_index() -> None:
    calls = turn_of("two_tools").message.tool_calls
    assert [(call.call, call.name, call.arguments) for call in calls] == [
        ("call_a", "add", '{"a":1,"b":2}'),
        ("call_b", "search", '{"query":"sun"}'),
    ]


def test_calls_without_index_are_told_apart_by_id_and_unknown_fields_are_kept() -> None:
    turn = turn_of("no_index_whole_calls")
    assert [call.arguments for call in turn.message.tool_calls] == ['{"a":1,"b":2}', '{"a":3,"b":4}']
    assert turn.stop_reason == "tool_calls"
    assert turn.message.tool_calls[0].extra == {"openai": {"extra_content": {"google": {"thought_signature": "c2ln"}}}}


def test_a_repeated_name_is_taken_once_and_missing_usage_is_estimated() -> None:
    turn = turn_of("repeated_names")
    assert [(call.name, call.arguments) for call in turn.message.tool_calls] == [("add", '{"a": 1}')]
    assert turn.usage.estimated
    assert turn.usage.input_tokens == 3


def test_reasoning_is_kept_apart_and_the_last_usage_counts() -> None:
    chunks = asyncio.run(replay("reasoning"))
    assert chunks[:3] == [ReasoningDelta("Twelve times "), ReasoningDelta("seven."), TextDelta("84")]
    turn = chunks[-1]
    assert isinstance(turn, TurnCompleted)
    assert turn.message.parts[0] == ReasoningPart("Twelve times seven.")
    assert turn.message.text == "84"
    assert (turn.usage.output_tokens, turn.usage.reasoning_tokens) == (6, 4)


def test_a_cut_stream_is_a_failure_not_a_short_answer() -> None:
    with pytest.raises(ModelTransient) as caught:
        asyncio.run(replay("truncated"))
    assert caught.value.code == "truncated"


def test_at_the_output_limit_only_whole_calls_are_kept() -> None:
    turn = turn_of("length")
    assert turn.stop_reason == "length"
    assert [call.call for call in turn.message.tool_calls] == ["a"]


def test_ids_given_twice_or_not_at_all_are_made_unique() -> None:
    calls = turn_of("same_ids").message.tool_calls
    assert [call.name for call in calls] == ["one", "two", "three"]
    assert len({call.call for call in calls}) == 3
    assert all(call.call for call in calls)
    assert calls[0].call == "dup"


def test_a_refusal_is_the_answer_and_the_stop_reason_says_so() -> None:
    turn = turn_of("refusal")
    assert turn.stop_reason == "refused"
    assert turn.message.text == "I cannot help with that."


def test_every_wire_file_says_where_it_comes_from() -> None:
    for path in WIRE.glob("*.sse"):
        assert "not recorded" in path.read_text(encoding="utf-8").splitlines()[0], path.name


@given(
    ids=st.lists(st.sampled_from(["", "a", "b", "call_0", "call_1", "call_2"]), min_size=1, max_size=8),
)
def test_call_ids_are_always_unique_and_never_empty(ids: list[str]) -> None:
    accumulator = TurnAccumulator()
    for index, call_id in enumerate(ids):
        piece = {"index": index, "id": call_id, "function": {"name": "f", "arguments": "{}"}}
        accumulator.feed({"choices": [{"delta": {"tool_calls": [piece]}}]})
    accumulator.feed({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})
    calls = [call.call for call in accumulator.finish().message.tool_calls]
    assert len(set(calls)) == len(ids)
    assert all(calls)


def test_a_sign_cut_in_two_chunks_is_whole_in_the_turn() -> None:
    accumulator = TurnAccumulator()
    for half in ("a \ud83d", "\ude00 and half: \ud83d"):
        deltas = accumulator.feed({"choices": [{"delta": {"content": half}}]})
        assert [delta.text.encode() for delta in deltas if isinstance(delta, TextDelta)], "each piece can be sent"
    accumulator.feed({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    assert accumulator.finish().message.text == "a \N{GRINNING FACE} and half: \N{REPLACEMENT CHARACTER}"
