"""FAULTS row 38: what a model's provider does wrong, injected at the socket, and what the agent's log and its caller see of it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from busagents import Agent, tool
from busagents.adapters.openai_chat import OpenAIChatModel
from busagents.domain import events as e
from busagents.domain.messages import Usage
from busagents.errors import TaskFailed
from busagents.runtime.client.client import Client
from busagents.runtime.client.task_event import TaskEvent
from busagents.runtime.model_caller import MAX_ATTEMPTS
from busagents.testing import FakeModelServer, Fault, Wire, call_tools, say
from busagents.testing.scripted_model import Say
from tests.support.log_checks import checked_events, types
from tests.support.participants import running

Fresh = Callable[[str], str]

KEY = "sk-proj-4f9d2c7a1b8e6530"
ANSWER = "A whole answer, long enough to be cut in two."
USAGE = Usage(input_tokens=11, output_tokens=7)
WHOLE = say(ANSWER, usage=USAGE)
AT_ONCE = "0"  # a Retry-After that keeps the tests short


def an_agent(name: str, base_url: str, *, timeout: float = 30.0, **options: Any) -> Agent:
    return Agent(name, model=OpenAIChatModel("fake", api_key=KEY, base_url=base_url, timeout=timeout), **options)


def failures(events: list[TaskEvent]) -> list[e.ModelFailed]:
    return [event.event for event in events if isinstance(event.event, e.ModelFailed)]


def attempts(events: list[TaskEvent]) -> list[int]:
    return [event.attempt for event in events if isinstance(event.event, e.ModelRequested)]


async def goes_on(client: Client, name: str, session: str) -> None:
    """The session's next task is answered."""
    task = await client.send(name, "and now?", session=session)
    assert (await task.result(timeout=30)).text == ANSWER
    await checked_events(client, session)


async def fails(client: Client, name: str, session: str) -> tuple[TaskFailed, list[TaskEvent]]:
    """How the session's first task ends, and its events."""
    task = await client.send(name, "go", session=session)
    with pytest.raises(TaskFailed) as failed:
        await task.result(timeout=30)
    return failed.value, await checked_events(client, session)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("status", status=429), "rate_limited"),
        (Fault("status", status=429, retry_after="0.05"), "rate_limited"),
        (Fault("status", status=500), "server_error"),
        (Fault("status", status=503), "server_error"),
        (Fault("status", status=503, retry_after="0.05"), "server_error"),
        (Fault("error_in_stream", code="overloaded_error"), "overloaded"),
        (Fault("cut"), "connection"),
        (Fault("cut", after=0), "connection"),
        (Fault("truncated"), "truncated"),
        (Fault("malformed"), "malformed"),
        (Fault("event", message='{"choices": "none"}'), "malformed"),
        (Fault("event", message='{"choices": {"delta": {}}}'), "malformed"),
        (Fault("event", message='{"choices": ["text"]}'), "malformed"),
        (Fault("event", message='{"choices": [{"delta": "text"}]}'), "malformed"),
        (Fault("event", message='{"choices": [{"delta": {"tool_calls": "add"}}]}'), "malformed"),
        (Fault("event", message='{"choices": [{"delta": {"tool_calls": [{"index": 0, "function": "add"}]}}]}'), "malformed"),
        (Fault("event", message='{"choices": [], "usage": {"prompt_tokens": "many"}}'), "malformed"),
        (Fault("event", message='{"choices": [], "usage": {"prompt_tokens_details": [1]}}'), "malformed"),
        (Fault("event", message='{"choices": [], "usage": {"prompt_tokens": [1]}}'), "malformed"),
        (Fault("event", message='["no", "object"]'), "malformed"),
        (Fault("hang", after=0), "timeout"),
        (Fault("hang"), "timeout"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.kind}-{value.status}-{value.retry_after}-{value.message}",
)
async def test_row_38_a_failed_call_is_recorded_and_made_again(bus_url: str, fresh: Fresh, fault: Fault, code: str) -> None:
    async with (
        FakeModelServer([WHOLE], faults=[fault]) as server,
        running(bus_url, an_agent(name := fresh("a"), server.base_url, timeout=1.0)) as client,
    ):
        task = await client.send(name, "go")
        result = await task.result(timeout=30)
        assert result.text == ANSWER
        assert result.usage == USAGE, "a call that failed reported no tokens, so it adds none"
        events = await checked_events(client, task.session)
        [failed] = failures(events)
        assert failed.code == code
        if fault.retry_after:
            assert failed.retry_in == float(fault.retry_after)
        else:
            assert failed.retry_in is not None
            assert 0.3 < failed.retry_in < 0.7
        assert attempts(events) == [1, 2]
        assert len(server.requests) == 2
        await goes_on(client, name, task.session)


async def test_row_38_each_further_failure_waits_longer(bus_url: str, fresh: Fresh) -> None:
    faults = [Fault("status", status=500), Fault("cut"), Fault("truncated")]
    async with (
        FakeModelServer([WHOLE], faults=faults) as server,
        running(bus_url, an_agent(name := fresh("a"), server.base_url)) as client,
    ):
        task = await client.send(name, "go")
        assert (await task.result(timeout=60)).usage == USAGE
        events = await checked_events(client, task.session)
        assert [failed.code for failed in failures(events)] == ["server_error", "connection", "truncated"]
        waits = [failed.retry_in or 0.0 for failed in failures(events)]
        assert waits[0] < waits[1] < waits[2]
        assert attempts(events) == [1, 2, 3, 4]


async def test_row_38_a_provider_that_is_away_is_asked_again_until_it_is_back(bus_url: str, fresh: Fresh) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with running(bus_url, an_agent(name := fresh("a"), f"http://127.0.0.1:{port}/v1")) as client:
        task = await client.send(name, "go")
        async for event in task.events():
            if isinstance(event.event, e.ModelFailed):
                assert event.event.code == "connection"
                break
        async with FakeModelServer([WHOLE], port=port) as server:
            assert (await task.result(timeout=60)).text == ANSWER
            assert len(server.requests) == 1
            await goes_on(client, name, task.session)


async def test_row_38_one_byte_at_a_time_is_slow_but_whole(bus_url: str, fresh: Fresh) -> None:
    async with (
        FakeModelServer([WHOLE], wire=Wire(chunk_bytes=1)) as server,
        running(bus_url, an_agent(name := fresh("a"), server.base_url)) as client,
    ):
        task = await client.send(name, "go")
        assert "".join([piece async for piece in task.text()]) == ANSWER
        events = await checked_events(client, task.session)
        assert failures(events) == []
        await goes_on(client, name, task.session)


async def test_row_38_half_an_answer_is_not_shown_as_an_answer(bus_url: str, fresh: Fresh) -> None:
    async with (
        FakeModelServer([WHOLE], faults=[Fault("truncated", after=4)]) as server,
        running(bus_url, an_agent(name := fresh("a"), server.base_url)) as client,
    ):
        task = await client.send(name, "go")
        assert "".join([piece async for piece in task.text()]) == ANSWER
        messages = (await client.replay(task.session)).messages()
        assert [message.text for message in messages] == ["go", ANSWER]


async def test_row_38_an_empty_answer_is_asked_for_once_more(bus_url: str, fresh: Fresh) -> None:
    def second_time_lucky(body: dict[str, Any]) -> Say:
        return WHOLE if len(server.requests) > 1 else say("")

    async with (
        FakeModelServer(second_time_lucky) as server,
        running(bus_url, an_agent(name := fresh("a"), server.base_url)) as client,
    ):
        task = await client.send(name, "go")
        assert (await task.result(timeout=30)).text == ANSWER
        events = await checked_events(client, task.session)
        assert [failed.code for failed in failures(events)] == ["empty_answer"]


async def test_row_38_two_empty_answers_end_the_task(bus_url: str, fresh: Fresh) -> None:
    def third_time_lucky(body: dict[str, Any]) -> Say:
        return WHOLE if len(server.requests) > 2 else say("")

    async with (
        FakeModelServer(third_time_lucky) as server,
        running(bus_url, an_agent(name := fresh("a"), server.base_url)) as client,
    ):
        failed, _ = await fails(client, name, session := fresh("s"))
        assert failed.reason == "empty_answer"
        assert len(server.requests) == 2
        await goes_on(client, name, session)


@pytest.mark.parametrize(
    ("first", "reason", "words"),
    [
        (say("I", usage=USAGE, stop_reason="refused"), "refused", "I"),
        (say("", usage=USAGE, stop_reason="refused"), "refused", "refused to answer"),
        (say("I begin", usage=USAGE, stop_reason="length"), "output_truncated", "raise max_tokens"),
    ],
    ids=["refused-with-text", "refused", "output-limit"],
)
async def test_row_38_an_answer_that_is_none_ends_the_task_with_its_reason(
    bus_url: str, fresh: Fresh, first: Say, reason: str, words: str
) -> None:
    def once(body: dict[str, Any]) -> Say:
        return WHOLE if len(server.requests) > 1 else first

    async with (
        FakeModelServer(once) as server,
        running(bus_url, an_agent(name := fresh("a"), server.base_url)) as client,
    ):
        failed, events = await fails(client, name, session := fresh("s"))
        assert failed.reason == reason
        assert words in str(failed)
        assert attempts(events) == [1], "the same question would be refused again"
        assert isinstance(events[-1].event, e.TaskFailed)
        assert events[-1].event.usage == USAGE, "the provider answered, and reported what it cost"
        await goes_on(client, name, session)


@pytest.mark.parametrize(
    ("fault", "reason", "words"),
    [
        (Fault("status", status=400, code="context_length_exceeded"), "context_too_long", "does not fit the model"),
        (Fault("status", status=413), "context_too_long", "does not fit the model"),
        (Fault("error_in_stream", code="context_length_exceeded"), "context_too_long", "gave up"),
        (Fault("status", status=401, message=f"Incorrect API key provided: {KEY}"), "bad_key", "check OPENAI_API_KEY"),
        (Fault("status", status=403, message=f"{KEY} may not"), "bad_key", "what the key may do"),
        (Fault("status", status=404), "not_found", "check the model's name"),
        (Fault("status", status=429, code="insufficient_quota"), "insufficient_quota", "no credit left"),
        (Fault("status", status=429, retry_after="3600"), "rate_limited", "429"),
        (Fault("status", status=400, code="invalid_value", message=f"what is {KEY}?"), "invalid_value", "refused"),
        (Fault("error_in_stream", code="invalid_request_error", message=f"no {KEY}"), "bad_request", "gave up"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.kind}-{value.status}-{value.code}",
)
async def test_row_38_what_would_be_refused_again_is_not_asked_again(
    bus_url: str,
    fresh: Fresh,
    fault: Fault,
    reason: str,
    words: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    async with FakeModelServer([WHOLE], faults=[fault]) as server:
        agent = an_agent(name := fresh("a"), server.base_url)
        async with running(bus_url, agent) as client:
            failed, events = await fails(client, name, session := fresh("s"))
            assert failed.reason == reason
            assert words in str(failed)
            assert [item.retry_in for item in failures(events)] == [None]
            assert len(server.requests) == 1
            assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
            await goes_on(client, name, session)
            stored = b"".join([item.body async for item in client.bus.log.read_session(session)])
    shown = [str(failed), repr(failed), repr(agent), repr(agent.model), caplog.text, *capfd.readouterr(), stored.decode()]
    assert not [text for text in shown if KEY in text]


async def test_row_38_a_refused_key_is_not_part_of_anything_that_is_kept_or_shown(
    bus_url: str, fresh: Fresh, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with FakeModelServer([WHOLE], key="sk-another-key-0123456789") as server:
        agent = an_agent(name := fresh("a"), server.base_url)
        async with running(bus_url, agent) as client:
            failed, _ = await fails(client, name, fresh("s"))
            assert failed.reason == "bad_key"
            assert "OPENAI_API_KEY" in str(failed)
            seen = [item.body.decode(errors="replace") async for item in client.bus.log.read_participant("*")]
            announced = [msgspec.json.encode(item).decode() for item in await client.agents()]
    assert seen
    texts = [*seen, *announced, caplog.text, str(failed), repr(agent), repr(agent.model)]
    assert not [text for text in texts if KEY in text or KEY[8:] in text]


async def test_row_38_when_every_attempt_failed_the_task_says_so_and_the_session_goes_on(bus_url: str, fresh: Fresh) -> None:
    faults = [Fault("status", status=503, retry_after=AT_ONCE)] * MAX_ATTEMPTS
    async with (
        FakeModelServer([WHOLE], faults=faults) as server,
        running(bus_url, an_agent(name := fresh("a"), server.base_url)) as client,
    ):
        failed, events = await fails(client, name, session := fresh("s"))
        assert failed.reason == "server_error"
        assert "openai answered 503" in str(failed)
        assert attempts(events) == list(range(1, MAX_ATTEMPTS + 1))
        assert [item.retry_in for item in failures(events)] == [0.0] * (MAX_ATTEMPTS - 1) + [None]
        assert isinstance(events[-1].event, e.TaskFailed)
        assert events[-1].event.usage == Usage()
        assert len(server.requests) == MAX_ATTEMPTS
        await goes_on(client, name, session)


async def test_row_38_a_failure_in_a_later_turn_keeps_the_tools_that_ran(bus_url: str, fresh: Fresh) -> None:
    ran: list[int] = []

    @tool
    async def add(a: int, b: int) -> int:
        """Add two numbers."""
        ran.append(a + b)
        return a + b

    turns = [call_tools(("add", {"a": 1, "b": 2}), usage=USAGE), WHOLE]
    faults = [None, Fault("status", status=500), Fault("cut")]
    async with (
        FakeModelServer(turns, faults=faults) as server,
        running(bus_url, an_agent(name := fresh("a"), server.base_url, tools=[add])) as client,
    ):
        task = await client.send(name, "go")
        result = await task.result(timeout=30)
        assert (result.text, result.usage) == (ANSWER, USAGE + USAGE)
        assert ran == [3]
        events = await checked_events(client, task.session)
        assert attempts(events) == [1, 1, 2, 3]


@pytest.mark.parametrize("arguments", ['{"a": 1, "b":', "not json", '{"a": "one", "b": 2}', "[1, 2]"])
async def test_row_38_arguments_that_do_not_fit_are_told_to_the_model_and_the_tool_does_not_run(
    bus_url: str, fresh: Fresh, arguments: str
) -> None:
    ran: list[int] = []

    @tool
    async def add(a: int, b: int) -> int:
        """Add two numbers."""
        ran.append(a + b)
        return a + b

    turns = [call_tools(("add", arguments)), call_tools(("add", {"a": 1, "b": 2})), WHOLE]
    async with (
        FakeModelServer(turns) as server,
        running(bus_url, an_agent(name := fresh("a"), server.base_url, tools=[add])) as client,
    ):
        task = await client.send(name, "go")
        assert (await task.result(timeout=30)).text == ANSWER
        assert ran == [3]
        events = await checked_events(client, task.session)
        assert types(events).count("tool.failed") == 1
        [told] = [event.event for event in events if isinstance(event.event, e.ToolFailed)]
        assert told.code == "invalid_arguments"
        last = server.requests[1].body["messages"][-1]
        assert (last["role"], last["content"]) == ("tool", told.message)
        await goes_on(client, name, task.session)


async def test_row_38_text_that_no_encoding_holds_is_kept_as_far_as_it_can_be(bus_url: str, fresh: Fresh) -> None:
    half = r'{"choices": [{"index": 0, "delta": {"content": "half a sign: \ud83d"}, "finish_reason": "stop"}]}'
    async with (
        FakeModelServer([WHOLE], faults=[Fault("event", message=half, after=0)]) as server,
        running(bus_url, an_agent(name := fresh("a"), server.base_url)) as client,
    ):
        task = await client.send(name, "go")
        assert "".join([piece async for piece in task.text()]) == "half a sign: \N{REPLACEMENT CHARACTER}"
        assert len(server.requests) == 1
        await goes_on(client, name, task.session)
