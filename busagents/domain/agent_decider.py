"""decide for an agent: call the model, run the tools it asked for, again, until it answers. Pure and level-triggered.

It looks only at what is recorded, so the same function serves a fresh task, a takeover and a replay:

    canceled in the queue           → end it
    queued                          → start it
    canceled                        → answer open calls, end it
    hooks before the task           → perform them, unless they have decided or a turn was requested already
    model call open                 → perform it (or wait for its next attempt; or fail with its last error)
    tool calls open                 → `tool_calls`: start, delegate, ask for approval; perform the started ones
    every tool call answered        → next turn, within the limits, unless a call hands over or is the answer
    an answer without tool calls    → ask again if it does not fit the task's schema; else hooks after the task; then complete
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from busagents.domain import events as e
from busagents.domain.decision import (
    CallModel,
    Decision,
    RunHooks,
    WaitRetry,
    cancel_task,
    fail_task,
    recover,
    settle_first,
    start_next,
)
from busagents.domain.limits import Limits
from busagents.domain.messages import assistant
from busagents.domain.output import parse_output
from busagents.domain.state import Task, ThreadState
from busagents.domain.tool_calls import CallPolicy, ToolPolicy, handed_over

_MAX_CORRECTIONS = 2


class AgentPolicy(msgspec.Struct, frozen=True):
    """What deciding needs to know of an agent; derived from its definition and the process that runs it."""

    owner: str
    definition: str
    model: str
    limits: Limits
    settings: Mapping[str, Any]
    tools: Mapping[str, ToolPolicy]
    tool_concurrency: int
    hooks: tuple[str, ...] = ()  # the points at which a hook has something to say

    def decide(self, state: ThreadState) -> Decision:
        """What to record now, or which effects are outstanding."""
        if (first := settle_first(state)) is not None:
            return first
        task = state.active
        if task is None:
            return start_next(state, owner=self.owner, definition=self.definition, limits=self.limits)
        if task.cancel is not None:
            return cancel_task(task)
        if task.model is not None:
            return self._open_model_call(task)
        if task.turn == 0 and self._hook_to_run(task, "before_task"):
            return Decision(perform=(RunHooks(task.id, task.turn, "before_task"),))
        if task.answer is None:
            return Decision((self._next_turn(state, task),))  # what its caller has left may be nothing
        if any(call.status != "done" for call in task.calls):
            return CallPolicy(self.tools, self.tool_concurrency, "before_tool" in self.hooks).decide(state, task)
        if task.calls:
            return Decision((self._answered_by_a_call(task) or self._next_turn(state, task),))
        end = self._answered(state, task)
        if isinstance(end.event, e.TaskCompleted) and self._hook_to_run(task, "after_task"):
            return Decision(perform=(RunHooks(task.id, task.turn, "after_task"),))
        return Decision((end,))

    def recover(self, state: ThreadState) -> tuple[e.Recorded, ...]:
        """What to record when this process takes over a thread that another had at work."""
        return recover(state, owner=self.owner, definition=self.definition, model=self.model, settings=self.settings)

    def _hook_to_run(self, task: Task, point: str) -> bool:
        return point in self.hooks and point not in task.hooked

    def _open_model_call(self, task: Task) -> Decision:
        call = task.model
        assert call is not None
        if not call.failed_code:
            return Decision(perform=(CallModel(task.id, task.turn, call.attempt),))
        if call.retry_in is None:
            return Decision((fail_task(task, call.failed_code, call.failed_message),))
        return Decision(perform=(WaitRetry(task.id, task.turn, call.attempt + 1, call.retry_in),))

    def _request(self, state: ThreadState, task: Task, *, turn: int, note: str = "") -> e.Recorded:
        requested = e.ModelRequested(self.model, state.seq, state.digest, dict(self.settings), note)
        return e.Recorded(requested, task.id, turn, attempt=1)

    def _next_turn(self, state: ThreadState, task: Task, note: str = "") -> e.Recorded:
        reached = limit_reached(task)
        if reached is not None:
            return fail_task(task, *reached)
        return self._request(state, task, turn=task.turn + 1, note=note)

    def _answered_by_a_call(self, task: Task) -> e.Recorded | None:
        """The end of a task by what a call said: it hands over, or its result is the answer."""
        handoff = handed_over(task)
        if handoff is not None:
            said = task.answer.text if task.answer is not None else ""
            completed = e.TaskCompleted(assistant(said or handoff.message), task.usage, handoff=handoff)
            return e.Recorded(completed, task.id, task.turn, task.attempt)
        final = next((call.content for call in task.calls if call.ends_task and not call.is_error), None)
        if final is None:
            return None
        schema = task.submitted.output_schema
        output, problem = parse_output(final, schema) if schema is not None else (None, None)
        if problem is not None:
            return None  # it does not fit what was asked for: the model makes it fit
        return e.Recorded(e.TaskCompleted(assistant(final), task.usage, output), task.id, task.turn, task.attempt)

    def _answered(self, state: ThreadState, task: Task) -> e.Recorded:
        answer = task.answer
        assert answer is not None
        if task.stop_reason == "length":
            return fail_task(
                task, "output_truncated", "The model stopped at its output limit: raise max_tokens, or ask for less."
            )
        if task.stop_reason == "refused":
            return fail_task(task, "refused", answer.text or "The model refused to answer.")
        schema = task.submitted.output_schema
        if schema is None:
            return e.Recorded(e.TaskCompleted(answer, task.usage), task.id, task.turn, task.attempt)
        output, problem = parse_output(answer.text, schema)
        if problem is None:
            return e.Recorded(e.TaskCompleted(answer, task.usage, output), task.id, task.turn, task.attempt)
        if task.notes >= _MAX_CORRECTIONS:
            return fail_task(task, "output_invalid", f"The answer still does not fit the schema asked for: {problem}")
        note = f"Your answer does not fit the JSON Schema asked for: {problem} Answer again with only JSON that fits it."
        return self._next_turn(state, task, note)


def limit_reached(task: Task) -> tuple[str, str] | None:
    """The reason code and text of the first limit a task has reached, or None."""
    limits = task.limits
    checks: tuple[tuple[str, float | None, float], ...] = (
        ("turns", limits.turns, task.turn),
        ("total_tokens", limits.total_tokens, task.usage.total_tokens),
        ("output_tokens", limits.output_tokens, task.usage.output_tokens),
        ("seconds", limits.seconds, task.elapsed_ms / 1000),
    )
    for name, bound, used in checks:
        if bound is not None and used >= bound:
            return (
                f"limit_{name}",
                f"The task reached its limit of {bound:g} {name.replace('_', ' ')}: raise Limits({name}=…) or ask for less.",
            )
    return None
