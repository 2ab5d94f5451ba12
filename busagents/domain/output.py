"""Structured output: does a model's text fit the JSON Schema a caller asked for?"""

from __future__ import annotations

import re
from typing import Any

import msgspec

_FENCED = re.compile(r"^\s*```(?:json)?\s*\n(.*?)\n\s*```\s*$", re.DOTALL)


def parse_output(text: str, schema: dict[str, Any]) -> tuple[Any, str | None]:
    """The JSON value in `text` and None, or None and what is wrong with it, in words for the model.

    A value in a Markdown code fence is accepted: models add one however they are asked.
    """
    fenced = _FENCED.match(text)
    try:
        value = msgspec.json.decode(fenced[1] if fenced else text)
    except msgspec.DecodeError as error:
        return None, f"it is not JSON ({error})."
    problem = check_output(value, schema)
    return (value, None) if problem is None else (None, problem)


def check_output(value: Any, schema: dict[str, Any]) -> str | None:
    """What is wrong with a JSON value, in words for the model; None if it fits the schema."""
    from jsonschema import Draft202012Validator, SchemaError  # 60 ms to import, and few tasks need it
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import EMPTY_REGISTRY  # unlike the default, it fetches nothing

    try:
        Draft202012Validator.check_schema(schema)
        errors = sorted(
            Draft202012Validator(schema, registry=EMPTY_REGISTRY).iter_errors(value),
            key=lambda problem: list(map(str, problem.path)),
        )
    except (SchemaError, Unresolvable, RecursionError, re.error) as error:
        said = error.message if isinstance(error, SchemaError) else str(error)
        return f"the schema itself cannot be used, and no answer can fit it ({type(error).__name__}: {said[:300]})."
    if not errors:
        return None
    return "; ".join(f"{_path(error.absolute_path)}: {error.message}" for error in errors[:5]) + "."


def _path(path: Any) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
