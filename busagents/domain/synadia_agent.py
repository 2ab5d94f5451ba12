"""An agent of the Synadia Agent Protocol as a participant."""

from __future__ import annotations

import math

from busagents.domain.codec import sha256_hex
from busagents.domain.events import RecoveryClass
from busagents.domain.limits import Limits
from busagents.domain.participant import Participant, at_least_one
from busagents.errors import DefinitionError


class SynadiaAgent(Participant):
    """Stands wherever an agent can, and passes each task on as one prompt. What it streams is shown as it comes; what it asks
    becomes the task's question.

    The protocol has no resume. If our process ends while the other side works, the answer is lost: the task then fails with the
    reason `outcome_unknown`, or the agent is prompted again if it is `idempotent`.

    Args:
        name: how others address it.
        agent: what it calls itself (`metadata.agent` in discovery).
        owner: whose it is; empty: anybody's.
        session: which session of it; empty: `main`, `default`, or the first by name.
        description: what it is for; models choose it by that.
        idempotent: it may be prompted twice for one task.
        silence: seconds without a word after which it is given up, with the reason `outcome_unknown`.
        limits: bounds of each task. Only `seconds` matters: what the agent spends is not known here.

    Raises:
        InvalidName, DefinitionError: see Participant; no `agent`, or a `silence` that is none.
    """

    hands_over = False

    def __init__(
        self,
        name: str,
        *,
        agent: str,
        owner: str = "",
        session: str = "",
        description: str = "",
        idempotent: bool = False,
        silence: float = 60.0,
        limits: Limits | None = None,
        max_parallel_tasks: int = 64,
        replicas: int = 1,
    ) -> None:
        super().__init__(name, description=description)
        if not agent:
            raise DefinitionError(
                f'{name!r} names no agent: pass agent="…", as `nats req --replies=0 $SRV.INFO.agents ""` lists it'
            )
        if not (silence > 0 and math.isfinite(silence)):
            raise DefinitionError(f"{name!r}: silence={silence} cannot work: use seconds above 0")
        self.agent = agent
        self.owner = owner
        self.session = session
        self.recovery: RecoveryClass = "idempotent" if idempotent else "at_most_once"
        self.silence = silence
        self.limits = limits or Limits(turns=None)
        self.max_parallel_tasks = at_least_one("max_parallel_tasks", max_parallel_tasks, name)
        self.replicas = at_least_one("replicas", replicas, name)

    @property
    def definition_hash(self) -> str:
        """The sha256 of whom it stands for."""
        return sha256_hex(f"{self.name} {self.agent} {self.owner} {self.session}".encode())
