"""A person as a participant: each task becomes a question, and the answer is the task's."""

from __future__ import annotations

from typing import Any

from busagents.domain.codec import sha256_hex
from busagents.domain.limits import Limits
from busagents.domain.output_type import output_schema
from busagents.domain.participant import Participant, at_least_one


class Person(Participant):
    """Stands wherever an agent can: as a node, a member or a tool. Nothing runs while it thinks.

    Args:
        name: how others address it.
        description: who it is and what for; models choose it by that.
        answer_type: a type or JSON Schema that its answers must fit; None for text.

    Raises:
        InvalidName, DefinitionError: see Participant; the type has no JSON Schema.
    """

    hands_over = False

    def __init__(
        self, name: str, *, description: str = "", answer_type: Any = None, max_parallel_tasks: int = 1024, replicas: int = 1
    ) -> None:
        super().__init__(name, description=description)
        self.answer_schema = output_schema(answer_type) if answer_type is not None else None
        self.limits = Limits(turns=None)
        self.max_parallel_tasks = at_least_one("max_parallel_tasks", max_parallel_tasks, name)
        self.replicas = at_least_one("replicas", replicas, name)

    @property
    def definition_hash(self) -> str:
        """The sha256 of its name and what it answers with."""
        return sha256_hex(f"{self.name} {self.answer_schema}".encode())
