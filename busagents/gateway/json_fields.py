"""Reading an object of the wire field by field: camelCase or snake_case, null as absent, unknown fields ignored (ProtoJSON).

A wrong field raises InvalidParams with its path. What is read can be stored and written again.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

import msgspec

from busagents.gateway.errors import InvalidParams

E = TypeVar("E")

MAX_DEPTH = 100  # as protobuf's own JSON readers
MAX_ITEMS = 10_000  # of a list of objects: reading them holds up everybody else
INT32 = range(-(2**31), 2**31)
URLSAFE = str.maketrans("-_", "+/")


def wrong(path: str, why: str) -> InvalidParams:
    """The error of one field."""
    return InvalidParams(f"{path} {why}", ((path, why),))


@cache
def snake(camel: str) -> str:
    """`contextId` → `context_id`. Only for names the readers ask for, so that the cache is small."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", camel).lower()


class Fields:
    """One object. `path` is where it is, for errors; empty at the top."""

    __slots__ = ("_raw", "path")

    def __init__(self, raw: Any, path: str = "") -> None:
        if not isinstance(raw, dict):
            raise wrong(path or "params", f"must be an object, not {kind(raw)}")
        self._raw = raw
        self.path = path

    def at(self, name: str) -> str:
        """The path of a field."""
        return f"{self.path}.{name}" if self.path else name

    def get(self, name: str) -> Any:
        """A field as it is, by its camelCase name; None if it is absent or null."""
        value = self._raw.get(name)
        return self._raw.get(snake(name)) if value is None else value

    def has(self, name: str) -> bool:
        """Whether it is there, null included."""
        return name in self._raw or snake(name) in self._raw

    def text(self, name: str) -> str:
        """A string; empty if it is absent."""
        value = self.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise wrong(self.at(name), f"must be a string, not {kind(value)}")
        return value

    def needed(self, name: str) -> str:
        """A string that must be there and not be empty."""
        value = self.text(name)
        if not value:
            raise wrong(self.at(name), "is required")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise wrong(self.at(name), "must be a list of strings")
        return tuple(value)

    def flag(self, name: str) -> bool:
        """A boolean; False if it is absent."""
        value = self.get(name)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise wrong(self.at(name), f"must be true or false, not {kind(value)}")
        return value

    def number(self, name: str, at_least: int = 0, at_most: int = INT32[-1]) -> int | None:
        """A whole number; ProtoJSON also has it as a string or with a zero fraction."""
        value = self.get(name)
        if value is None:
            return None
        if (isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,10}", value)) or (
            isinstance(value, float) and value.is_integer()
        ):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong(self.at(name), f"must be a whole number, not {kind(value)}")
        if not at_least <= value <= at_most:
            raise wrong(self.at(name), f"must be from {at_least} to {at_most}")
        return value

    def one_of(self, name: str, values: Mapping[str | int, E]) -> E | None:
        """An enum by name or number; None if it is absent or the unspecified one, which is no member of `values`."""
        value = self.get(name)
        if value is None or (value == 0 and not isinstance(value, bool)):
            return None
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise wrong(self.at(name), f"must be the name of a value, not {kind(value)}")
        if isinstance(value, str) and value.endswith("_UNSPECIFIED"):
            return None
        if value not in values:
            known = ", ".join(str(known) for known in values if isinstance(known, str))
            raise wrong(self.at(name), f"must be one of {known}")
        return values[value]

    def object(self, name: str) -> dict[str, Any] | None:
        """Any JSON object, as `metadata`."""
        value = self.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise wrong(self.at(name), f"must be an object, not {kind(value)}")
        plain: dict[str, Any] = storable(value, self.at(name))
        return plain

    def any(self, name: str) -> Any:
        """Any JSON value."""
        return storable(self.get(name), self.at(name))

    def base64(self, name: str) -> str | None:
        """Bytes as base64, urlsafe or not, padded or not; given back in the standard form. None if it is absent."""
        value = self.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise wrong(self.at(name), f"must be a base64 string, not {kind(value)}")
        standard = value.translate(URLSAFE).rstrip("=")
        standard += "=" * (-len(standard) % 4)
        try:
            binascii.a2b_base64(standard.encode(), strict_mode=True)
        except ValueError:
            raise wrong(self.at(name), "must be base64") from None
        return standard

    def time(self, name: str) -> str:
        """A timestamp with a zone, as RFC 3339 UTC with milliseconds; empty if it is absent."""
        value = self.get(name)
        if value is None or value == "":
            return ""
        try:
            moment = msgspec.convert(value, datetime)
        except msgspec.ValidationError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise wrong(self.at(name), "must be a timestamp such as 2026-01-31T09:30:00.000Z")
        try:
            return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        except OverflowError:
            raise wrong(self.at(name), "is a time that does not exist in UTC") from None

    def inner(self, name: str) -> Fields | None:
        """An object within."""
        value = self.get(name)
        return None if value is None else type(self)(value, self.at(name))

    def items(self, name: str) -> Iterator[Fields]:
        """The objects of a list that must have at least one."""
        value = self.get(name)
        if not isinstance(value, list) or not value:
            raise wrong(self.at(name), "must be a list with at least one element")
        if len(value) > MAX_ITEMS:
            raise wrong(self.at(name), f"must have at most {MAX_ITEMS} elements, not {len(value)}")
        return (type(self)(item, f"{self.at(name)}[{index}]") for index, item in enumerate(value))


class QueryFields(Fields):
    """The fields of a URL's query: all are strings."""

    __slots__ = ()

    def flag(self, name: str) -> bool:
        """`true` or `false`."""
        value = self.get(name)
        if value not in (None, "", "true", "false"):
            raise wrong(self.at(name), "must be true or false")
        return bool(value == "true")

    def one_of(self, name: str, values: Mapping[str | int, E]) -> E | None:
        """By name or number."""
        value = self.get(name)
        if value == "":
            return None
        if value is not None and value.isascii() and value.isdigit() and len(value) < 4:
            return Fields({name: int(value)}, self.path).one_of(name, values)
        return super().one_of(name, values)

    def number(self, name: str, at_least: int = 0, at_most: int = INT32[-1]) -> int | None:
        """Empty is absent."""
        return None if self.get(name) == "" else super().number(name, at_least, at_most)


def kind(value: Any) -> str:
    """What a value is in JSON's words."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def storable(value: Any, path: str) -> Any:
    """The same value, if it is nested no deeper than MAX_DEPTH: whoever writes it again must not end a stack."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        nested = [item for item in level if isinstance(item, dict | list)]
        if not nested:
            return value
        level = [inner for item in nested for inner in (item.values() if isinstance(item, dict) else item)]
    raise wrong(path, f"is nested deeper than {MAX_DEPTH} levels")
