"""From a signature to JSON Schema, and from a model's arguments to Python values."""

from __future__ import annotations

import dataclasses
import enum
import subprocess
import sys
from datetime import date
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import jsonschema
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from busagents.domain.tool import tool
from busagents.errors import DefinitionError, ToolArgumentsInvalid


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Address:
    city: str
    zip: str = ""


class Person(TypedDict):
    name: str
    title: NotRequired[str]


class Line(msgspec.Struct):
    article: str
    count: Annotated[int, msgspec.Meta(ge=1)]


class Owner(pydantic.BaseModel):
    email: str


class Order(pydantic.BaseModel):
    owner: Owner
    amount: float = pydantic.Field(gt=0)


@tool
def everything(
    text: str,
    count: Annotated[int, msgspec.Meta(ge=1, le=10)],
    mode: Literal["fast", "slow"] = "fast",
    color: Color = Color.RED,
    address: Address | None = None,
    people: list[Person] = [],  # noqa: B006 - a mutable default must not break the schema
    lines: list[Line] | None = None,
    order: Order | None = None,
    day: date | None = None,
    note: Annotated[str, "Anything else."] = "",
) -> None:
    """Take one of each."""


def refusal(json_text: str) -> str:
    with pytest.raises(ToolArgumentsInvalid) as caught:
        everything.arguments(json_text)
    return str(caught.value)


def test_the_schema_is_one_valid_closed_object() -> None:
    jsonschema.Draft202012Validator.check_schema(everything.parameters)
    assert everything.parameters["type"] == "object"
    assert everything.parameters["additionalProperties"] is False
    assert everything.parameters["required"] == ["text", "count"]


def test_the_schema_shows_bounds_choices_defaults_and_texts() -> None:
    properties = everything.parameters["properties"]
    assert properties["count"] == {"type": "integer", "minimum": 1, "maximum": 10}
    assert properties["mode"] == {"enum": ["fast", "slow"], "default": "fast"}
    assert properties["note"]["description"] == "Anything else."
    assert properties["color"]["default"] == "red"


def test_every_reference_of_the_schema_resolves() -> None:
    value = {
        "text": "t",
        "count": 1,
        "color": "blue",
        "address": {"city": "Oslo"},
        "people": [{"name": "Ada"}],
        "lines": [{"article": "pen", "count": 2}],
        "order": {"owner": {"email": "a@b"}, "amount": 3},
    }
    jsonschema.validate(value, everything.parameters)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value | {"order": {"owner": {}, "amount": 3}}, everything.parameters)


def test_titles_are_dropped_but_a_property_called_title_stays() -> None:
    assert "'title': '" not in str(everything.parameters)
    assert "title" in everything.parameters["$defs"]["Person"]["properties"]


def test_arguments_become_the_declared_python_types() -> None:
    arguments = everything.arguments(
        '{"text":"t","count":2,"color":"blue","address":{"city":"Oslo"},"day":"2026-02-28",'
        '"lines":[{"article":"pen","count":1}],"order":{"owner":{"email":"a@b"},"amount":1.5}}'
    )
    assert arguments["color"] is Color.BLUE
    assert arguments["address"] == Address("Oslo")
    assert arguments["day"] == date(2026, 2, 28)
    assert arguments["lines"] == [Line("pen", 1)]
    assert arguments["order"] == Order(owner=Owner(email="a@b"), amount=1.5)


def test_what_was_not_sent_is_left_to_the_functions_defaults() -> None:
    assert everything.arguments('{"text":"t","count":1}') == {"text": "t", "count": 1}


@pytest.mark.parametrize("sent", ['"5"', "5.0", "5"])
def test_a_number_in_another_spelling_is_converted(sent: str) -> None:
    assert everything.arguments(f'{{"text":"t","count":{sent}}}')["count"] == 5


def test_a_text_is_never_turned_from_a_number() -> None:
    assert "`text` is wrong: Expected `str`, got `int`" in refusal('{"text":5,"count":1}')


def test_all_wrong_fields_are_named_at_once() -> None:
    message = refusal('{"text":"t","count":99,"mode":"medium","people":[{"name":1}]}')
    assert "`count` is wrong: Expected `int` <= 10" in message
    assert "`mode` is wrong" in message
    assert "`people` is wrong: Expected `str`, got `int` - at `$[0].name`" in message


def test_a_missing_field_is_named_and_the_parameters_are_listed() -> None:
    message = refusal('{"text":"t"}')
    assert "`count` is required and missing" in message
    assert "count (integer, required)" in message
    assert "mode (one of ['fast', 'slow'], default \"fast\")" in message
    assert "Call it again" in message


def test_an_unknown_field_gets_a_suggestion() -> None:
    assert "`adress` is no parameter (did you mean `address`?)" in refusal('{"text":"t","count":1,"adress":{}}')


def test_an_invalid_pydantic_value_is_explained() -> None:
    assert "greater than 0" in refusal('{"text":"t","count":1,"order":{"owner":{"email":"x"},"amount":-1}}')


@pytest.mark.parametrize(
    "json_text", ["{", "[]", '"x"', "1 2", '{"text":NaN}', '{"text":"\ud800"}', "[" * 100_000, '{"text":"a"}x']
)
def test_arguments_that_are_no_json_object_are_refused(json_text: str) -> None:
    assert "everything was not run" in refusal(json_text)


@pytest.mark.parametrize("json_text", ["", "  ", "null", "{}"])
def test_a_tool_without_parameters_takes_the_spellings_of_nothing(json_text: str) -> None:
    @tool
    def ping() -> str:
        return "pong"

    assert ping.arguments(json_text) == {}


@given(
    st.text() | st.dictionaries(st.text(), st.integers() | st.text() | st.none()).map(lambda d: msgspec.json.encode(d).decode())
)
def test_whatever_a_model_writes_is_accepted_or_refused_in_words(json_text: str) -> None:
    try:
        everything.arguments(json_text)
    except ToolArgumentsInvalid as refused:
        assert "Parameters:" in str(refused)  # noqa: PT017 - both outcomes are fine


@given(st.integers(1, 10), st.text(), st.sampled_from(["fast", "slow"]), st.sampled_from(list(Color)))
def test_what_the_schema_allows_the_check_accepts(count: int, text: str, mode: str, color: Color) -> None:
    value = {"text": text, "count": count, "mode": mode, "color": color.value}
    jsonschema.validate(value, everything.parameters)
    assert everything.arguments(msgspec.json.encode(value).decode()) == value | {"color": color}


def no_type(x) -> None: ...  # type: ignore[no-untyped-def]
def starred(*words: str) -> None: ...
def double_starred(**words: str) -> None: ...
def positional(x: int, /) -> None: ...
def callback(x: complex) -> None: ...
def unresolved(x: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("fn", "fix"),
    [
        (no_type, "'x' has no type; write for example `x: str`"),
        (starred, r"\*words cannot be described"),
        (double_starred, r"\*\*words cannot be described"),
        (positional, "remove the `/`"),
        (callback, "'x' has type <class 'complex'>, which a model cannot send"),
        (unresolved, "define it at module level"),
    ],
)
def test_a_signature_that_no_json_can_fill_is_refused_with_the_fix(fn: Any, fix: str) -> None:
    with pytest.raises(DefinitionError, match=fix):
        tool(fn)


def test_a_default_that_is_not_json_is_left_out_of_the_schema() -> None:
    unset = object()

    def act(x: Any = unset) -> None: ...

    assert tool(act).parameters["properties"]["x"] == {}


def test_a_plain_tool_loads_neither_pydantic_nor_the_docstring_parser() -> None:
    code = (
        "from busagents.domain.tool import tool\n"
        "import sys\n"
        "@tool\n"
        "def act(x: int) -> int:\n"
        "    'Act.'\n"
        "    return x\n"
        "act.arguments('{\"x\": 1}')\n"
        "print([m for m in ('pydantic', 'docstring_parser', 'jsonschema') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
