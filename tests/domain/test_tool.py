"""The `@tool` decorator: what is declared, what is refused, and how results become text."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from busagents.domain.tool import Tool, encode_result, tool
from busagents.domain.tool_context import ToolContext
from busagents.errors import DefinitionError
from busagents.tools.local_context import LocalToolContext


@tool
def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


def test_a_decorated_function_is_still_called_as_a_function() -> None:
    assert isinstance(add, Tool)
    assert add(1, b=4) == 5


def test_a_tool_takes_its_name_and_description_from_the_function() -> None:
    assert (add.name, add.description) == ("add", "Add two numbers.")


def test_without_a_word_a_tool_is_never_repeated() -> None:
    assert add.recovery == "at_most_once"


def test_a_tool_says_how_it_recovers() -> None:
    def act(x: str) -> str:
        return x

    assert tool(idempotent=True)(act).recovery == "idempotent"
    assert tool(read_only=True)(act).recovery == "read_only"


def test_a_tool_cannot_be_both_idempotent_and_read_only() -> None:
    with pytest.raises(DefinitionError, match="keep read_only if it changes nothing"):
        tool(idempotent=True, read_only=True)(add.fn)


async def count(n: int) -> AsyncIterator[str]:
    for index in range(n):
        yield str(index)


async def wait(n: int) -> int:
    return n


@pytest.mark.parametrize(("fn", "form"), [(add.fn, "sync"), (wait, "async"), (count, "generator")])
def test_the_form_of_a_function_is_found(fn: Callable[..., Any], form: str) -> None:
    assert tool(fn).form == form


def test_the_context_is_passed_by_the_runtime_and_hidden_from_the_model() -> None:
    @tool
    def remember(text: str, ctx: ToolContext) -> None:
        ctx.state.set("text", text)

    context = LocalToolContext()
    remember(**remember.arguments('{"text": "hello"}'), **{str(remember.context_parameter): context})

    assert remember.context_parameter == "ctx"
    assert list(remember.parameters["properties"]) == ["text"]
    assert context.state.get("text") == "hello"


def test_two_contexts_are_refused() -> None:
    def act(one: ToolContext, two: ToolContext) -> None: ...

    with pytest.raises(DefinitionError, match="'one' and 'two'"):
        tool(act)


@pytest.mark.parametrize("name", ["", "two words", "x" * 65, "döner", "a.b", "name\n"])
def test_a_name_that_models_refuse_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match="1 to 64 letters"):
        tool(name=name)(add.fn)


@pytest.mark.parametrize("timeout", [0, -1.0, math.nan, math.inf])
def test_a_timeout_must_be_a_real_span(timeout: float) -> None:
    with pytest.raises(DefinitionError, match="seconds above 0"):
        tool(timeout=timeout)(add.fn)


def test_a_tool_must_be_a_function() -> None:
    with pytest.raises(DefinitionError, match="decorate a def"):
        tool(dict)


GOOGLE = """Find things.

    Looks everywhere.

    Args:
        query: What to find.

    Returns:
        The things.
    """
NUMPY = """Find things.

    Looks everywhere.

    Parameters
    ----------
    query : str
        What to find.
    """
REST = """Find things.

    Looks everywhere.

    :param query: What to find.
    :returns: The things.
    """


@pytest.mark.parametrize("docstring", [GOOGLE, NUMPY, REST], ids=["google", "numpy", "rest"])
def test_parameter_texts_come_from_any_common_docstring_style(docstring: str) -> None:
    def find(query: str) -> None: ...

    find.__doc__ = docstring
    found = tool(find)
    assert found.parameters["properties"]["query"]["description"] == "What to find."
    assert "Looks everywhere." in found.description
    assert "What to find." not in found.description


class Point(msgspec.Struct):
    x: int


@dataclasses.dataclass
class Pair:
    left: str
    right: float


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        (None, "done"),
        (5, "5"),
        (True, "true"),
        ([1, "a"], '[1,"a"]'),
        ({"k": None}, '{"k":null}'),
        ({1: "one"}, '{"1":"one"}'),
        (Point(3), '{"x":3}'),
        ([Pair("a", 0.5)], '[{"left":"a","right":0.5}]'),
    ],
)
def test_a_result_becomes_text_for_the_model(value: Any, text: str) -> None:
    assert encode_result(value) == text


def test_a_pydantic_result_becomes_json() -> None:
    import pydantic

    class City(pydantic.BaseModel):
        name: str

    assert encode_result([City(name="Oslo")]) == '[{"name":"Oslo"}]'


def test_a_result_that_is_not_json_says_which_type_it_was() -> None:
    with pytest.raises(DefinitionError, match="type object is not JSON"):
        encode_result(object())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_lacks_is_refused_with_its_place(value: float) -> None:
    with pytest.raises(DefinitionError, match=r"result\.rates\[1\] is"):
        encode_result({"rates": [1.0, value]})


def test_a_text_that_utf8_cannot_hold_is_mended_so_that_it_can_be_stored() -> None:
    assert encode_result("a\ud800b") == "a\N{REPLACEMENT CHARACTER}b"


def test_a_result_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(DefinitionError, match="type list is not JSON"):
        encode_result(loop)
