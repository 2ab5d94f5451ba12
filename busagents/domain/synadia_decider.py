"""decide for an agent of the Synadia protocol: one prompt for each task, its intent recorded before it is sent."""

from __future__ import annotations

import msgspec

from busagents.domain import events as e
from busagents.domain.decision import Decision, RunTool, cancel_task, fail_task, recover, settle_first, start_next
from busagents.domain.limits import Limits
from busagents.domain.state import ThreadState
from busagents.domain.synadia_agent import SynadiaAgent

PROMPT = "prompt"  # the one step of a task

_UNKNOWN = (
    "The process that had prompted {name} ended before the answer was recorded, and the protocol cannot take it up again. It may have "
    "done the work, so it was not prompted a second time: check, then redrive the task, or declare it idempotent=True if it may be "
    "prompted twice."
)


class SynadiaPolicy(msgspec.Struct, frozen=True):
    """What deciding needs to know of it."""

    owner: str
    definition: str
    name: str
    limits: Limits
    recovery: e.RecoveryClass

    def decide(self, state: ThreadState) -> Decision:
        """What to record now, or which effects are outstanding."""
        if (first := settle_first(state)) is not None:
            return first
        task = state.active
        if task is None:
            return start_next(state, owner=self.owner, definition=self.definition, limits=self.limits)
        if task.cancel is not None:
            return cancel_task(task)
        if not task.calls:
            started = e.ToolStarted(PROMPT, self.name, self.recovery)
            return Decision((e.Recorded(started, task.id, 0, 1),))
        call = task.calls[0]
        if call.status == "started":
            return Decision(perform=(RunTool(task.id, 0, call.attempt, call.part),))
        if call.unknown:  # any other end is recorded together with the task's
            return Decision((fail_task(task, "outcome_unknown", _UNKNOWN.format(name=self.name)),))
        return Decision((fail_task(task, "error", call.content),))

    def recover(self, state: ThreadState) -> tuple[e.Recorded, ...]:
        """What to record when this process takes over a thread that another had at work."""
        return recover(state, owner=self.owner, definition=self.definition)


def synadia_policy(agent: SynadiaAgent, owner: str) -> SynadiaPolicy:
    """The policy of a declared agent in the process `owner`."""
    return SynadiaPolicy(owner, agent.definition_hash, agent.name, agent.limits, agent.recovery)
