"""What a swarm's task has done so far: who went on, what was handed over, what each member said. Built only by the fold."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from busagents.domain.events import HandoffMade, NodeCompleted, NodeStarted
from busagents.domain.messages import Message


class SwarmRun(msgspec.Struct, frozen=True, gc=False):
    """`path` has the members in the order they were at work, `contexts` the facts each gave, `results` each one's last words.

    `handed` is the last handoff, until somebody goes on after it.
    """

    path: tuple[str, ...] = ()
    handoffs: int = 0
    contexts: dict[str, dict[str, Any]] = {}
    results: dict[str, Message] = {}
    handed: HandoffMade | None = None
    last: NodeCompleted | None = None

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
        return replace(self, handoffs=self.handoffs + 1, contexts=contexts, handed=event)
