"""The OpenAPI document against the running server: what it promises is so, whatever is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jsonschema
import pytest_asyncio
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, GenerationMode
from schemathesis import checks as checked
from schemathesis.specs.openapi import checks as promised

from busagents import FunctionTask, agent
from busagents.adapters.memory.bus import MemoryBus
from busagents.adapters.memory.store import MemoryStore
from busagents.bootstrap.gateway_bus import BusOfGateway
from busagents.gateway.app import make_app
from busagents.gateway.callers import caller_of
from busagents.gateway.exposure import Exposure
from busagents.gateway.plain import Plain
from busagents.gateway.session_events import LoggedSessions
from tests.support.gateways import gateway
from tests.support.http_server import serving
from tests.support.workers import working

EXAMPLES = 12  # of each operation, so that all of it takes seconds
CHECKS = [
    checked.not_a_server_error,
    promised.status_code_conformance,
    promised.content_type_conformance,
    promised.response_schema_conformance,
    promised.response_headers_conformance,
    promised.unsupported_method,
]


@pytest_asyncio.fixture
async def base() -> AsyncIterator[str]:
    """Where the echo service is served."""
    store = MemoryStore()
    async with working(store, echo), gateway(MemoryBus(store)) as service:
        seen = BusOfGateway(MemoryBus(store))
        plain = Plain(service, caller_of=caller_of, sessions=LoggedSessions(seen, Exposure(seen)))
        async with serving(make_app(service, extra_routes=[plain])) as url:
            yield url
        await seen.close()


@agent("echo")
async def echo(task: FunctionTask) -> Any:
    """Says it again."""
    return task.text


async def document(base: str) -> dict[str, Any]:
    """The document as it is served."""
    async with httpx.AsyncClient(base_url=base) as client:
        answer = await client.get("/openapi.json")
        assert answer.headers["content-type"] == "application/json"
        found: dict[str, Any] = answer.json()
        return found


async def a_task(base: str) -> str:
    """The id of a task that has ended."""
    async with httpx.AsyncClient(base_url=base) as client:
        answer = await client.post("/v1/tasks", json={"agent": "echo", "text": "hi", "wait": True})
        return str(answer.json()["id"])


def tried(raw: dict[str, Any], base: str, method: str, path: str, task: str) -> int:
    """Generated requests to one operation, each answer checked. How many there were. Some are about the agent and the task that
    there are.
    """
    schema = schemathesis.openapi.from_dict(raw)
    schema.config.update(base_url=f"{base}/v1")
    operation = schema[path][method]
    count = 0

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @cases(operation)
    def each(case: Any) -> None:
        nonlocal count
        count += 1
        if isinstance(case.body, dict) and count % 2:
            case.body |= {name: value for name, value in {"agent": "echo", "wait": 0.05}.items() if name in case.body}
        if path.startswith("/tasks/") and count % 3:
            case.path_parameters["id"] = task
        case.call_and_validate(checks=CHECKS, timeout=10)

    each()
    return count


def cases(operation: APIOperation) -> Any:
    """Good ones, and bad ones where there is something that can be bad."""
    good = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if not (operation.body or operation.query or operation.path_parameters):
        return given(good)
    return given(good | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))


async def test_every_answer_is_one_that_the_document_promises(base: str) -> None:
    raw, task = await document(base), await a_task(base)
    for path, methods in raw["paths"].items():
        for method in methods:
            if method != "parameters":
                assert await asyncio.to_thread(tried, raw, base, method, path, task)


async def test_the_document_names_every_operation_and_only_schemas_that_are_there(base: str) -> None:
    raw = await document(base)
    assert raw["openapi"] == "3.1.0"
    assert {
        "/tasks",
        "/tasks/{id}",
        "/tasks/{id}/reply",
        "/tasks/{id}/cancel",
        "/tasks/{id}/events",
        "/sessions/{id}/events",
        "/agents",
    } == set(raw["paths"])
    for name, schema in raw["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema.get("description") or name == "State"
    text = str(raw)
    for name in raw["components"]["schemas"]:
        text = text.replace(f"#/components/schemas/{name}'", "")
    assert "#/components/schemas/" not in text
