"""Whoever takes tasks under a name: the base of agents, functions, swarms, graphs and people, and a reference to one declared elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from busagents.domain.subjects import RESERVED_PARTICIPANT, check_token
from busagents.domain.tool import Approval, check_tool_name
from busagents.errors import DefinitionError

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "What it shall do, with everything it needs to know."}},
    "required": ["input"],
    "additionalProperties": False,
}


class Participant:
    """Somebody on the bus. As it is, a reference by name to a participant that is declared elsewhere, in any process.

    Args:
        name: how others address it; also its inbox. 1 to 64 letters, digits, `_` or `-`.
        description: what it is for, in a sentence; models choose it by that.

    Raises:
        InvalidName: a name that no subject can hold.
        DefinitionError: a reserved name.
    """

    hands_over: ClassVar[bool] = True
    """Whether it can hand a task over to another member of a swarm. Only agents can; a reference may be to one."""

    def __init__(self, name: str, *, description: str = "") -> None:
        self.name = check_participant(name)
        self.description = description

    def parts(self) -> Sequence[Participant]:
        """The participants that it gives tasks to, in order of declaration."""
        return ()

    def as_tool(
        self,
        name: str | None = None,
        description: str | None = None,
        *,
        share_context: bool = False,
        preserve_context: bool = False,
        delegate: bool = False,
        approval: Approval = False,
    ) -> ParticipantTool:
        """A tool by which an agent gives it a task; the agent's thread sleeps until the answer is there.

        Args:
            name: the tool's name; default the participant's.
            description: what models read; default the participant's.
            share_context: it is shown the caller's conversation beside the request.
            preserve_context: it remembers the caller's earlier calls in the session; such calls queue. Else each call is new.
            delegate: its answer ends the caller's task as it is.
            approval: whether a person must approve each call, or a function of the arguments that says so.

        Raises:
            DefinitionError: there is no description, so no model could choose it.
        """
        label = check_tool_name(name or self.name)
        text = self.description if description is None else description
        if not text.strip():
            raise DefinitionError(
                f"{self!r} has no description, so no model could tell when to use it: "
                "give it description=…, or pass one to as_tool(description=…)"
            )
        return ParticipantTool(label, text, self, share_context, preserve_context, delegate, approval)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


@dataclass(frozen=True, eq=False)
class ParticipantTool:
    """Made by `Participant.as_tool`; see there."""

    name: str
    description: str
    participant: Participant
    share_context: bool
    preserve_context: bool
    delegate: bool
    approval: Approval

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON Schema of the arguments object."""
        return _SCHEMA


def check_participant(name: str) -> str:
    """Return the name if a participant may have it, else raise InvalidName or DefinitionError."""
    if name == RESERVED_PARTICIPANT:
        raise DefinitionError(f"the name {name!r} is reserved for the stream's own entries: choose another")
    return check_token(name, "participant")


def at_least_one(what: str, value: int, name: str) -> int:
    """Return the value if it is 1 or more, else raise DefinitionError."""
    if value < 1:
        raise DefinitionError(f"{name!r}: {what}={value} cannot work: use 1 or more")
    return value


def with_parts(declared: Sequence[Participant]) -> list[Participant]:
    """The participants and all they are made of, each once, in order of declaration; references to others are left out."""
    found: dict[int, Participant] = {}

    def add(item: Participant) -> None:
        if id(item) in found:
            return
        found[id(item)] = item
        for part in item.parts():
            add(part)

    for item in declared:
        add(item)
    return [item for item in found.values() if type(item) is not Participant]
