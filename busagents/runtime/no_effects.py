"""The performer of participants that only decide: people and swarms."""

from __future__ import annotations

from busagents.domain.decision import Command
from busagents.domain.events import Recorded
from busagents.errors import DefinitionError
from busagents.runtime.performer import Work


class NoEffects:
    """See Performer."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def perform(self, work: Work, command: Command) -> list[Recorded]:
        """See Performer.perform."""
        raise DefinitionError(f"{self._name!r} was given a {type(command).__name__}: its log is another kind of participant's")
