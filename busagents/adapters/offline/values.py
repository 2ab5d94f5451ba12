"""Values for a JSON Schema, taken from a prompt: by the field's name, its type and what is written near it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from busagents.adapters.offline.reading import Reading
from busagents.adapters.offline.verbs import same_act
from busagents.adapters.offline.words import alike, sentences, shorten, words

NOTHING: Any = object()
"""No value was found; not the same as null."""

MAX_DEPTH = 6  # of nested objects, so that a schema that contains itself ends
LONG = frozenset(
    [
        "content",
        "contents",
        "text",
        "body",
        "message",
        "details",
        "detail",
        "description",
        "note",
        "notes",
        "markdown",
        "comment",
        "reason",
        "answer",
        "reply",
        "response",
        "summary",
        "solution",
        "prompt",
        "input",
        "request",
        "task",
        "instructions",
        "explanation",
        "overview",
        "conclusion",
        "report",
    ]
)
TITLES = frozenset(["title", "subject", "headline", "heading", "label", "name"])
QUERIES = frozenset(["query", "question", "q", "search", "topic", "keywords", "term", "terms", "about"])
CODE = frozenset(["code", "source", "script", "program", "python"])
EXPRESSIONS = frozenset(["expression", "expr", "formula", "calculation", "equation", "math"])
PATHS = frozenset(["path", "file", "filename", "filepath"])
PLACES = frozenset(["city", "location", "place", "destination", "country", "region", "town", "origin", "where"])
IDS = frozenset(["id", "ticket", "order", "reference", "number", "key", "sku"])
_PATTERNS = {
    "email": r"[\w.+-]+@[\w-]+\.[\w.-]*\w",
    "url": r"https?://[^\s)>\"']+",
    "uri": r"https?://[^\s)>\"']+",
    "link": r"https?://[^\s)>\"']+",
    "date": r"\d{4}-\d{2}-\d{2}",
    "phone": r"\+?\d[\d ()/-]{6,}\d",
}
_PLACE = re.compile(r"\b(?:in|to|at|near|for|of|from|visit|around)\s+([A-ZÀ-Þ][\w'’-]+(?:\s+[A-ZÀ-Þ][\w'’-]+)*)")
_NAME = re.compile(r"(?<=[a-z,]\s)([A-ZÀ-Þ][\w'’-]+(?:\s+[A-ZÀ-Þ][\w'’-]+)*)")
_ID = re.compile(r"(?<![\w.])#?([A-Za-z]{0,6}-?(?=[A-Za-z0-9]*\d)[A-Za-z0-9]{2,}(?:-[A-Za-z0-9]+)*)")
_FROM_TO = re.compile(r"\bfrom\s+([\w°%µ/ ]+?)\s+(?:to|into)\s+([\w°%µ/]+)", re.IGNORECASE)
_HOW_MANY = re.compile(r"\bhow (?:many|much) ([a-zµ°]+) (?:are|is|in|make|do|does)\b.*?\d\s*([a-zµ°]+)", re.IGNORECASE)
_AMOUNT_TO = re.compile(r"\d\s*([a-z°%µ/]+(?:\s[a-z]+)?)\s+(?:to|in|into|as)\s+([a-z°%µ/]+)", re.IGNORECASE)


class Values:
    """Fills schemas from one prompt. Numbers and quotations are used up in the order they are written.

    Args:
        reading: the prompt.
        root: the schema that `$ref` refers to.
        body: text for long fields (an answer, the content of a file); empty for the prompt itself.
    """

    def __init__(self, reading: Reading, root: Mapping[str, Any], body: str = "") -> None:
        self._reading = reading
        self._root = root
        self._body = body
        self._numbers = list(reading.numbers)
        self._quoted = list(reading.quoted)

    def find(self, name: str, schema: Mapping[str, Any], *, required: bool, depth: int = 0) -> Any:
        """A value for the field, or NOTHING. Optional fields get one only where the prompt plainly gives it."""
        schema = self.resolve(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._choice(schema["enum"])
        match type_of(schema):
            case "string":
                return self._string(words(_spaced(name)), schema, required)
            case "integer" | "number" as kind:
                return self._number(words(_spaced(name)), kind, required)
            case "boolean":
                return self._boolean(words(_spaced(name)), required)
            case "array" if required:
                return self._array(self.resolve(schema.get("items", {})))
            case "object" if required and depth < MAX_DEPTH:
                return self._object(schema, depth)
        return NOTHING

    def resolve(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """The schema behind `$ref`, and the first alternative of a union that is not null."""
        for _ in range(MAX_DEPTH):
            reference = schema.get("$ref")
            union = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
            if isinstance(reference, str):
                schema = _follow(self._root, reference)
            elif union:
                schema = next((one for one in union if one.get("type") != "null"), {})
            else:
                break
        return schema

    def _object(self, schema: Mapping[str, Any], depth: int) -> Any:
        required = schema.get("required", ())
        found = {
            name: self.find(name, field, required=name in required, depth=depth + 1)
            for name, field in schema.get("properties", {}).items()
        }
        if any(found.get(name, NOTHING) is NOTHING for name in required):
            return NOTHING
        return {name: value for name, value in found.items() if value is not NOTHING}

    def _choice(self, options: list[Any]) -> Any:
        present = self._reading.words
        for option in options:
            if all(any(alike(word, other) for other in present) for word in words(_spaced(str(option)))):
                return option
        return next((option for option in options if any(same_act(str(option).lower(), word) for word in present)), NOTHING)

    def _string(self, name: list[str], schema: Mapping[str, Any], required: bool) -> Any:
        given = self._given(name)
        if given:
            return given
        tokens = {*name, str(schema.get("format", ""))}
        for kind, pattern in _PATTERNS.items():
            if kind in tokens:
                match = re.search(pattern, self._reading.prose)
                return match[0] if match else NOTHING
        if "timezone" in tokens or "zone" in tokens:
            return _zone(self._reading.prose)
        if {"from", "source"} & tokens or {"to", "target"} & tokens:
            pair = from_to(self._reading)
            if pair:
                return pair[0 if {"from", "source"} & tokens else 1]
        return self._required_string(tokens) if required else NOTHING

    def _required_string(self, tokens: set[str]) -> Any:
        reading = self._reading
        if tokens & PATHS:
            return reading.files[0] if reading.files else NOTHING
        if tokens & EXPRESSIONS:
            return reading.expressions[0] if reading.expressions else NOTHING
        if tokens & CODE:
            return reading.code or reading.inline_code or NOTHING
        if tokens & QUERIES:
            return reading.topic
        if tokens & LONG:
            return self._body or (self._quoted.pop(0) if self._quoted else reading.statement)
        if tokens & IDS:
            match = _ID.search(reading.prose)
            return match[1] if match else NOTHING
        if tokens & PLACES or "language" in tokens:
            match = _PLACE.search(reading.prose) or _NAME.search(reading.prose)
            return match[1] if match else NOTHING
        if self._quoted:
            return self._quoted.pop(0)
        if tokens & TITLES:
            return shorten(reading.topic[:1].upper() + reading.topic[1:], 60)
        return reading.topic or NOTHING

    def _given(self, name: list[str]) -> str:
        """What stands behind the field's own name, as in "priority: high" or "title = 'Q3'"."""
        spoken = r"[\s_-]+".join(map(re.escape, name))
        match = re.search(rf"\b{spoken}\s*[:=]\s*(?:\"([^\"]+)\"|'([^']+)'|([^\s,;]+))", self._reading.prose, re.IGNORECASE)
        return next((group for group in match.groups() if group), "") if match else ""

    def _number(self, name: list[str], kind: str, required: bool) -> Any:
        counts = {"limit": "top|first|results", "count": "top|first", "results": "top|first"}
        near = "|".join([*map(re.escape, name), *(counts[word] for word in name if word in counts)])
        match = re.search(
            rf"\b(?:{near})\s*(?:[:=]|of|is)?\s*(-?\d+(?:\.\d+)?)|(-?\d+(?:\.\d+)?)\s*(?:{near})\b", self._reading.prose
        )
        value: float
        if match:
            value = float(match[1] or match[2])
        elif required and self._numbers:
            value = self._numbers.pop(0)
        else:
            return NOTHING
        if value in self._numbers:
            self._numbers.remove(value)
        return int(value) if kind == "integer" or float(value).is_integer() else value

    def _boolean(self, name: list[str], required: bool) -> Any:
        text = self._reading.prose.lower()
        if any(re.search(rf"\b(?:no|not|without|don't|do not)\s+(?:\w+\s+)?{re.escape(word)}", text) for word in name):
            return False
        return True if required or any(word in self._reading.words for word in name) else NOTHING

    def _array(self, items: Mapping[str, Any]) -> Any:
        if "enum" in items:
            return [option for option in items["enum"] if any(alike(word, str(option).lower()) for word in self._reading.words)]
        match type_of(items):
            case "integer":
                return [int(number) for number in self._reading.numbers]
            case "number":
                return list(self._reading.numbers)
            case "string" if self._body:
                return [shorten(sentence, 200) for sentence in sentences(self._body)[:5]]
            case "string":
                listed = self._reading.prose.partition(":")[2] or self._reading.topic
                return [item.strip(" .?!") for item in re.split(r"[,;\n]|\band\b", listed) if item.strip(" .?!")]
        return NOTHING


def from_to(reading: Reading) -> tuple[str, str] | None:
    """The two ends of "from A to B", "5 A in B" or "how many B are 5 A"."""
    asked = _HOW_MANY.search(reading.prose)
    if asked:
        return asked[2], asked[1]
    pair = _FROM_TO.search(reading.prose) or _AMOUNT_TO.search(reading.prose)
    return (pair[1].strip(), pair[2].strip()) if pair else None


def type_of(schema: Mapping[str, Any]) -> str:
    """The schema's type; of several the first that is not null; an object where fields are named without one."""
    kind = schema.get("type", "object" if "properties" in schema else "")
    if isinstance(kind, list):
        return next((str(one) for one in kind if one != "null"), "null")
    return str(kind)


def _follow(root: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    found: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        found = found.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(found, Mapping) and step else found
    return found if isinstance(found, Mapping) else {}


def _spaced(name: str) -> str:
    """snake_case, kebab-case and camelCase as words."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_-]+", " ", name)


def _zone(text: str) -> Any:
    """An IANA zone that is written out, or whose city is named."""
    from zoneinfo import available_timezones  # reads the zone files' names: only when a tool asks for a zone

    written = re.search(r"\b[A-Z][A-Za-z]+(?:/[A-Z][A-Za-z_-]+)+\b", text)
    if written:
        return written[0]
    cities = {zone.rsplit("/", 1)[1].replace("_", " "): zone for zone in sorted(available_timezones()) if "/" in zone}
    named = [match[1] for match in _PLACE.finditer(text)]
    return next((cities[city] for city in named if city in cities), NOTHING)
