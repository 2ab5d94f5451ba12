"""The OpenAPI 3.1 document of plain HTTP, made of the table of its operations and of the structs they take and give. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import msgspec

from busagents.gateway import plain_types as p
from busagents.gateway.plain_operations import STREAM, Operation
from busagents.gateway.types import TaskState

JSON = dict[str, Any]

_REF = "#/components/schemas/{name}"
_WHY = {
    400: "Something in the request is wrong; `errors` has the fields.",
    401: "The caller did not say who it is.",
    403: "The caller, or the web page it comes from, may not do this.",
    404: "There is no such task or session, or it is not this caller's.",
    408: "The body did not arrive in time.",
    409: "Not in the state the task is in.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    421: "The host name is not one of this gateway's.",
    429: "Too many requests, or too many open at once.",
    500: "A defect.",
    503: "The bus does not answer, or this replica is being stopped: try again.",
}
_ALWAYS = (400, 401, 403, 421, 429, 500, 503)
_OF_BODY = (408, 413, 415)
_GUARDS = (401, 403, 408, 413, 421, 429, 503)  # what stands before the operations answers in its own way
_RETRY = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}


def document(operations: Sequence[Operation], prefixes: Sequence[str], *, auth: bool, version: str) -> JSON:
    """The document of these operations below each of the prefixes. `auth`: callers must say who they are."""
    types = [p.Event, p.Problem, p.Refusal]
    types += [kind for one in operations for kind in (one.body, *one.answers.values()) if kind is not None]
    unique = list({id(kind): kind for kind in types}.values())
    found, schemas = msgspec.json.schema_components(unique, ref_template=_REF)
    refs = {id(kind): schema for kind, schema in zip(unique, found, strict=True)}
    schemas["State"] = {"type": "string", "enum": list(get_args(TaskState)), "description": "Where a task is."}
    for name in ("NewTask", "Reply"):
        if name in schemas:
            schemas[name]["anyOf"] = [{"required": ["text"]}, {"required": ["data"]}]
    paths: JSON = {}
    for one in operations:
        paths.setdefault(one.path, _shared(one.path))[one.method.lower()] = _operation(one, refs)
    made: JSON = {
        "openapi": "3.1.0",
        "info": {
            "title": "busagents",
            "version": version,
            "summary": "Tasks for the agents of a bus, over plain HTTP.",
            "description": "The same tasks as over A2A: what was begun here can be gone on with there, and the other way round.",
        },
        "servers": [{"url": prefix} for prefix in prefixes],
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if auth:
        made["components"]["securitySchemes"] = {
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "bearer": {"type": "http", "scheme": "bearer", "description": "A key, or a token if the gateway takes them."},
        }
        made["security"] = [{"bearer": []}, {"key": []}]
    return made


def _shared(path: str) -> JSON:
    if "{id}" not in path:
        return {}
    what = "session" if path.startswith("/sessions") else "task"
    schema: JSON = {"type": "string", "minLength": 1}
    if what == "session":
        schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
    parameter = {"name": "id", "in": "path", "required": True, "description": f"The id of the {what}.", "schema": schema}
    return {"parameters": [parameter]}


def _operation(one: Operation, refs: dict[int, JSON]) -> JSON:
    responses = {str(status): _answer(one, status, kind, refs) for status, kind in one.answers.items()}
    statuses = sorted({*_ALWAYS, *one.problems, *(_OF_BODY if one.body is not None else ())})
    responses |= {str(status): _problem(status, refs) for status in statuses}
    made: JSON = {"operationId": one.handler, "summary": one.summary, "description": one.description}
    if one.parameters:
        made["parameters"] = [
            {"name": item.name, "in": item.place, "description": item.description, "schema": item.schema}
            for item in one.parameters
        ]
    if one.body is not None:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": refs[id(one.body)]}}}
    return {**made, "responses": responses}


def _answer(one: Operation, status: int, kind: Any, refs: dict[int, JSON]) -> JSON:
    if kind is None:
        return {"description": "Nothing more comes."}
    if one.events:
        # The schema is of each event, as OpenAPI 3.2 has it and tools read it in 3.1 too.
        data = {"type": "string", "contentMediaType": "application/json", "contentSchema": refs[id(kind)]}
        event = {"type": "object", "properties": {"id": {"type": "string"}, "data": data}, "required": ["data"]}
        return {"description": "A stream; the schema is of each of its events.", "content": {STREAM: {"schema": event}}}
    made: JSON = {
        "description": "Not yet done." if status == 202 else "Done.",
        "content": {"application/json": {"schema": refs[id(kind)]}},
    }
    if one.body is not None:
        made["headers"] = {
            "Location": {
                "description": "Where the task is.",
                "required": True,
                "schema": {"type": "string", "format": "uri-reference"},
            }
        }
    return made


def _problem(status: int, refs: dict[int, JSON]) -> JSON:
    content: JSON = {}
    if status not in (401, 403, 421):
        content["application/problem+json"] = {"schema": refs[id(p.Problem)]}
    if status in _GUARDS:
        content["application/json"] = {"schema": refs[id(p.Refusal)]}
    made: JSON = {"description": _WHY[status], "content": content}
    if status in (429, 503):
        made["headers"] = _RETRY
    return made
