"""A function's signature as JSON Schema, and the same types as the check of what a model sends.

The schema follows JSON Schema 2020-12: one object, no unknown fields, shared types under `$defs`.
"""

from __future__ import annotations

import difflib
import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

import msgspec

from busagents.domain.tool_context import ToolContext
from busagents.errors import DefinitionError, ToolArgumentsInvalid


@dataclass(frozen=True)
class Field:
    """One parameter that the model fills in."""

    name: str
    type: Any
    required: bool


@dataclass(frozen=True)
class Signature:
    """A tool's parameters: what the model is shown (`schema`) and what its arguments are checked against (`fields`)."""

    fields: tuple[Field, ...]
    schema: dict[str, Any]
    context_parameter: str | None

    def arguments(self, tool: str, json_text: str) -> dict[str, Any]:
        """Parse and check a model's arguments. Fields that were not sent are left to the function's own defaults.

        A value that does not fit is converted if its meaning is plain ("5" → 5).

        Raises:
            ToolArgumentsInvalid: says every field that is wrong, what is expected, and lists the parameters.
        """
        sent = self._parse(tool, json_text)
        known = {field.name: field for field in self.fields}
        problems = [_unknown(name, list(known)) for name in sent if name not in known]
        result: dict[str, Any] = {}
        for field in self.fields:
            if field.name not in sent:
                if field.required:
                    problems.append(f"`{field.name}` is required and missing")
                continue
            try:
                result[field.name] = _convert(sent[field.name], field.type)
            except msgspec.ValidationError as problem:
                problems.append(f"`{field.name}` is wrong: {problem}")
        if problems:
            raise ToolArgumentsInvalid(self._explain(tool, "; ".join(problems)))
        return result

    def _parse(self, tool: str, json_text: str) -> dict[str, Any]:
        if not json_text.strip():  # what some models send for a tool without parameters
            return {}
        try:
            sent = msgspec.json.decode(json_text)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as problem:
            raise ToolArgumentsInvalid(self._explain(tool, f"the arguments are not valid JSON ({problem})")) from None
        if sent is None:
            return {}
        if not isinstance(sent, dict):
            raise ToolArgumentsInvalid(self._explain(tool, f"the arguments are not a JSON object but {json_text[:60]!r}"))
        return sent

    def _explain(self, tool: str, problem: str) -> str:
        listed = ", ".join(_describe(name, prop, self.schema) for name, prop in self.schema["properties"].items())
        return f"{tool} was not run: {problem}. Parameters: {listed or 'none'}. Call it again with corrected arguments."


def read_signature(fn: Callable[..., Any], tool: str, descriptions: dict[str, str]) -> Signature:
    """Derive the parameters of the tool `tool` from the function's signature.

    `descriptions` are texts per parameter, from the docstring; a text in `Annotated[...]` goes first.

    Raises:
        DefinitionError: a parameter that no JSON object can fill; names it and the fix.
    """
    hints = _hints(fn, tool)
    context: str | None = None
    fields: list[Field] = []
    defaults: dict[str, Any] = {}
    for name, parameter in inspect.signature(fn).parameters.items():
        _check_kind(tool, parameter)
        if name not in hints:
            raise DefinitionError(f"tool {tool!r}: parameter {name!r} has no type; write for example `{name}: str`")
        if _is_context(hints[name]):
            if context is not None:
                raise DefinitionError(f"tool {tool!r} has two ToolContext parameters, {context!r} and {name!r}: keep one")
            context = name
            continue
        required = parameter.default is inspect.Parameter.empty
        fields.append(Field(name, hints[name], required))
        if not required:
            defaults[name] = parameter.default
    schema = _object_schema(tool, fields, defaults, descriptions)
    return Signature(tuple(fields), schema, context)


def _hints(fn: Callable[..., Any], tool: str) -> dict[str, Any]:
    """The parameters' types. The return type is left out: it need not be importable when the tool runs."""
    plain = inspect.unwrap(getattr(fn, "__func__", fn))
    annotations = {name: hint for name, hint in inspect.get_annotations(plain).items() if name != "return"}
    holder = types.SimpleNamespace(__annotations__=annotations)
    try:
        return typing.get_type_hints(holder, globalns=getattr(plain, "__globals__", {}), include_extras=True)
    except NameError as problem:
        raise DefinitionError(
            f"tool {tool!r}: a parameter's type cannot be resolved ({problem}); "
            "import or define it at module level, not inside `if TYPE_CHECKING:` or a function"
        ) from None


def _check_kind(tool: str, parameter: inspect.Parameter) -> None:
    if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
        stars = "*" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else "**"
        raise DefinitionError(
            f"tool {tool!r}: {stars}{parameter.name} cannot be described to a model; "
            f"name each parameter, or use one `{parameter.name}: list[str]` or `dict[str, str]`"
        )
    if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
        raise DefinitionError(f"tool {tool!r}: parameter {parameter.name!r} is positional-only; remove the `/`")


def _is_context(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    return hint is ToolContext or ToolContext in get_args(hint)


def _object_schema(tool: str, fields: list[Field], defaults: dict[str, Any], descriptions: dict[str, str]) -> dict[str, Any]:
    foreign: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    shared: dict[str, Any] = {}
    for field in fields:
        prop, components = _type_schema(tool, field, foreign)
        shared |= components
        text = _annotated_text(field.type) or descriptions.get(field.name)
        if text:
            prop.setdefault("description", text)
        if field.name in defaults:
            _add_default(prop, defaults[field.name])
        properties[field.name] = prop
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required := [field.name for field in fields if field.required]:
        schema["required"] = required
    if shared | foreign:
        schema["$defs"] = shared | foreign
    _drop_titles(schema)
    return schema


def _type_schema(tool: str, field: Field, foreign: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    def hook(kind: type) -> dict[str, Any]:
        if not _is_pydantic(kind):
            raise NotImplementedError
        schema: dict[str, Any] = kind.model_json_schema(ref_template="#/$defs/{model}")  # type: ignore[attr-defined]
        foreign.update(schema.pop("$defs", {}))
        return schema

    try:
        (schema,), components = msgspec.json.schema_components([field.type], schema_hook=hook, ref_template="#/$defs/{name}")
    except (TypeError, NotImplementedError) as problem:
        reason = str(problem).splitlines()[-1] if str(problem) else "no JSON value is one"
        raise DefinitionError(
            f"tool {tool!r}: parameter {field.name!r} has type {field.type!r}, which a model cannot send as JSON "
            f"({reason}); use str, int, float, bool, list, dict, Literal, Enum, a dataclass, "
            "a TypedDict, a msgspec Struct or a pydantic model"
        ) from None
    return dict(schema), components


def _is_pydantic(kind: Any) -> bool:
    # By shape, so that pydantic is never imported for tools that do not use it.
    return isinstance(kind, type) and hasattr(kind, "model_validate_json") and hasattr(kind, "model_json_schema")


def _annotated_text(hint: Any) -> str | None:
    if get_origin(hint) is Annotated:
        return next((extra for extra in get_args(hint)[1:] if isinstance(extra, str)), None)
    return None


def _add_default(prop: dict[str, Any], default: Any) -> None:
    try:
        prop["default"] = msgspec.json.decode(msgspec.json.encode(default))
    except (TypeError, UnicodeError):
        prop.pop("default", None)  # a default that is not JSON is the function's own affair


def _drop_titles(schema: Any) -> None:
    """Remove the `title` annotations, which cost tokens, but no property that is called title."""
    if isinstance(schema, list):
        for item in schema:
            _drop_titles(item)
    if not isinstance(schema, dict):
        return
    if isinstance(schema.get("title"), str):
        del schema["title"]
    for key, value in schema.items():
        if key in ("properties", "$defs") and isinstance(value, dict):
            for inner in value.values():
                _drop_titles(inner)
        elif key not in ("default", "enum", "const", "examples"):
            _drop_titles(value)


def _convert(value: Any, kind: Any) -> Any:
    try:
        return _convert_as(value, kind, strict=True)
    except msgspec.ValidationError as problem:
        try:
            return _convert_as(value, kind, strict=False)
        except msgspec.ValidationError:
            raise problem from None  # the strict message names the type that is really wanted


def _convert_as(value: Any, kind: Any, *, strict: bool) -> Any:
    def validate_pydantic(target: type, raw: Any) -> Any:
        return target.model_validate_json(msgspec.json.encode(raw), strict=strict)  # type: ignore[attr-defined]

    return msgspec.convert(value, kind, strict=strict, dec_hook=validate_pydantic)


def _unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"`{name}` is no parameter" + (f" (did you mean `{close[0]}`?)" if close else "")


def _describe(name: str, prop: dict[str, Any], root: dict[str, Any]) -> str:
    if "$ref" in prop:
        prop = root["$defs"].get(prop["$ref"].rsplit("/", 1)[-1], {}) | prop
    kinds = [str(option.get("type", "object")) for option in prop.get("anyOf", ())] or [str(prop.get("type", "any"))]
    kind = f"one of {prop['enum']}" if "enum" in prop else " or ".join(kinds)
    if name in root.get("required", ()):
        return f"{name} ({kind}, required)"
    return (
        f"{name} ({kind}, default {msgspec.json.encode(prop['default']).decode()})" if "default" in prop else f"{name} ({kind})"
    )
