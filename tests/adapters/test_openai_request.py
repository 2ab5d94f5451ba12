"""From our request to the body of POST /chat/completions."""

from __future__ import annotations

from typing import Any

import pytest

from busagents.adapters.openai_chat.profile import OPENAI, ProviderProfile
from busagents.adapters.openai_chat.request import to_request
from busagents.domain.messages import (
    DataPart,
    FilePart,
    Message,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    assistant,
    user,
)
from busagents.errors import ModelRefused
from busagents.ports.model import ModelRequest, ToolSpec

OTHER = ProviderProfile("other", "http://127.0.0.1:1/v1", "OTHER_API_KEY", usage="none")


def body(*messages: Message, profile: ProviderProfile = OPENAI, **fields: Any) -> dict[str, Any]:
    request = ModelRequest("openai:m", fields.pop("system", ""), list(messages), **fields)
    return to_request(request, model="m", profile=profile)


def test_the_system_prompt_comes_first_and_is_left_out_when_empty() -> None:
    assert body(user("hi"), system="Be kind.")["messages"][0] == {"role": "system", "content": "Be kind."}
    assert body(user("hi"))["messages"] == [{"role": "user", "content": "hi"}]


def test_each_tool_result_becomes_a_message_of_its_own() -> None:
    call = assistant("", [ToolCallPart("c1", "add", '{"a":1}'), ToolCallPart("c2", "add", '{"a":2}')])
    results = Message("tool", (ToolResultPart("c1", "add", "1"), ToolResultPart("c2", "add", "2")))
    sent = body(user("go"), call, results)["messages"]
    assert sent[1]["content"] is None
    assert [one["id"] for one in sent[1]["tool_calls"]] == ["c1", "c2"]
    assert sent[2:] == [
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "tool", "tool_call_id": "c2", "content": "2"},
    ]


def test_reasoning_is_not_sent_back() -> None:
    answer = Message("assistant", (ReasoningPart("thinking"), TextPart("done")))
    assert body(user("go"), answer)["messages"][1] == {"role": "assistant", "content": "done"}


def test_what_a_provider_added_to_a_call_goes_back_to_that_provider_only() -> None:
    extra = {"openai": {"signature": "abc", "function": {"note": "x"}}, "gemini": {"thought": "y"}}
    sent = body(user("go"), assistant("", [ToolCallPart("c1", "add", "{}", extra)]))["messages"][1]["tool_calls"][0]
    assert sent == {
        "id": "c1",
        "type": "function",
        "signature": "abc",
        "function": {"name": "add", "arguments": "{}", "note": "x"},
    }


def test_data_is_sent_as_json_and_pictures_as_data_uris() -> None:
    parts = (TextPart("look"), DataPart({"n": 1}), FilePart("image/png", base64="AAAA"))
    content = body(Message("user", parts))["messages"][0]["content"]
    assert content == [
        {"type": "text", "text": "look"},
        {"type": "text", "text": '{"n":1}'},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]


def test_max_tokens_takes_the_spelling_of_the_provider() -> None:
    assert body(user("hi"), settings={"max_tokens": 9})["max_completion_tokens"] == 9
    assert body(user("hi"), settings={"max_tokens": 9}, profile=OTHER)["max_tokens"] == 9


def test_usage_is_asked_for_only_where_the_provider_allows_it() -> None:
    assert body(user("hi"))["stream_options"] == {"include_usage": True}
    assert "stream_options" not in body(user("hi"), profile=OTHER)


@pytest.mark.parametrize("name", ["messages", "stream", "tools", "model", "n"])
def test_a_setting_that_would_overwrite_the_request_is_refused(name: str) -> None:
    with pytest.raises(ModelRefused, match=name) as caught:
        body(user("hi"), settings={name: 1})
    assert caught.value.code == "bad_settings"


def test_tools_are_sent_with_their_schemas() -> None:
    tool = ToolSpec("add", "Add.", {"type": "object", "properties": {}})
    assert body(user("hi"), tools=(tool,))["tools"] == [
        {"type": "function", "function": {"name": "add", "description": "Add.", "parameters": tool.parameters}}
    ]


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, False),
        ({"type": "object", "properties": {"a": {}}, "required": [], "additionalProperties": False}, False),
    ],
)
def test_an_output_schema_is_strict_only_if_the_provider_can_take_it_so(schema: dict[str, Any], strict: bool) -> None:
    sent = body(user("hi"), output_schema={**schema, "title": "My answer"})["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["strict"] is strict
    assert sent["json_schema"]["name"] == "My_answer"
