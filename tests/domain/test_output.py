"""Structured output: the schema of a type, what fits it, and the answer as that type again."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Literal

import msgspec
import pytest
from event_strategies import json_values
from hypothesis import given

from busagents.domain.output import parse_output
from busagents.domain.output_type import convert_output, output_schema
from busagents.errors import DefinitionError, InvalidInput


class Point(msgspec.Struct):
    x: int
    y: int = 0


class Line(msgspec.Struct):
    start: Point
    end: Point


@dataclasses.dataclass
class Size:
    unit: Literal["cm", "in"]
    value: float


POINT = {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}, "required": ["x"]}


@given(json_values)
def test_any_json_fits_the_schema_without_a_rule(value: Any) -> None:
    assert parse_output(msgspec.json.encode(value).decode(), {}) == (value, None)


@pytest.mark.parametrize("text", ['{"x": 1}', '```json\n{"x": 1}\n```', '```\n{"x": 1}\n```', '\n ```json\n{"x": 1}\n```  \n'])
def test_a_value_is_found_with_or_without_a_code_fence_around_it(text: str) -> None:
    assert parse_output(text, POINT) == ({"x": 1}, None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("I think it is 1.", "it is not JSON"),
        ("", "it is not JSON"),
        ('{"x": 1} and more', "it is not JSON"),
        ('{"y": 1}', r"\$: 'x' is a required property"),
        ('{"x": "one"}', r"\$\.x: 'one' is not of type 'integer'"),
        ("[1]", r"\$: \[1\] is not of type 'object'"),
    ],
)
def test_what_does_not_fit_is_said_with_its_place_in_the_value(text: str, problem: str) -> None:
    value, said = parse_output(text, POINT)
    assert value is None
    assert said is not None
    assert re.search(problem, said)


def test_several_mistakes_are_said_at_once() -> None:
    _, said = parse_output('{"x": "one", "y": "two"}', POINT)
    assert said == "$.x: 'one' is not of type 'integer'; $.y: 'two' is not of type 'integer'."


def test_a_schema_is_taken_as_it_is() -> None:
    assert output_schema(POINT) is POINT
    assert convert_output({"x": "anything"}, POINT) == {"x": "anything"}
    assert convert_output({"x": 1}, None) == {"x": 1}


def test_a_type_without_others_in_it_has_an_object_at_the_root_of_its_schema() -> None:
    assert output_schema(Point)["type"] == "object"
    assert "$defs" not in output_schema(Point)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Point, Point(1, 2)),
        (Line, Line(Point(1), Point(2))),
        (Size, Size("cm", 2.5)),
        (list[int], [1, 2]),
        (dict[str, Point], {"a": Point(3)}),
    ],
)
def test_a_value_of_a_type_fits_the_types_schema_and_converts_back(kind: Any, value: Any) -> None:
    plain, problem = parse_output(msgspec.json.encode(value).decode(), output_schema(kind))
    assert problem is None
    assert convert_output(plain, kind) == value


def test_a_pydantic_model_is_a_type_as_any_other() -> None:
    from pydantic import BaseModel, field_validator

    class Even(BaseModel):
        n: int

        @field_validator("n")
        @classmethod
        def even(cls, n: int) -> int:
            if n % 2:
                raise ValueError("odd")
            return n

    assert output_schema(Even)["properties"]["n"]["type"] == "integer"
    assert convert_output({"n": 2}, Even) == Even(n=2)
    with pytest.raises(InvalidInput, match="does not convert to 'Even'"):
        convert_output({"n": 3}, Even)


def test_a_type_without_a_schema_is_refused_with_what_would_do() -> None:
    with pytest.raises(DefinitionError, match=r"(?s)has no JSON Schema.*use a Struct"):
        output_schema(object)
