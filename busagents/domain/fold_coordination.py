"""The fold's rules for swarms and graphs. What they mean for the run is in `swarm_run` and `graph_run`."""

from __future__ import annotations

from msgspec.structs import replace

from busagents.domain import events as e
from busagents.domain.fold_task import Rules, active, let_go
from busagents.domain.graph_run import GraphRun
from busagents.domain.state import ThreadState
from busagents.domain.swarm_run import SwarmRun
from busagents.errors import ChainBroken


def node_call(node: str, run: int) -> str:
    """The call under which a node's run, or a member's stint, is delegated. Its items append `.0`, `.1` …"""
    return f"{node}#{run}"


def _node_started(state: ThreadState, recorded: e.Recorded, event: e.NodeStarted) -> ThreadState:
    task = active(state, recorded)
    if task.run is None:
        raise ChainBroken(f"node.started in task {task.id!r}, which is no swarm's or graph's: the log was altered")
    timeouts = task.timeouts
    if event.timeout is not None:
        timeouts = {**timeouts, node_call(event.node, event.run): event.timeout}
    return replace(state, active=replace(task, run=task.run.started(event), timeouts=timeouts, stalls=0))


def _node_completed(state: ThreadState, recorded: e.Recorded, event: e.NodeCompleted) -> ThreadState:
    task = active(state, recorded)
    call = node_call(event.node, event.run)
    if task.run is None:
        raise ChainBroken(f"node.completed in task {task.id!r}, which is no swarm's or graph's: the log was altered")
    timeouts = {key: seconds for key, seconds in task.timeouts.items() if key != call}
    expired = tuple(key for key in task.expired if key != call)
    task = replace(task, run=task.run.completed(event), timeouts=timeouts, expired=expired, stalls=0)
    return let_go(replace(state, active=task), call, f"its node has ended: {event.state}")


def _handed_over(state: ThreadState, recorded: e.Recorded, event: e.HandoffMade) -> ThreadState:
    task = active(state, recorded)
    if not isinstance(task.run, SwarmRun):
        raise ChainBroken(f"handoff.made in task {task.id!r}, which is no swarm's: the log was altered")
    return replace(state, active=replace(task, run=task.run.handed_over(event)))


def _in_graph(state: ThreadState, recorded: e.Recorded, event: e.EdgesChosen | e.InputsChosen | e.OutputsReduced) -> ThreadState:
    task = active(state, recorded)
    run = task.run
    if not isinstance(run, GraphRun):
        raise ChainBroken(f"{event.type} in task {task.id!r}, which is no graph's: the log was altered")
    match event:
        case e.EdgesChosen():
            run = run.chose(event)
        case e.InputsChosen():
            run = run.inputs(event)
        case e.OutputsReduced():
            run = run.reduced(event)
    return replace(state, active=replace(task, run=run, stalls=0))


COORDINATION_RULES: Rules = {
    e.NodeStarted: _node_started,
    e.NodeCompleted: _node_completed,
    e.HandoffMade: _handed_over,
    e.EdgesChosen: _in_graph,
    e.InputsChosen: _in_graph,
    e.OutputsReduced: _in_graph,
}
