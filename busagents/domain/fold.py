"""evolve: one event, a new state. Pure: no clock, no random, no I/O, no user code. Same log, same state, anywhere.

The rules stand in tables: here those of a task's life, in `fold_turn` those of an agent's turns, in `fold_waits` those of
children, questions and timers, in `fold_coordination` those of swarms and graphs.
"""

from __future__ import annotations

from msgspec.structs import replace

from busagents.domain import events as e
from busagents.domain.fold_coordination import COORDINATION_RULES
from busagents.domain.fold_task import Rules, active, add_message, orphaned, unheard
from busagents.domain.fold_turn import TURN_RULES
from busagents.domain.fold_waits import WAIT_RULES
from busagents.domain.graph_run import GraphRun
from busagents.domain.state import Outcome, Task, ThreadState
from busagents.domain.swarm_run import SwarmRun
from busagents.errors import ChainBroken


def evolve(state: ThreadState, recorded: e.Recorded) -> ThreadState:
    """The state after one event.

    Raises:
        ChainBroken: the event does not follow from the state (it answers a call that is not open, for example).
    """
    rule = _RULES.get(type(recorded.event))
    return state if rule is None else rule(state, recorded, recorded.event)


def _submitted(state: ThreadState, recorded: e.Recorded, event: e.TaskSubmitted) -> ThreadState:
    if state.task_state(recorded.task) is not None:
        return state  # sent twice under two ids: the first one counts
    task = Task(recorded.task, event, cancel=state.canceled_ahead.get(recorded.task))
    ahead = (
        {key: reason for key, reason in state.canceled_ahead.items() if key != task.id} if task.cancel else state.canceled_ahead
    )
    return replace(state, queue=(*state.queue, task), canceled_ahead=ahead)


def _cancel(state: ThreadState, recorded: e.Recorded, event: e.TaskCancel) -> ThreadState:
    reason = event.reason or "canceled"
    if state.active is not None and state.active.id == recorded.task:
        return replace(state, active=replace(state.active, cancel=reason))
    if state.task_state(recorded.task) is None:  # it overtook its task
        return replace(state, canceled_ahead={**state.canceled_ahead, recorded.task: reason})
    queue = tuple(replace(task, cancel=reason) if task.id == recorded.task else task for task in state.queue)
    return replace(state, queue=queue)


def _started(state: ThreadState, recorded: e.Recorded, event: e.TaskStarted) -> ThreadState:
    if state.active is not None and state.active.id == recorded.task:  # a takeover, or a function that goes on
        taken = state.active
        ended = event.owner != taken.owner  # else the same process tries again: the bus was away
        stalls = taken.stalls + ended if not taken.suspended else 0
        taken = replace(taken, attempt=recorded.attempt, owner=event.owner, stalls=stalls, suspended=False)
        return replace(state, active=taken)
    task = next((queued for queued in state.queue if queued.id == recorded.task), None)
    if task is None or state.active is not None:
        raise ChainBroken(f"task.started for task {recorded.task!r}, which is not the next in the queue: the log was altered")
    run = {"": None, "swarm": SwarmRun(), "graph": GraphRun()}[event.coordinator]
    task = replace(task, attempt=recorded.attempt, owner=event.owner, limits=event.limits, timeout=event.timeout, run=run)
    state = replace(state, active=task, queue=tuple(queued for queued in state.queue if queued.id != task.id))
    return add_message(state, task.submitted.prompt)


def _state_set(state: ThreadState, recorded: e.Recorded, event: e.StateSet) -> ThreadState:
    values = dict(state.values if event.scope == "agent" else state.session_values)
    if event.deleted:
        values.pop(event.key, None)
    else:
        values[event.key] = event.value
    return replace(state, values=values) if event.scope == "agent" else replace(state, session_values=values)


def _completed(state: ThreadState, recorded: e.Recorded, event: e.TaskCompleted) -> ThreadState:
    outcome = Outcome(
        "completed",
        message=event.message,
        text=event.message.text,
        usage=event.usage,
        output=event.output,
        artifacts=event.artifacts,
        handoff=event.handoff,
        elapsed_ms=event.elapsed_ms,
    )
    task = active(state, recorded)
    if task.answer is None and event.message.parts:  # a function's answer was no model turn
        state = add_message(state, event.message)
    return _finish(state, recorded.task, outcome)


def _failed(state: ThreadState, recorded: e.Recorded, event: e.TaskFailed) -> ThreadState:
    return _finish(
        state,
        recorded.task,
        Outcome("failed", reason=event.reason, text=event.message, usage=event.usage, elapsed_ms=event.elapsed_ms),
    )


def _canceled(state: ThreadState, recorded: e.Recorded, event: e.TaskCanceled) -> ThreadState:
    return _finish(state, recorded.task, Outcome("canceled", reason=event.reason, usage=event.usage))


def _finish(state: ThreadState, task: str, outcome: Outcome) -> ThreadState:
    ended = next((item for item in (state.active, *state.queue) if item is not None and item.id == task), None)
    if ended is not None:
        outcome = replace(
            outcome,
            submitted=ended.submitted,
            seq=state.seq + 1,
            elapsed_ms=max(outcome.elapsed_ms, ended.elapsed_ms),
            run=ended.run,
        )
        if ended is state.active:
            state = unheard(state, ended.asks.values())
        state = orphaned(state, list(ended.children.values()), f"the task that asked for it has ended: {outcome.state}")
    at_work = None if state.active is not None and state.active.id == task else state.active
    queue = tuple(queued for queued in state.queue if queued.id != task)
    return replace(state, active=at_work, queue=queue, finished=state.finished.record(task, outcome))


_RULES: Rules = {
    e.TaskSubmitted: _submitted,
    e.TaskCancel: _cancel,
    e.TaskStarted: _started,
    e.StateSet: _state_set,
    e.TaskCompleted: _completed,
    e.TaskFailed: _failed,
    e.TaskCanceled: _canceled,
    **TURN_RULES,
    **WAIT_RULES,
    **COORDINATION_RULES,
}
