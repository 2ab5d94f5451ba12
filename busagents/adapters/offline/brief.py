"""What a message says beside the request: why it is this participant's turn, who was at work, and what others found out.

Swarms, graphs and participants as tools all put that into the text of the user message; here it is taken apart again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from busagents.adapters.offline.notice import without_notice

MAX_READ = 60_000  # characters of a message

_MEMBERS = "The other members of your swarm:\n"
_REQUEST = "The user's request: "
_PATH = "At work so far: "
_KNOWLEDGE = "Shared knowledge, by the member who gave it: "
_CONVERSATION = "The conversation so far:\n"
_YOUR_TASK = "\n\nYour task: "
_GIVEN = re.compile(r"\n\n([A-Za-z0-9_-]{1,64}):\n")
_UNDELIVERED = re.compile(r"^Your handoff to ([A-Za-z0-9_-]+) failed")


class Brief(msgspec.Struct, frozen=True):
    """A message, taken apart.

    `request` is what the user wants. `lead` says why it is this one's turn, `path` who was at work before, `facts` what they
    left for all. `given` are results of others, by name. `gone` is whom a handoff did not reach.
    """

    request: str
    lead: str = ""
    path: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    given: tuple[tuple[str, str], ...] = ()
    in_swarm: bool = False
    gone: str = ""

    @property
    def material(self) -> str:
        """All that others found out, as text."""
        return "\n\n".join([*(text for _, text in self.given), *self.facts])


def read_brief(text: str) -> Brief:
    """Take a user message apart. One that nobody put together is its own request."""
    body, found, _ = without_notice(text[:MAX_READ]).rpartition(_MEMBERS)
    brief = _read(body if found else without_notice(text[:MAX_READ]))
    return msgspec.structs.replace(brief, in_swarm=True) if found else brief


def with_material(request: str, material: str) -> str:
    """A request to somebody who shall work with what is known, in the form that `read_brief` takes apart."""
    return f"{request}\n\nknown:\n{material}" if material else request


def _read(text: str) -> Brief:
    text = text.strip()
    lead, found, rest = text.partition(f"\n\n{_REQUEST}")
    asked, at_work, after = rest.rpartition(f"\n\n{_PATH}")
    if found and at_work:
        inner = _read(asked)  # a swarm in a swarm is told of both
        path, _, known = after.partition(f"\n\n{_KNOWLEDGE}")
        gone = _UNDELIVERED.match(lead)
        return msgspec.structs.replace(
            inner,
            lead=lead,
            path=tuple(path.strip().split(" → ")),
            facts=(*inner.facts, *_facts(known)),
            in_swarm=True,
            gone=gone[1] if gone else "",
        )
    if text.startswith(_CONVERSATION) and _YOUR_TASK in text:
        return _read(text.rpartition(_YOUR_TASK)[2])
    request, *pieces = _GIVEN.split(text)
    if not request.strip():
        return Brief(text)
    names, texts = pieces[::2], pieces[1::2]
    return Brief(request.strip(), given=tuple((name, said.strip()) for name, said in zip(names, texts, strict=True)))


def _facts(known: str) -> list[str]:
    """The texts in the shared knowledge, in its order, each once."""
    try:
        by_member = msgspec.json.decode(known.strip() or "{}")
    except msgspec.DecodeError:
        return [known.strip()]
    return list(dict.fromkeys(_texts(by_member)))


def _texts(value: Any) -> list[str]:
    match value:
        case str():
            return [value] if value.strip() else []
        case Mapping():
            return [text for item in value.values() for text in _texts(item)]
        case list():
            return [text for item in value for text in _texts(item)]
        case None:
            return []
    return [str(value)]
