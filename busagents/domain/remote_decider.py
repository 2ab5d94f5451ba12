"""decide for a remote agent: send the task to it once, follow what becomes of it, and ask here what it asks.

What is sent is a step of the task, as those of a function are: `tool.started` before the request leaves, with the message's id as
the call; `tool.completed` once the remote has said which task it made of it. Which remote task and context that are is the
thread's state, under the key `a2a`. So a process that goes on after a crash follows the remote task instead of sending again.
"""

from __future__ import annotations

from typing import Any

import msgspec

from busagents.domain import events as e
from busagents.domain.codec import derived_id
from busagents.domain.decision import Decision, RunFunction, cancel_task, recover, settle_first, start_next
from busagents.domain.limits import Limits
from busagents.domain.remote_agent import RemoteAgent
from busagents.domain.state import Ask, Call, Task, ThreadState
from busagents.domain.subjects import ThreadRef
from busagents.domain.tool_calls import waits

SEND = "a2a.send"
CANCEL = "a2a.cancel"
KEY = "a2a"


class Link(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the thread knows of the remote's side: its context, which lasts; the task it made of `task`, and `asked`, the mark of
    the status with which it last asked something.
    """

    context: str = ""
    task: str = ""
    remote: str = ""
    asked: str = ""

    def set(self) -> e.StateSet:
        """The fact that this is so."""
        return e.StateSet(KEY, msgspec.to_builtins(self))


def link_of(state: ThreadState) -> Link:
    """What is known for the task at work."""
    value: Any = state.values.get(KEY)
    link = msgspec.convert(value, Link) if isinstance(value, dict) else Link()
    task = state.active.id if state.active is not None else ""
    return link if link.task == task else Link(link.context)


def sends(task: Task) -> list[Call]:
    """The messages sent for a task, or about to be, in order. The id of a call is that of its message."""
    return [call for call in task.calls if call.part.name == SEND]


def message_id(ref: ThreadRef, task: Task, number: int) -> str:
    """The id of the so many-th message of a task, from 0."""
    return derived_id("a2a message", str(ref), task.id, str(number))


def own_context(ref: ThreadRef) -> str:
    """The context that a thread proposes for its first message."""
    return derived_id("a2a context", str(ref))


def question_id(ref: ThreadRef, task: Task) -> str:
    """The name of the question that the remote asks in answer to the last message sent."""
    return derived_id("a2a question", str(ref), task.id, str(len(sends(task))))


def answered(ref: ThreadRef, task: Task) -> Ask | None:
    """The question to which the answer is here and was not yet sent on."""
    ask = task.asks.get(question_id(ref, task))
    return ask if ask is not None and ask.answered and ask.given is not None else None


class RemotePolicy(msgspec.Struct, frozen=True):
    """What deciding needs to know of a remote agent."""

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
            return self._cancel(state, task)
        if task.suspended:
            if waits(task, ""):
                return Decision()
            again = e.TaskStarted(self.owner, self.definition, task.limits)
            return Decision((e.Recorded(again, task.id, attempt=task.attempt + 1),))
        return Decision(perform=(RunFunction(task.id, task.attempt),))

    def _cancel(self, state: ThreadState, task: Task) -> Decision:
        """The remote is told first, if anything was sent to it."""
        call = derived_id("a2a cancel", str(state.ref), task.id)
        told = next((item for item in task.calls if item.part.call == call), None)
        if not sends(task) or (told is not None and told.status == "done"):
            return cancel_task(task)
        if told is None:
            return Decision((e.Recorded(e.ToolStarted(call, CANCEL, "idempotent"), task.id, 0, max(1, task.attempt)),))
        return Decision(perform=(RunFunction(task.id, task.attempt),))

    def recover(self, state: ThreadState) -> tuple[e.Recorded, ...]:
        """What to record when this process takes over a thread that another had at work. Of a message whose answer is missing,
        the remote is asked first.
        """
        records = recover(state, owner=self.owner, definition=self.definition)
        if any(isinstance(item.event, e.TaskFailed) for item in records):
            return records
        return tuple(item for item in records if not isinstance(item.event, e.ToolUnknown))


def remote_policy(agent: RemoteAgent, owner: str) -> RemotePolicy:
    """The policy of a declared remote agent in the process `owner`."""
    return RemotePolicy(owner, agent.definition_hash, agent.limits)
