"""decide for a function participant: run the function for each task; its recorded steps are answered from the log."""

from __future__ import annotations

import msgspec

from busagents.domain import events as e
from busagents.domain.decision import Decision, RunFunction, cancel_task, recover, settle_first, start_next
from busagents.domain.limits import Limits
from busagents.domain.state import ThreadState
from busagents.domain.tool_calls import waits


class FunctionPolicy(msgspec.Struct, frozen=True):
    """What deciding needs to know of a function participant."""

    owner: str
    definition: str
    limits: Limits

    def decide(self, state: ThreadState) -> Decision:
        """What to record now, or which effects are outstanding."""
        if (first := settle_first(state)) is not None:
            return first
        task = state.active
        if task is None:
            return start_next(state, owner=self.owner, definition=self.definition, limits=self.limits)
        if task.cancel is not None:
            return cancel_task(task)
        if task.suspended:
            if waits(task, ""):
                return Decision()
            again = e.TaskStarted(self.owner, self.definition, task.limits)
            return Decision((e.Recorded(again, task.id, attempt=task.attempt + 1),))
        return Decision(perform=(RunFunction(task.id, task.attempt),))

    def recover(self, state: ThreadState) -> tuple[e.Recorded, ...]:
        """What to record when this process takes over a thread that another had at work."""
        return recover(state, owner=self.owner, definition=self.definition)
