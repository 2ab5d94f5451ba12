"""What a node is asked: a template, or by default the task and what the nodes before it said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from busagents.domain.events import NodeCompleted
from busagents.domain.messages import DataPart, Message, user
from busagents.errors import DefinitionError, InvalidInput

TASK = "task"
ITEM = "item"

Lookup = Callable[[str], NodeCompleted | None]

_FIELD = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_FORM = "{task}, {node}, {node.output} or {node.output.field}; write {{ and }} for braces"


class Reference(msgspec.Struct, frozen=True):
    """A place in a template: the node's id (or task, or item), and the way into it."""

    name: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "{" + ".".join((self.name, *self.path)) + "}"


Template = tuple[str | Reference, ...]


def parse_template(text: str, where: str) -> Template:
    """The template's pieces.

    Raises:
        DefinitionError: a brace that is no reference; `where` says whose template it is.
    """
    pieces: list[str | Reference] = []
    at = 0
    for found in _FIELD.finditer(text):
        pieces.append(text[at : found.start()])
        at = found.end()
        if found[0] in ("{{", "}}"):
            pieces.append(found[0][0])
        elif found[1] is None:
            raise DefinitionError(f"{where} has a single {found[0]!r} at {found.start()}: use {_FORM}")
        else:
            pieces.append(parse_reference(found[1], where))
    pieces.append(text[at:])
    return tuple(piece for piece in pieces if piece != "")


def parse_reference(text: str, where: str) -> Reference:
    """A reference without its braces.

    Raises:
        DefinitionError: it has another form.
    """
    if not _NAME.fullmatch(text):
        raise DefinitionError(f"{where} refers to {text!r}, which names no node: use {_FORM}")
    name, *path = text.split(".")
    return Reference(name, tuple(path))


def references(template: Template) -> list[Reference]:
    """The references of a template."""
    return [piece for piece in template if isinstance(piece, Reference)]


def render(template: Template, task: Message, lookup: Lookup, item: Any = None) -> str:
    """The template filled in. A node that has not run leaves nothing.

    Raises:
        InvalidInput: a field that the node's output does not have.
    """
    pieces = (piece if isinstance(piece, str) else as_text(value_of(piece, task, lookup, item)) for piece in template)
    return "".join(pieces)


def value_of(reference: Reference, task: Message, lookup: Lookup, item: Any = None) -> Any:
    """What a reference stands for: text, or a JSON value of a structured output.

    Raises:
        InvalidInput: a field that is not there.
    """
    name, path = reference.name, reference.path
    if name == TASK:
        return _within(_data(task) if path else task.text, path, reference)
    if name == ITEM:
        return _within(item, path, reference)
    ended = lookup(name)
    if ended is None:
        return ""
    if not path:
        return _text(ended)
    if path == ("text",):
        return _text(ended)
    if path == ("reason",):
        return ended.reason
    return _within(ended.output, path[1:] if path[0] == "output" else path, reference)


def items_of(reference: Reference, task: Message, lookup: Lookup) -> list[Any]:
    """The list that a fan-out goes over: a node's output, or its text as JSON.

    Raises:
        InvalidInput: it is no list.
    """
    ended = lookup(reference.name) if reference.name != TASK else None
    if not reference.path and ended is not None and ended.output is not None:
        value = ended.output
    else:
        value = value_of(reference, task, lookup)
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            raise InvalidInput(f"over={str(reference)!r} is a text that is not JSON: {_short(value)!r}") from None
    if not isinstance(value, list):
        raise InvalidInput(
            f"over={str(reference)!r} is no list but {_short(as_text(value))!r}: name a list in it, {{node.output.field}}"
        )
    return value


def item_message(item: Any, template: Template | None, task: Message, lookup: Lookup) -> Message:
    """What is asked for one item of a list.

    Raises:
        InvalidInput: a field of the template is not there.
    """
    if template is not None:
        return user(render(template, task, lookup, item))
    return item if isinstance(item, Message) else user(as_text(item))


def default_input(task: Message, results: Iterable[tuple[str, NodeCompleted]]) -> Message:
    """The task as it is; behind the results of other nodes, if there are any, its text and each one's id and text."""
    told = [f"{name}:\n{_text(ended)}" for name, ended in results]
    return user("\n\n".join((task.text, *told))) if told else task


def as_text(value: Any) -> str:
    """A value in a text: a str as it is, anything else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def joined(results: Sequence[tuple[str, NodeCompleted]]) -> tuple[str, Any]:
    """The results of several nodes as one text, and as one value if any has structured output."""
    text = "\n\n".join(f"{name}:\n{_text(ended)}" for name, ended in results)
    if all(ended.output is None for _, ended in results):
        return text, None
    return text, {name: _text(ended) if ended.output is None else ended.output for name, ended in results}


def _text(ended: NodeCompleted) -> str:
    said = ended.message.text if ended.message is not None else ""
    return said if said or ended.output is None else as_text(ended.output)


def _data(message: Message) -> Any:
    return next((part.data for part in message.parts if isinstance(part, DataPart)), None)


def _within(value: Any, path: Sequence[str], reference: Reference) -> Any:
    for step in path:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise InvalidInput(f"{reference} is not there: {_short(as_text(value))} has no {step!r}")
    return value


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:80] + "…"
