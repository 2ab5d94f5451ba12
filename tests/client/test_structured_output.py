"""Structured answers: a type or schema asked for, checked, asked for again, and given as that type."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict

import msgspec
import pydantic
import pytest

from busagents import Agent
from busagents.errors import DefinitionError, InvalidInput, TaskFailed
from busagents.ports.model import ModelRequest
from busagents.testing import ScriptedModel, say
from tests.support.participants import running

Fresh = Callable[[str], str]


class WeatherStruct(msgspec.Struct):
    city: str
    degrees: float


@dataclass
class WeatherData:
    city: str
    degrees: int


class WeatherDict(TypedDict):
    city: str
    degrees: float


class WeatherModel(pydantic.BaseModel):
    city: str
    degrees: float

    @pydantic.field_validator("degrees")
    @classmethod
    def above_absolute_zero(cls, value: float) -> float:
        if value < -273.15:
            raise ValueError("below absolute zero")
        return value


class Forecast(msgspec.Struct):
    days: list[WeatherStruct]


SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "number"}},
    "required": ["city", "degrees"],
}
ANSWER = {"city": "Graz", "degrees": 21.0}


@pytest.mark.parametrize(
    ("output_type", "expected"),
    [
        (WeatherStruct, WeatherStruct("Graz", 21.0)),
        (WeatherData, WeatherData("Graz", 21)),  # to JSON Schema 21.0 is an integer
        (WeatherDict, ANSWER),
        (WeatherModel, WeatherModel(city="Graz", degrees=21.0)),
        (SCHEMA, ANSWER),
    ],
    ids=["struct", "dataclass", "typed-dict", "pydantic", "json-schema"],
)
async def test_the_answer_comes_as_the_type_asked_for(bus_url: str, fresh: Fresh, output_type: Any, expected: Any) -> None:
    async with running(bus_url, Agent(name := fresh("a"), model=ScriptedModel([say(json.dumps(ANSWER))]))) as client:
        task = await client.send(name, "weather?", output_type=output_type)
        result = await task.result()
        assert result.output == expected
        assert type(result.output) is type(expected)
        assert json.loads(result.text) == ANSWER
        again = await client.task(task.id, output_type=output_type)
        assert (await again.result()).output == expected
        assert (await (await client.task(task.id)).result()).output == ANSWER  # without a type: the JSON value


async def test_types_within_types_and_plain_types_work_too(bus_url: str, fresh: Fresh) -> None:
    async with running(
        bus_url,
        Agent(nested := fresh("a"), model=ScriptedModel([say(json.dumps({"days": [ANSWER, ANSWER]}))])),
        Agent(numbers := fresh("b"), model=ScriptedModel([say("```json\n[1, 2, 3]\n```")])),
    ) as client:
        result = await (await client.send(nested, "weather?", output_type=Forecast)).result()
        assert result.output == Forecast([WeatherStruct("Graz", 21.0)] * 2)
        assert (await (await client.send(numbers, "count", output_type=list[int])).result()).output == [1, 2, 3]


async def test_the_model_is_asked_again_and_told_what_is_wrong(bus_url: str, fresh: Fresh) -> None:
    asked: list[ModelRequest] = []
    answers = iter(["It is warm.", '{"city": "Graz"}', json.dumps(ANSWER)])

    def model(request: ModelRequest) -> Any:
        asked.append(request)
        return say(next(answers))

    async with running(bus_url, Agent(name := fresh("a"), model=ScriptedModel(model))) as client:
        result = await (await client.send(name, "weather?", output_type=WeatherStruct)).result()
    assert result.output == WeatherStruct("Graz", 21.0)
    assert result.usage.total_tokens == 3 * 15
    assert all(request.output_schema is not None for request in asked)
    told = [request.messages[-1].text for request in asked]
    assert told[0] == "weather?"
    assert "not JSON" in told[1]
    assert "degrees" in told[2]


async def test_an_answer_that_never_fits_fails_the_task_with_the_reason(bus_url: str, fresh: Fresh) -> None:
    model = ScriptedModel(lambda request: say('{"city": 7, "degrees": 1}'))
    async with running(bus_url, Agent(name := fresh("a"), model=model)) as client:
        task = await client.send(name, "weather?", output_type=WeatherStruct)
        with pytest.raises(TaskFailed, match=r"\$\.city: 7 is not of type 'string'") as failed:
            await task.result()
        assert failed.value.reason == "output_invalid"
        assert (await client.task_info(task.id)).turns < 10


async def test_checks_of_the_type_itself_are_the_callers_and_named(bus_url: str, fresh: Fresh) -> None:
    model = ScriptedModel([say('{"city": "Graz", "degrees": -300}')])
    async with running(bus_url, Agent(name := fresh("a"), model=model)) as client:
        with pytest.raises(InvalidInput, match=r"(?s)WeatherModel.*below absolute zero"):
            await (await client.send(name, "weather?", output_type=WeatherModel)).result()


class NoSchema:
    """A class that says nothing about its fields."""


@pytest.mark.parametrize(
    "output_type",
    [NoSchema, {"type": "nonsense"}, {"properties": []}, {"$ref": "#/$defs/missing"}, {"$ref": "http://127.0.0.1:1/schema"}, 17],
    ids=["class", "type", "properties", "dangling-ref", "remote-ref", "value"],
)
async def test_what_is_no_schema_is_refused_before_anything_is_sent(bus_url: str, fresh: Fresh, output_type: Any) -> None:
    async with running(bus_url, Agent(name := fresh("a"), model=ScriptedModel([say("ok")]))) as client:
        with pytest.raises(DefinitionError):
            await client.send(name, "weather?", output_type=output_type)
        assert await client.tasks(participant=name) == []


async def test_a_schema_that_refers_within_itself_is_fine(bus_url: str, fresh: Fresh) -> None:
    schema = {
        "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}, "additionalProperties": False}},
        "$ref": "#/$defs/node",
    }
    async with running(bus_url, Agent(name := fresh("a"), model=ScriptedModel([say('{"next": {"next": {}}}')]))) as client:
        result = await (await client.send(name, "a list", output_type=schema)).result()
        assert result.output == {"next": {"next": {}}}
