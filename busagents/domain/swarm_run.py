"""What a swarm's task has done so far: who went on, what was handed over, what each member said. Built only by the fold."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from busagents.domain.events import HandoffMade, NodeCompleted, NodeStarted
from busagents.domain.messages import Message


class SwarmRun(msgspec.Struct, frozen=True, gc=False):
    """`path` has the members in the order they were at work, `contexts` the facts each gave, `results` each one's last words.

    `handoffs` counts all that were made, `handoffs_by` those each member made. `handed` is the last of them, `last` the end of
    the last stint.
    """

    path: tuple[str, ...] = ()
    handoffs: int = 0
    handoffs_by: dict[str, int] = {}
    contexts: dict[str, dict[str, Any]] = {}
    results: dict[str, Message] = {}
    handed: HandoffMade | None = None
    last: NodeCompleted | None = None

    @property
    def current(self) -> str:
        """The member at work, or who was last; empty before the first one."""
        return self.path[-1] if self.path else ""

    @property
    def giver(self) -> str:
        """Who handed over to the current member; empty if nobody did: it is the entry, or has its task back."""
        return self.handed.source if self.handed is not None and self.handed.target == self.current else ""

    def runs(self, member: str) -> int:
        """How often a member was started."""
        return self.path.count(member)

    def started(self, event: NodeStarted) -> SwarmRun:
        """A member goes on."""
        return replace(self, path=(*self.path, event.node))

    def completed(self, event: NodeCompleted) -> SwarmRun:
        """A member's stint ended."""
        results = {**self.results, event.node: event.message} if event.message is not None else self.results
        return replace(self, results=results, last=event)

    def handed_over(self, event: HandoffMade) -> SwarmRun:
        """A member handed over."""
        known = {**self.contexts.get(event.source, {}), **event.context}
        contexts = {**self.contexts, event.source: known} if known else self.contexts
        by = {**self.handoffs_by, event.source: self.handoffs_by.get(event.source, 0) + 1}
        return replace(self, handoffs=self.handoffs + 1, handoffs_by=by, contexts=contexts, handed=event)
