"""The offline model: it chooses tools, fills arguments, answers from results, and says what it is."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from busagents.adapters.offline import OfflineModel
from busagents.domain.messages import Message, ToolCallPart, ToolResultPart, assistant, user
from busagents.ports.model import ModelRequest, TextDelta, ToolSpec, TurnCompleted

STRING = {"type": "string"}


def a_tool(name: str, description: str, required: Sequence[str] = (), **fields: Any) -> ToolSpec:
    return ToolSpec(name, description, {"type": "object", "properties": fields, "required": list(required)})


CALCULATOR = a_tool(
    "calculator", "Work out an arithmetic expression.", ["expression"], expression=STRING, precision={"type": "integer"}
)
SEARCH = a_tool("web_search", "Search the web for a topic.", ["query"], query=STRING, limit={"type": "integer", "default": 5})
PYTHON = a_tool("python_repl", "Run Python code.", ["code"], code=STRING)
WRITE = a_tool("file_write", "Write text to a file.", ["path", "content"], path=STRING, content=STRING)
READ = a_tool("file_read", "Read a text file.", ["path"], path=STRING)
LIST = a_tool("file_list", "List the files.", folder=STRING)
TIME = a_tool("current_time", "Tell the time now.", timezone={"type": "string", "default": "UTC"})
TICKET = a_tool(
    "ticket_open", "Open a ticket.", ["subject", "details"], subject=STRING, details=STRING, priority={"enum": ["low", "urgent"]}
)
CONVERT = a_tool(
    "convert_units",
    "Convert a value.",
    ["value", "from_unit", "to_unit"],
    value={"type": "number"},
    from_unit=STRING,
    to_unit=STRING,
)
WEATHER = a_tool("get_weather", "The weather in a city.", ["city"], city=STRING, unit={"enum": ["celsius", "fahrenheit"]})
ADD = a_tool("add", "Add two numbers.", ["a", "b"], a={"type": "integer"}, b={"type": "integer"})
DELETE = a_tool("delete_account", "Delete the account of a user for ever.", [], user=STRING)
ALL = (CALCULATOR, SEARCH, PYTHON, WRITE, READ, LIST, TIME, TICKET, CONVERT, WEATHER, ADD, DELETE)


def turn_of(messages: Sequence[Message], tools: Sequence[ToolSpec] = (), **fields: Any) -> TurnCompleted:
    async def last() -> TurnCompleted:
        request = ModelRequest("offline:instant", fields.pop("system", ""), messages, tuple(tools), **fields)
        chunks = [chunk async for chunk in OfflineModel("instant").stream(request)]
        turn = chunks[-1]
        assert isinstance(turn, TurnCompleted)
        assert "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta)) == turn.message.text
        return turn

    return asyncio.run(last())


def calls_for(prompt: str, *tools: ToolSpec) -> list[tuple[str, dict[str, Any]]]:
    """The tool calls of the first turn."""
    return [(call.name, json.loads(call.arguments)) for call in turn_of([user(prompt)], tools).message.tool_calls]


def talk(prompt: str, tools: Sequence[ToolSpec], results: dict[str, str], earlier: Sequence[Message] = ()) -> list[Message]:
    """A whole task, each call answered with the tool's fixed result (or an error if it has none)."""
    messages = [*earlier, user(prompt)]
    for _ in range(10):
        message = turn_of(messages, tools).message
        messages.append(message)
        if not message.tool_calls:
            return messages
        parts = (
            ToolResultPart(c.call, c.name, results.get(c.name, "it broke"), c.name not in results) for c in message.tool_calls
        )
        messages.append(Message("tool", tuple(parts)))
    raise AssertionError("it never answered")


def answer_to(prompt: str, *earlier: Message, tools: Sequence[ToolSpec] = (), system: str = "") -> str:
    return turn_of([*earlier, user(prompt)], tools, system=system).message.text


@pytest.mark.parametrize(
    ("prompt", "expression"),
    [
        ("What is 12 * 7?", "12 * 7"),
        ("what's (3+4)*5", "(3+4)*5"),
        ("Calculate 15% of 80", "15 / 100 * 80"),
        ("How much is 3 times 4?", "3 * 4"),
        ("What is the square root of 144?", "sqrt(144)"),
        ("2^10", "2**10"),
        ("multiply 6 by 7 please", "6 * 7"),
        ("What is 1,200 plus 300?", "1200 + 300"),
        ("If I invest $10,000 at 7% for 5 years, what do I get?", "10000 * (1 + 7 / 100) ** 5"),
    ],
)
def test_arithmetic_goes_to_the_calculator(prompt: str, expression: str) -> None:
    assert calls_for(prompt, SEARCH, CALCULATOR, PYTHON, TIME) == [("calculator", {"expression": expression})]


@pytest.mark.parametrize(
    "prompt", ["Call 555-1234", "It happened on 2024-05-01.", "We are open 24/7.", "The years 1990-2000", "version 1.2.3"]
)
def test_numbers_with_signs_between_are_not_always_arithmetic(prompt: str) -> None:
    assert calls_for(prompt, CALCULATOR) == []


@pytest.mark.parametrize(
    ("prompt", "query"),
    [
        ("Explain JetStream", "JetStream"),
        ("What is the history of AI?", "history of AI"),
        ("Please research solar power.", "solar power"),
        ("Tell me about electric cars", "electric cars"),
        ("A weekend in Portland, what should I see?", "weekend in Portland"),
    ],
)
def test_questions_go_to_the_search_without_their_small_words(prompt: str, query: str) -> None:
    assert calls_for(prompt, CALCULATOR, SEARCH, WRITE) == [("web_search", {"query": query})]


def test_two_things_to_compare_are_searched_for_at_once() -> None:
    assert calls_for("Compare Portland and Seattle", SEARCH) == [
        ("web_search", {"query": "Portland"}),
        ("web_search", {"query": "Seattle"}),
    ]


def test_code_in_a_block_is_run_as_it_is() -> None:
    assert calls_for("Run this:\n```python\nx = 1\nprint(x)\n```", PYTHON, CALCULATOR, SEARCH) == [
        ("python_repl", {"code": "x = 1\nprint(x)"})
    ]


def test_a_sum_goes_to_python_when_python_is_asked_for() -> None:
    assert calls_for("Use python to compute 2**100", PYTHON, CALCULATOR) == [("python_repl", {"code": "print(2**100)"})]


def test_what_stands_in_quotes_is_written_to_the_file_named() -> None:
    assert calls_for('Write "hello world" to notes.txt', READ, WRITE, LIST, SEARCH) == [
        ("file_write", {"path": "notes.txt", "content": "hello world"})
    ]


def test_a_report_is_written_after_the_research_and_holds_what_was_found() -> None:
    found = "Solar modules cost 90 percent less than in 2010."
    results = {"web_search": found, "calculator": "42", "file_write": "wrote 80 bytes"}
    messages = talk("Research solar power, compute 6*7 and save it to report.md", ALL, results)
    turns = [[call.name for call in message.tool_calls] for message in messages if message.role == "assistant"]
    assert turns == [["calculator", "web_search"], ["file_write"], []] or turns == [
        ["web_search", "calculator"],
        ["file_write"],
        [],
    ]
    written = json.loads(messages[3].tool_calls[0].arguments)
    assert written["path"] == "report.md"
    assert found in written["content"]
    assert "6*7 = 42" in written["content"]
    assert "wrote 80 bytes" in messages[-1].text


@pytest.mark.parametrize(
    ("prompt", "call"),
    [
        ("Read report.md", ("file_read", {"path": "report.md"})),
        ("Summarize notes.txt", ("file_read", {"path": "notes.txt"})),
        ("List the files", ("file_list", {})),
        ("What time is it in Tokyo?", ("current_time", {"timezone": "Asia/Tokyo"})),
        ("Convert 26.2 miles to km", ("convert_units", {"value": 26.2, "from_unit": "miles", "to_unit": "km"})),
        ("How many pounds are 5 kg?", ("convert_units", {"value": 5, "from_unit": "kg", "to_unit": "pounds"})),
        ("What is the weather in New York in fahrenheit?", ("get_weather", {"city": "New York", "unit": "fahrenheit"})),
    ],
)
def test_other_tools_are_found_by_their_words_and_filled_by_names_and_types(
    prompt: str, call: tuple[str, dict[str, Any]]
) -> None:
    assert calls_for(prompt, READ, LIST, TIME, CONVERT, WEATHER, WRITE) == [call]


def test_numbers_are_used_up_in_the_order_they_are_written() -> None:
    assert calls_for("Add 17 and 25", ADD) == [("add", {"a": 17, "b": 25})]


def test_a_ticket_gets_its_subject_and_priority_from_the_prompt() -> None:
    (call,) = calls_for("Please open a ticket: my order 4711 is broken, it is urgent", SEARCH, TICKET)
    assert call[0] == "ticket_open"
    assert call[1]["subject"] == "My order 4711 is broken, it is urgent"
    assert call[1]["priority"] == "urgent"


@pytest.mark.parametrize("prompt", ["Who is the user?", "What does my account show?", "Tell me about accounts", "Hello!"])
def test_a_tool_that_changes_something_is_called_only_when_its_act_is_asked_for(prompt: str) -> None:
    assert "delete_account" not in [name for name, _ in calls_for(prompt, DELETE, SEARCH)]


def test_a_tool_whose_required_argument_is_not_in_the_prompt_is_not_called() -> None:
    assert calls_for("Read the file", READ) == []


def test_the_answer_is_taken_from_what_the_tool_found() -> None:
    rows = [
        {"title": "Solar", "snippet": "Modules became cheap. " + "Filler about nothing at all. " * 10, "source": "solar.md"},
        {"title": "Cats", "snippet": "Cats sleep a lot. " * 10, "source": "cats.md"},
    ]
    answer = talk("Why did solar modules become cheap?", [SEARCH], {"web_search": json.dumps(rows)})[-1].text
    assert "Modules became cheap." in answer
    assert "solar.md" in answer
    assert "Cats" not in answer


def test_a_tool_that_failed_is_told_plainly_and_not_called_again() -> None:
    messages = talk("What is 12 * 7?", [CALCULATOR], {})
    assert sum(len(message.tool_calls) for message in messages) == 1
    assert "`calculator` failed: it broke" in messages[-1].text


def test_a_sum_is_answered_with_its_result() -> None:
    assert "12 * 7 = 84" in talk("What is 12 * 7?", [CALCULATOR], {"calculator": "84"})[-1].text


def test_every_answer_says_that_there_is_no_language_model_and_how_to_get_one() -> None:
    for answer in (answer_to("Hello!"), answer_to("Explain JetStream"), answer_to("My name is Ada.")):
        notice = answer.splitlines()[-1]
        assert "no language model" in notice
        assert "OPENAI_API_KEY" in notice


@pytest.mark.parametrize(
    ("said", "asked", "expected"),
    [
        ("My name is Ada.", "What is my name?", "your name is Ada"),
        ("Hi, I'm Grace", "Who am I?", "your name is Grace"),
        ("I live in Lisbon.", "Where do I live?", "you live in Lisbon"),
        ("My favourite colour is green", "What is my favourite colour?", "your favourite colour is green"),
        ("Remember that the launch is on Friday", "When is the launch?", "the launch is on Friday"),
    ],
)
def test_what_the_user_said_is_remembered(said: str, asked: str, expected: str) -> None:
    assert expected in answer_to(asked, user(said), assistant("Noted."), tools=[SEARCH])


def test_of_two_statements_the_later_one_counts() -> None:
    earlier = [user("My name is Ada."), assistant("ok"), user("My name is Grace."), assistant("ok")]
    assert "your name is Grace" in answer_to("What is my name?", *earlier)


def test_it_knows_what_was_asked_and_answered_before() -> None:
    earlier = [user("Explain tides"), assistant("The moon pulls.")]
    assert "Explain tides" in answer_to("What did I ask before?", *earlier)
    assert "The moon pulls." in answer_to("What did you say?", *earlier)


def test_a_statement_about_oneself_is_not_searched_for() -> None:
    assert calls_for("My name is Ada.", SEARCH) == []


def test_a_problem_stated_without_a_question_is_searched_for() -> None:
    assert calls_for("My parcel has not arrived", SEARCH) == [("web_search", {"query": "My parcel has not arrived"})]


def test_a_long_text_is_shortened_to_its_own_sentences() -> None:
    text = "Wind power is cheap. Wind turbines are tall. Cats sleep. Power from wind turbines grew. Birds are hit by turbines."
    answer = answer_to(f"Summarize: {text}")
    points = re.findall(r"^- (.+)$", answer, re.MULTILINE)
    assert len(points) == 3
    assert all(point in text for point in points)


def test_without_tools_it_answers_from_its_instructions() -> None:
    system = "You work for a shop. Returns are free within 30 days. Be kind."
    assert "Returns are free within 30 days." in answer_to("Are returns free?", system=system)


SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 40},
        "priority": {"enum": ["low", "high"]},
        "score": {"type": "integer", "minimum": 1, "maximum": 5},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "author": {"$ref": "#/$defs/person"},
        "when": {"type": "string", "format": "date"},
        "note": {"anyOf": [{"type": "null"}, {"type": "string"}]},
    },
    "required": ["title", "priority", "score", "tags", "author"],
    "additionalProperties": False,
    "$defs": {
        "person": {"type": "object", "properties": {"name": STRING, "boss": {"$ref": "#/$defs/person"}}, "required": ["name"]}
    },
}


def test_structured_output_fits_the_schema_and_takes_values_from_the_prompt() -> None:
    prompt = "Priority high, score: 4. Write about wind and sun on 2026-01-02"
    value = json.loads(turn_of([user(prompt)], output_schema=SCHEMA).message.text)
    Draft202012Validator(SCHEMA).validate(value)
    assert (value["priority"], value["score"], value["when"]) == ("high", 4, "2026-01-02")


leaves = st.sampled_from(
    [
        STRING,
        {"type": "string", "minLength": 3, "maxLength": 9},
        {"type": "integer", "minimum": 3},
        {"type": "integer", "exclusiveMaximum": 0},
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "number", "multipleOf": 5},
        {"type": "boolean"},
        {"type": "null"},
        {"enum": ["a", "b"]},
        {"enum": [1, None]},
        {"const": "fixed"},
        {"type": ["string", "null"]},
        {"type": "array", "items": {"type": "integer"}, "maxItems": 1},
    ]
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda item, least: {"type": "array", "items": item, "minItems": least}, inner, st.integers(0, 2)),
        st.dictionaries(st.sampled_from(["title", "count", "items", "date_of", "path", "code", "x"]), inner, max_size=4).map(
            lambda fields: {"type": "object", "properties": fields, "required": sorted(fields), "additionalProperties": False}
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(
    schema=schemas, prompt=st.sampled_from(["", "List 3 items: a, b and c", "Write 7 lines to x.md, 2*3 = 6", "true or false?"])
)
def test_structured_output_always_fits(schema: dict[str, Any], prompt: str) -> None:
    Draft202012Validator(schema).validate(json.loads(turn_of([user(prompt)], output_schema=schema).message.text))


pieces = st.lists(
    st.sampled_from(
        [
            "what",
            "is",
            "how",
            "many",
            "12",
            "*",
            "7",
            "%",
            "(",
            ")",
            "+",
            "-",
            "**",
            "/",
            "sqrt(",
            "search",
            "research",
            "compare",
            "and",
            "with",
            "file",
            "x.md",
            "read",
            "write",
            "save",
            '"a',
            'b"',
            "```",
            "`code`",
            "python",
            "run",
            "open",
            "ticket",
            "delete",
            "account",
            "my",
            "name",
            "is",
            "Ada",
            "remember",
            "that",
            "convert",
            "5",
            "kg",
            "to",
            "pounds",
            "weather",
            "in",
            "Paris",
            ",",
            ".",
            "?",
            "!",
            ":",
            "\n",
        ]
    ),
    max_size=25,
).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(prompt=st.one_of(pieces, st.text(max_size=200)))
def test_whatever_is_asked_it_ends_and_never_repeats_a_call(prompt: str) -> None:
    results = {tool.name: "some result with a few words." for tool in ALL}
    messages = talk(prompt, ALL, results)
    made = [(call.name, call.arguments) for message in messages for call in message.tool_calls]
    assert len(made) == len(set(made))
    assert len(made) <= 8
    assert messages[-1].text
    for message in messages:
        assert len({call.call for call in message.tool_calls}) == len(message.tool_calls)


@settings(max_examples=50, deadline=None)
@given(prompt=pieces)
def test_the_same_request_gets_the_same_turn(prompt: str) -> None:
    assert turn_of([user(prompt)], ALL) == turn_of([user(prompt)], ALL)


def test_every_call_has_the_arguments_its_tool_requires() -> None:
    prompt = 'Research wind, open a ticket about x, convert 5 kg to pounds, read a.md, write "b" to c.md and add 1 and 2'
    by_name = {tool.name: tool.parameters for tool in ALL}
    messages = talk(prompt, ALL, {tool.name: "ok" for tool in ALL})
    made: list[ToolCallPart] = [call for message in messages for call in message.tool_calls]
    assert len(made) >= 3
    for call in made:
        Draft202012Validator(by_name[call.name]).validate(json.loads(call.arguments))


async def test_words_come_one_by_one() -> None:
    request = ModelRequest("offline:demo", "", [user("Hello!")])
    chunks = [chunk async for chunk in OfflineModel("demo", word_delay=0).stream(request)]
    assert len(chunks) > 10
    assert all(len(chunk.text.split()) <= 1 for chunk in chunks if isinstance(chunk, TextDelta))


def test_a_long_conversation_is_not_copied_or_walked() -> None:
    class Watched(list[Message]):
        looked_at = 0

        def __reversed__(self) -> Any:
            for index in range(len(self) - 1, -1, -1):
                self.looked_at += 1
                yield list.__getitem__(self, index)

        def __iter__(self) -> Any:
            raise AssertionError("the whole conversation was walked")

    messages = Watched([user("old"), assistant("answer")] * 5_000 + [user("What is 12 * 7?")])
    turn_of(messages, [CALCULATOR])
    assert messages.looked_at < 10
