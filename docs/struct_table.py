"""A msgspec struct as Markdown: what it is, then a table of its fields."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

_PLAIN = {"msgspec.Raw": "JSON", "Any": "JSON", "str": "text", "int": "integer", "float": "number", "bool": "true or false"}


def docstring(cls: type[Any]) -> str:
    """The contract as it stands in the code."""
    return inspect.cleandoc(cls.__doc__ or "").replace("\n\n", "\0").replace("\n", " ").replace("\0", "\n\n")


def first_sentence(cls: type[Any]) -> str:
    """What the thing is, in one sentence."""
    return docstring(cls).split("\n\n")[0].split(". ")[0].rstrip(".") + "."


def fields_table(cls: type[Any]) -> str:
    """One row per field as it is on the wire: name, type, and what its absence stands for."""
    rows = ["| field | type | if absent |", "|---|---|---|"]
    config = cls.__struct_config__
    if config.tag is not None:
        rows.append(f"| `{config.tag_field}` | always `{config.tag}` | refused |")
    for field in msgspec.structs.fields(cls):
        annotation = str(inspect.get_annotations(cls).get(field.name, field.type))
        rows.append(f"| `{field.encode_name}` | {_type(annotation)} | {_default(field)} |")
    return "\n".join(rows) if len(rows) > 2 else "No fields: `data` is `{}` or left out."


def _type(annotation: str) -> str:
    return f"`{_PLAIN.get(annotation, annotation)}`".replace("|", "\\|")


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is not msgspec.NODEFAULT:
        value = field.default
    elif field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    else:
        return "refused"
    return f"`{msgspec.json.encode(value).decode()}`"
