"""Giving a task to another participant: under which ids, with which bounds, and how deep it may go.

Every id is derived from what the child is for, so that a process that goes on after a crash sends the same task again and the
receiver knows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from busagents.domain import events as e
from busagents.domain.codec import derived_id
from busagents.domain.limits import Limits
from busagents.domain.messages import Message
from busagents.domain.state import Task, ThreadState
from busagents.domain.subjects import ThreadRef

MAX_DEPTH = 10  # participants in a chain, the root included


def delegate(
    state: ThreadState,
    task: Task,
    call: str,
    participant: str,
    message: Message,
    *,
    thread: str | None = None,
    output_schema: dict[str, Any] | None = None,
    handoffs: Sequence[e.Member] = (),
    ends_task: bool = False,
) -> e.Recorded:
    """The fact that a task was given to `participant` for `call`, which is unique in the task's turn.

    `thread` is the child's thread if it is to be one that lasts; else each call has a thread of its own.
    """
    scope = (str(state.ref), task.id, str(task.turn), call, participant)
    target = ThreadRef(participant, state.ref.session, thread or derived_id("thread", *scope))
    delegated = e.TaskDelegated(
        call,
        target,
        message,
        child=derived_id("child", str(target), *scope),
        limits=remaining(task),
        output_schema=output_schema,
        handoffs=tuple(handoffs),
        ends_task=ends_task,
    )
    return e.Recorded(delegated, task.id, task.turn, max(1, task.attempt))


def lasting_thread(state: ThreadState, name: str) -> str:
    """The name of the thread that `name` has for all tasks of this thread: another one for each thread that calls it."""
    return derived_id("lasting", str(state.ref), name)


def remaining(task: Task) -> Limits | None:
    """What is left of a task's tokens and seconds: the bounds of whoever works for it. Turns are each participant's own."""
    limits = task.limits
    left = Limits(
        turns=None,
        total_tokens=None if limits.total_tokens is None else max(0, limits.total_tokens - task.usage.total_tokens),
        output_tokens=None if limits.output_tokens is None else max(0, limits.output_tokens - task.usage.output_tokens),
        seconds=None if limits.seconds is None else max(0.0, limits.seconds - task.elapsed_ms / 1000),
    )
    return None if left == Limits(turns=None) else left


def too_deep(state: ThreadState, task: Task) -> str | None:
    """Why the task may not be passed further down, or None."""
    chain = (*task.submitted.chain, state.ref.participant)
    if len(chain) < MAX_DEPTH:
        return None
    return f"it would be the {len(chain) + 1}th participant in a chain of at most {MAX_DEPTH}: {' → '.join(chain)}"
