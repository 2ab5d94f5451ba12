"""An answer as JSON that fits the schema a caller asked for: filled from the prompt where names match, else with defaults."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from busagents.adapters.offline.reading import Reading
from busagents.adapters.offline.values import MAX_DEPTH, NOTHING, Values, type_of

_FORMATS = {
    "date": "2000-01-01",
    "date-time": "2000-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "nobody@example.org",
    "uri": "https://example.org",
    "uuid": "00000000-0000-0000-0000-000000000000",
}


def structured_answer(schema: Mapping[str, Any], reading: Reading, body: str, known: Mapping[str, Any] | None = None) -> str:
    """JSON text. `body` fills long text fields and lists of text; `known` has values by the names of fields."""
    return msgspec.json.encode(_Filler(schema, reading, body, known or {}).fill("", schema, 0)).decode()


class _Filler:
    """Walks the schema; every required field gets a value of its type within its bounds."""

    def __init__(self, root: Mapping[str, Any], reading: Reading, body: str, known: Mapping[str, Any]) -> None:
        self._values = Values(reading, root, body)
        self._known = known

    def fill(self, name: str, schema: Mapping[str, Any], depth: int) -> Any:
        schema = self._values.resolve(schema)
        kind = type_of(schema)
        if kind == "object":
            return self._object(schema, depth)
        found = self._known[name] if self._is_known(name, schema) else self._values.find(name, schema, required=True, depth=depth)
        if "const" in schema or ("enum" in schema and found is not NOTHING):
            return found
        if "enum" in schema:
            return schema.get("default", schema["enum"][0])
        return self._array(name, schema, found, depth) if kind == "array" else _bounded(kind, schema, found)

    def _is_known(self, name: str, schema: Mapping[str, Any]) -> bool:
        """True if there is a value for the field that is of its type."""
        value = self._known.get(name)
        if value is None or "const" in schema:
            return False
        if "enum" in schema:
            return value in schema["enum"]
        match type_of(schema):
            case "string":
                return isinstance(value, str)
            case "boolean":
                return isinstance(value, bool)
            case "integer":
                return isinstance(value, int) and not isinstance(value, bool)
            case "number":
                return isinstance(value, int | float) and not isinstance(value, bool)
            case "array":
                items = type_of(self._values.resolve(schema.get("items", {})))
                return items == "string" and isinstance(value, list) and all(isinstance(item, str) for item in value)
        return False

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        required = schema.get("required", ())
        fields = schema.get("properties", {})
        wanted = [name for name in fields if name in required or depth < MAX_DEPTH // 2]
        filled = {name: self.fill(name, fields[name], depth + 1) for name in wanted}
        return filled | {name: "" for name in required if name not in fields}

    def _array(self, name: str, schema: Mapping[str, Any], found: Any, depth: int) -> list[Any]:
        items = schema.get("items", {})
        inner = self._values.resolve(items)
        values = [_bounded(type_of(inner), inner, value) for value in found] if isinstance(found, list) else []
        values = values[: schema.get("maxItems", len(values))]
        while len(values) < schema.get("minItems", 0):
            values.append(self.fill(name, items, depth + 1))
        return values


def _bounded(kind: str, schema: Mapping[str, Any], found: Any) -> Any:
    """What was found, or a default, as a value of the type and within its bounds."""
    if "enum" in schema or "const" in schema:
        return found
    match kind:
        case "string":
            return _string(schema, found)
        case "integer" | "number":
            return _number(schema, found, kind)
        case "boolean":
            return found is True
        case "null":
            return None
    return found if found is not NOTHING else {}


def _string(schema: Mapping[str, Any], found: Any) -> str:
    text = found if isinstance(found, str) else str(schema.get("default", _FORMATS.get(str(schema.get("format", "")), "")))
    return text[: schema.get("maxLength", len(text))].ljust(schema.get("minLength", 0), ".")


def _number(schema: Mapping[str, Any], found: Any, kind: str) -> float:
    value = found if isinstance(found, int | float) else schema.get("default", 0)
    step = 1 if kind == "integer" else 1e-6
    lowest = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf) + step)
    highest = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf) - step)
    bounded: float = min(max(value, lowest), highest)
    multiple = schema.get("multipleOf")
    if multiple is None:
        return bounded
    above: float = math.ceil(bounded / multiple) * multiple
    return above if above <= highest else math.floor(bounded / multiple) * multiple
