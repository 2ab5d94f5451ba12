"""The OpenAI adapter over real sockets, against a server that fails in every way we know of."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from busagents.adapters.openai_chat import OpenAIChatModel
from busagents.domain.messages import Usage, user
from busagents.errors import ContextTooLong, ModelError, ModelRefused, ModelTransient
from busagents.ports.model import Chunk, ModelRequest, TextDelta, ToolSpec, TurnCompleted
from busagents.testing import FakeModelServer, Fault, Wire, call_tools, say
from busagents.testing.scripted_model import Say

KEY = "sk-test-1234567890abcdef"
ADD = ToolSpec("add", "Add two numbers.", {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}})


def a_model(server: FakeModelServer, *, timeout: float = 30.0) -> OpenAIChatModel:
    return OpenAIChatModel("fake", api_key=KEY, base_url=server.base_url, timeout=timeout)


def a_request(text: str = "hello") -> ModelRequest:
    return ModelRequest("openai:fake", "Be brief.", [user(text)], (ADD,))


async def chunks_of(model: OpenAIChatModel, request: ModelRequest | None = None) -> list[Chunk]:
    return [chunk async for chunk in model.stream(request or a_request())]


async def turn_of(model: OpenAIChatModel, request: ModelRequest | None = None) -> TurnCompleted:
    last = (await chunks_of(model, request))[-1]
    assert isinstance(last, TurnCompleted)
    return last


async def failure_of(fault: Fault, *, timeout: float = 30.0) -> ModelError:
    async with FakeModelServer([say("a long enough answer to be cut in two")], faults=[fault]) as server:
        with pytest.raises(ModelError) as caught:
            await chunks_of(a_model(server, timeout=timeout))
        assert len(server.requests) == 1, "retries are the runtime's, not the adapter's"
    return caught.value


async def test_text_arrives_in_pieces_and_the_turn_holds_all_of_it() -> None:
    async with FakeModelServer([say("The answer is 42, as ever.", usage=Usage(12, 7, 3, 2))]) as server:
        chunks = await chunks_of(a_model(server))
    pieces = [chunk.text for chunk in chunks if isinstance(chunk, TextDelta)]
    turn = chunks[-1]
    assert len(pieces) > 1
    assert isinstance(turn, TurnCompleted)
    assert "".join(pieces) == turn.message.text == "The answer is 42, as ever."
    assert turn.usage == Usage(12, 7, 3, 2)
    assert turn.stop_reason == "stop"


async def test_the_request_carries_key_system_prompt_tools_and_the_wish_for_usage() -> None:
    async with FakeModelServer([say("ok")], key=KEY) as server:
        await turn_of(a_model(server))
        received = server.requests[0]
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]
    assert received.body["tools"][0]["function"]["name"] == "add"
    assert received.body["stream_options"] == {"include_usage": True}


async def test_settings_the_sdk_does_not_know_reach_the_server() -> None:
    request = ModelRequest("openai:fake", "", [user("hi")], settings={"top_k": 5, "max_tokens": 100})
    async with FakeModelServer([say("ok")]) as server:
        await turn_of(a_model(server), request)
        body = server.requests[0].body
    assert body["top_k"] == 5
    assert body["max_completion_tokens"] == 100


@pytest.mark.parametrize(
    "wire",
    [
        Wire(),
        Wire(chunk_bytes=1),
        Wire(index=False),
        Wire(repeat_names=True),
        Wire(whole_calls=True, index=False),
        Wire(comments=True, done=False),
        Wire(finish_stop_with_calls=True),
        Wire(ids=False),
    ],
    ids=["plain", "one byte at a time", "no index", "repeated names", "whole calls", "comments, no DONE", "stop", "no ids"],
)
async def test_tool_calls_are_read_from_every_shape_of_stream(wire: Wire) -> None:
    script = [call_tools(("add", {"a": 1, "b": 20}), ("add", {"a": 3, "b": 40}), text="Adding.")]
    async with FakeModelServer(script, wire=wire) as server:
        turn = await turn_of(a_model(server))
    assert turn.message.text == "Adding."
    assert [(call.name, call.arguments) for call in turn.message.tool_calls] == [
        ("add", '{"a":1,"b":20}'),
        ("add", '{"a":3,"b":40}'),
    ]
    assert len({call.call for call in turn.message.tool_calls}) == 2
    assert turn.stop_reason == "tool_calls"


async def test_usage_is_estimated_and_marked_so_when_the_server_reports_none() -> None:
    async with FakeModelServer([say("four words of text")], wire=Wire(usage=False)) as server:
        turn = await turn_of(a_model(server))
    assert turn.usage.estimated
    assert turn.usage.input_tokens > 0
    assert turn.usage.output_tokens == len("four words of text") // 4


async def test_an_answer_at_the_output_limit_says_so_and_drops_the_tool_call_that_was_cut() -> None:
    cut = Say("I will", (("add", '{"a": 1'),), stop_reason="length")
    async with FakeModelServer([cut]) as server:
        turn = await turn_of(a_model(server))
    assert turn.stop_reason == "length"
    assert turn.message.tool_calls == ()
    assert turn.message.text == "I will"


async def test_a_content_filter_is_an_outcome_not_an_error() -> None:
    async with FakeModelServer([say("I", stop_reason="refused")]) as server:
        turn = await turn_of(a_model(server))
    assert turn.stop_reason == "refused"


async def test_an_empty_answer_is_worth_another_attempt() -> None:
    async with FakeModelServer([say("")]) as server:
        with pytest.raises(ModelTransient) as caught:
            await chunks_of(a_model(server))
    assert caught.value.code == "empty_answer"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("status", status=408), "timeout"),
        (Fault("status", status=409), "conflict"),
        (Fault("status", status=429), "rate_limited"),
        (Fault("status", status=500), "server_error"),
        (Fault("status", status=503), "server_error"),
        (Fault("status", status=529), "overloaded"),
        (Fault("error_in_stream", code="overloaded_error"), "overloaded"),
        (Fault("error_in_stream", code="server_error"), "provider_error"),
        (Fault("cut"), "connection"),
        (Fault("cut", after=0), "connection"),
        (Fault("truncated"), "truncated"),
        (Fault("truncated", after=0), "truncated"),
        (Fault("malformed"), "malformed"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.kind}-{value.status}-{value.code}-{value.after}",
)
async def test_what_may_go_better_next_time_is_transient(fault: Fault, code: str) -> None:
    error = await failure_of(fault)
    assert isinstance(error, ModelTransient)
    assert error.code == code


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (Fault("status", status=400, code="invalid_value"), ModelRefused, "invalid_value"),
        (Fault("status", status=401), ModelRefused, "bad_key"),
        (Fault("status", status=403), ModelRefused, "bad_key"),
        (Fault("status", status=404), ModelRefused, "not_found"),
        (Fault("status", status=422), ModelRefused, "bad_request"),
        (Fault("status", status=429, code="insufficient_quota"), ModelRefused, "insufficient_quota"),
        (Fault("status", status=400, code="context_length_exceeded"), ContextTooLong, "context_too_long"),
        (Fault("status", status=413), ContextTooLong, "context_too_long"),
        (Fault("error_in_stream", code="invalid_request_error"), ModelRefused, "bad_request"),
        (Fault("error_in_stream", code="context_length_exceeded"), ContextTooLong, "context_too_long"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_would_fail_again_is_not_transient(fault: Fault, kind: type[ModelError], code: str) -> None:
    error = await failure_of(fault)
    assert type(error) is kind
    assert error.code == code


async def test_a_server_that_hangs_fails_after_the_timeout() -> None:
    error = await failure_of(Fault("hang", after=0), timeout=0.2)
    assert isinstance(error, ModelTransient)
    assert error.code == "timeout"


async def test_a_stream_that_stops_moving_fails_after_the_timeout() -> None:
    error = await failure_of(Fault("hang"), timeout=0.2)
    assert isinstance(error, ModelTransient)
    assert error.code == "timeout"


async def test_retry_after_is_read_in_seconds() -> None:
    error = await failure_of(Fault("status", status=429, retry_after="7"))
    assert isinstance(error, ModelTransient)
    assert error.retry_after == 7


async def test_retry_after_is_read_as_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=3600), usegmt=True)
    error = await failure_of(Fault("status", status=503, retry_after=date))
    assert isinstance(error, ModelTransient)
    assert error.retry_after is not None
    assert 3000 < error.retry_after <= 3600


async def test_a_cut_after_the_finish_reason_loses_only_the_usage() -> None:
    async with FakeModelServer([say("all of it")], wire=Wire(text_chars=100), faults=[Fault("cut", after=3)]) as server:
        turn = await turn_of(a_model(server))
    assert turn.message.text == "all of it"
    assert turn.usage.estimated


async def test_a_refused_key_is_named_by_its_variable_and_never_shown() -> None:
    async with FakeModelServer([say("ok")], key="another") as server:
        with pytest.raises(ModelRefused) as caught:
            await chunks_of(a_model(server))
    assert "OPENAI_API_KEY" in str(caught.value)
    assert KEY not in str(caught.value)


async def test_a_key_that_a_server_repeats_is_taken_out_of_the_error() -> None:
    error = await failure_of(Fault("status", status=400, message=f"bad header Bearer {KEY}, try sk-abc***xyz9"))
    assert KEY not in str(error)
    assert "sk-" not in str(error)


async def test_nobody_listening_is_transient_and_says_what_to_check() -> None:
    async with FakeModelServer([say("ok")]) as server:
        address = server.base_url
    with pytest.raises(ModelTransient) as caught:
        await chunks_of(OpenAIChatModel("fake", api_key=KEY, base_url=address))
    assert caught.value.code == "connection"
    assert "base URL" in str(caught.value)


async def test_canceling_the_reader_closes_the_connection() -> None:
    async with FakeModelServer([say("never whole")], faults=[Fault("hang")]) as server:
        reading = asyncio.create_task(chunks_of(a_model(server)))
        await server.received(1)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await asyncio.wait_for(server.hung_up.wait(), 10)


async def test_closing_the_generator_closes_the_connection() -> None:
    async with FakeModelServer([say("never whole")], faults=[Fault("hang")]) as server:
        stream = a_model(server).stream(a_request())
        assert isinstance(await anext(stream), TextDelta)
        await stream.aclose()  # type: ignore[attr-defined]
        await asyncio.wait_for(server.hung_up.wait(), 10)


async def test_one_connection_serves_several_calls() -> None:
    async with FakeModelServer([say("ok")]) as server:
        model = a_model(server)
        await turn_of(model)
        await turn_of(model)
        assert len(server.requests) == 2
        assert server.connections == 1


async def test_a_model_can_be_used_in_another_event_loop() -> None:
    async with FakeModelServer([say("ok")]) as server:
        model = a_model(server)
        await turn_of(model)
        other = await asyncio.to_thread(asyncio.run, turn_of(model))
    assert other.message.text == "ok"


def test_importing_the_adapter_loads_no_sdk() -> None:
    code = "import sys, busagents.adapters.openai_chat, busagents.bootstrap.models, busagents.testing;"
    code += "sys.exit(', '.join({'openai', 'httpx', 'httpx2', 'pydantic', 'anthropic'} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
