"""An agent somewhere else, spoken to over A2A, as a participant on the bus."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import urlsplit

from busagents.domain.codec import sha256_hex
from busagents.domain.events import RecoveryClass
from busagents.domain.limits import Limits
from busagents.domain.participant import Participant, at_least_one
from busagents.errors import DefinitionError


class RemoteAgent(Participant):
    """Stands wherever an agent can: as a node, a member or a tool. Its work is done by the agent whose card is at `card_url`.

    Its credentials are read from the environment of its process: `BUSAGENTS_A2A_<NAME>_TOKEN` (a bearer token) or
    `BUSAGENTS_A2A_<NAME>_API_KEY`, with the name in capitals and `_` for each `-`. They go to the card's host only.

    Args:
        name: how others on the bus address it.
        card_url: where its agent card is, or the base URL below which `/.well-known/agent-card.json` is. https, unless the
            host itself is a private one.
        description: what it is for; models choose it by that.
        idempotent: the remote knows a message it has had by its `messageId` or `Idempotency-Key`: a message whose answer a crash
            swallowed is sent again. Else the remote's task is looked up, and where that does not help the task fails with the
            reason `outcome_unknown`.
        allow_private: it may be, or lead, to private addresses although its `card_url` does not look like one.
        give_up_after: seconds without any answer from the remote after which the task fails with the reason `unreachable`.
        limits: bounds of each task. Only `seconds` matters: what the remote spends is not known here.

    Raises:
        InvalidName, DefinitionError: see Participant; the URL is none, or a bound cannot work.
    """

    hands_over = False

    def __init__(
        self,
        name: str,
        *,
        card_url: str,
        description: str = "",
        idempotent: bool = False,
        allow_private: bool = False,
        give_up_after: float = 300.0,
        limits: Limits | None = None,
        max_parallel_tasks: int = 64,
        replicas: int = 1,
    ) -> None:
        super().__init__(name, description=description)
        self.card_url = check_url(name, card_url)
        self.recovery: RecoveryClass = "idempotent" if idempotent else "at_most_once"
        self.allow_private = allow_private
        if not (give_up_after > 0 and math.isfinite(give_up_after)):
            raise DefinitionError(f"{name!r}: give_up_after={give_up_after} cannot work: use seconds above 0")
        self.give_up_after = give_up_after
        self.limits = limits or Limits(turns=None)
        self.max_parallel_tasks = at_least_one("max_parallel_tasks", max_parallel_tasks, name)
        self.replicas = at_least_one("replicas", replicas, name)

    @property
    def definition_hash(self) -> str:
        """The sha256 of its name and where it is."""
        return sha256_hex(f"{self.name} {self.card_url}".encode())


def check_url(name: str, url: Any) -> str:
    """Return the URL if it is one that can be asked, else raise DefinitionError."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.fragment and parts.port != 0
    except (ValueError, AttributeError, TypeError):
        fits = False
    if not fits:
        raise DefinitionError(
            f"{name!r}: card_url={url!r} is no web address: give the card's, such as https://agents.example/.well-known/agent-card.json"
        )
    if parts.username is not None or parts.password is not None:
        raise DefinitionError(
            f"{name!r}: card_url holds a user or password: put credentials in the environment (BUSAGENTS_A2A_<NAME>_TOKEN)"
        )
    return str(url)
