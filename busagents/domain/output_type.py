"""Structured output: the JSON Schema of a Python type, and a recorded JSON value as that type again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from busagents.errors import DefinitionError, InvalidInput

if TYPE_CHECKING:
    from referencing import Resource
    from referencing._core import Resolver


def output_schema(output_type: Any) -> dict[str, Any]:
    """The schema of a msgspec Struct, dataclass, TypedDict, pydantic model, plain type, or JSON Schema (a dict).

    Raises:
        DefinitionError: the type has no JSON Schema, or the schema is none.
    """
    if isinstance(output_type, dict):
        return _checked(output_type)
    if hasattr(output_type, "model_json_schema"):  # pydantic, without importing it
        schema: dict[str, Any] = output_type.model_json_schema()
        return schema
    try:
        schema = msgspec.json.schema(output_type)
    except TypeError as error:
        raise DefinitionError(
            f"output_type={output_type!r} has no JSON Schema ({error}): use a Struct, dataclass or schema"
        ) from None
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    if name and set(schema["$defs"]) == {name} and "#/$defs/" not in str(schema["$defs"][name]):
        return dict(schema["$defs"][name])  # inlined: some providers want an object at the root
    return schema


def _checked(schema: dict[str, Any]) -> dict[str, Any]:
    from jsonschema import Draft202012Validator, SchemaError  # 60 ms to import, and few tasks need it
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012, EMPTY_REGISTRY

    try:
        Draft202012Validator.check_schema(schema)
        resource = DRAFT202012.create_resource(schema)
        _check_references(resource, EMPTY_REGISTRY.resolver_with_root(resource))
    except SchemaError as error:
        raise DefinitionError(f"output_type is no JSON Schema: {error.json_path}: {error.message}") from None
    except Unresolvable as error:
        raise DefinitionError(
            f"output_type refers to {error.ref!r}, which it does not hold: put it under $defs; nothing is fetched"
        ) from None
    return schema


def _check_references(resource: Resource[Any], resolver: Resolver[Any]) -> None:
    """Look every `$ref` up, without fetching anything. Raises Unresolvable."""
    if isinstance(resource.contents, dict) and isinstance(reference := resource.contents.get("$ref"), str):
        resolver.lookup(reference)
    for part in resource.subresources():
        _check_references(part, resolver.in_subresource(part))


def convert_output(value: Any, output_type: Any) -> Any:
    """The value as `output_type`; as it is when that was a JSON Schema.

    Raises:
        InvalidInput: it fits the schema but not the type's own further checks.
    """
    if output_type is None or isinstance(output_type, dict):
        return value
    try:
        if hasattr(output_type, "model_validate"):
            return output_type.model_validate(value)
        return msgspec.convert(value, output_type, strict=False)  # it fits the schema, to which 1.0 is an integer too
    except ValueError as error:  # msgspec.ValidationError and pydantic's are both
        raise InvalidInput(f"the answer does not convert to {getattr(output_type, '__name__', output_type)!r}: {error}") from None
