"""The scripted model: its answer is a function of the request."""

from __future__ import annotations

from pathlib import Path

import pytest

from busagents.domain.messages import Message, ToolResultPart, Usage, assistant, user
from busagents.errors import ContextTooLong, ModelError, ModelTransient
from busagents.ports.model import Chunk, ModelRequest, TextDelta, TurnCompleted
from busagents.testing import ScriptedModel, call_tools, fail, say
from busagents.testing.scripted_model import Fail, Say


def a_request(*messages: Message) -> ModelRequest:
    return ModelRequest("scripted:test", "", messages)


async def chunks_of(model: ScriptedModel, *messages: Message) -> list[Chunk]:
    return [chunk async for chunk in model.stream(a_request(*messages))]


async def turn_of(model: ScriptedModel, *messages: Message) -> TurnCompleted:
    last = (await chunks_of(model, *messages))[-1]
    assert isinstance(last, TurnCompleted)
    return last


async def test_the_place_in_the_script_is_read_from_the_conversation() -> None:
    model = ScriptedModel([call_tools(("add", {"a": 1})), say("done")])
    first = await turn_of(model, user("go"))
    result = Message("tool", (ToolResultPart("call_0_0", "add", "1"),))
    assert [call.arguments for call in first.message.tool_calls] == ['{"a":1}']
    assert first.stop_reason == "tool_calls"
    assert (await turn_of(model, user("go"), first.message, result)).message.text == "done"
    assert (await turn_of(model, user("go"))).message == first.message, "asked again, it says the same again"


async def test_each_user_message_starts_the_script_anew() -> None:
    model = ScriptedModel([say("first"), say("second")])
    assert (await turn_of(model, user("a"), assistant("first"), user("b"))).message.text == "first"


async def test_the_last_turn_answers_whatever_follows() -> None:
    model = ScriptedModel([say("only")])
    assert (await turn_of(model, user("a"), assistant("x"), assistant("y"))).message.text == "only"


async def test_a_function_may_choose_the_turn() -> None:
    model = ScriptedModel(lambda request: say(request.messages[-1].text.upper()))
    assert (await turn_of(model, user("loud"))).message.text == "LOUD"


async def test_text_is_sent_in_pieces_of_the_size_asked_for() -> None:
    chunks = await chunks_of(ScriptedModel([say("abcdefg")], chunk_chars=3), user("go"))
    assert chunks[:-1] == [TextDelta("abc"), TextDelta("def"), TextDelta("g")]


async def test_a_failure_is_raised_so_often_and_then_the_next_turn_answers() -> None:
    model = ScriptedModel([fail("rate_limited", retry_after=2.5, times=2), say("at last")])
    for _ in range(2):
        with pytest.raises(ModelTransient) as caught:
            await turn_of(model, user("go"))
        assert (caught.value.code, caught.value.retry_after) == ("rate_limited", 2.5)
    assert (await turn_of(model, user("go"))).message.text == "at last"


async def test_failures_of_one_prompt_are_not_counted_for_another() -> None:
    model = ScriptedModel([fail("cut"), say("fine")])
    for prompt in ("a", "b"):
        with pytest.raises(ModelTransient):
            await turn_of(model, user(prompt))
        assert (await turn_of(model, user(prompt))).message.text == "fine"


async def test_a_failure_at_the_end_of_the_script_never_ends() -> None:
    model = ScriptedModel([say("one"), fail("too_long", error=ContextTooLong)])
    for _ in range(3):
        with pytest.raises(ContextTooLong):
            await turn_of(model, user("go"), assistant("one"))


async def test_a_failure_is_an_error_of_the_model_port() -> None:
    with pytest.raises(ModelError, match="scripted failure 'cut'"):
        await turn_of(ScriptedModel([fail("cut", times=None), say("never")]), user("go"))


async def test_calls_are_counted_in_a_file_over_several_models(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    for _ in range(3):  # as three processes would
        await turn_of(ScriptedModel([say("ok")], calls_file=calls), user("go"))
    assert len(calls.read_text().splitlines()) == 3


async def test_with_a_calls_file_failures_are_counted_over_processes(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    script: list[Say | Fail] = [fail("cut", times=2), say("ok")]
    for _ in range(2):
        with pytest.raises(ModelTransient):
            await turn_of(ScriptedModel(script, calls_file=calls), user("go"))
    assert (await turn_of(ScriptedModel(script, calls_file=calls), user("go"))).message.text == "ok"


async def test_usage_is_what_the_script_says() -> None:
    assert (await turn_of(ScriptedModel([say("x", usage=Usage(1, 2))]), user("go"))).usage == Usage(1, 2)
    assert (await turn_of(ScriptedModel([say("x")]), user("go"))).usage.total_tokens == 15


async def test_arguments_given_as_text_may_be_invalid_json() -> None:
    turn = await turn_of(ScriptedModel([call_tools(("add", '{"a":'))]), user("go"))
    assert turn.message.tool_calls[0].arguments == '{"a":'


def test_a_script_without_turns_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one turn"):
        ScriptedModel([])


async def test_only_the_messages_of_this_turn_are_looked_at() -> None:
    class Watched(list[Message]):
        lowest = 10**9

        def __getitem__(self, index: int) -> Message:  # type: ignore[override]
            self.lowest = min(self.lowest, index % len(self))
            return super().__getitem__(index)

        def __reversed__(self) -> object:  # type: ignore[override]
            return (self[index] for index in range(len(self) - 1, -1, -1))

    messages = Watched([user("old"), assistant("old")] * 1_000 + [user("new"), assistant("x")])
    async for _ in ScriptedModel([fail("cut", times=0), say("ok")]).stream(ModelRequest("m", "", messages)):
        pass
    assert messages.lowest >= 2_000
