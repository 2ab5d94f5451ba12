"""A graph's thread in the making, for tests: tell it how its nodes' tasks end, see what it starts and how it ends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from simulated_shell import message_to
from thread_line import Line

from busagents.domain import events as e
from busagents.domain.decision import ChooseEdges
from busagents.domain.fold_coordination import node_call
from busagents.domain.fold_waits import timer_of
from busagents.domain.graph import Graph
from busagents.domain.graph_decider import graph_policy
from busagents.domain.graph_run import GraphRun
from busagents.domain.messages import Message, Usage, assistant
from busagents.domain.participant import Participant
from busagents.domain.state import Outcome, Task
from busagents.domain.thread import apply_events


class GraphLine(Line):
    """A Line whose thread is a graph's."""

    def __init__(self, graph: Graph, **task: Any) -> None:
        super().__init__(graph_policy(graph, "w1"), **task)  # type: ignore[arg-type]

    @property
    def task(self) -> Task:
        """The task at work."""
        assert self.state.active is not None
        return self.state.active

    @property
    def run(self) -> GraphRun:
        """What the graph's task has done; also once it has ended."""
        outcome = self.state.finished.get("t")
        run = outcome.run if outcome is not None else self.task.run
        assert isinstance(run, GraphRun)
        return run

    @property
    def outcome(self) -> Outcome:
        """How the task ended."""
        outcome = self.state.finished.get("t")
        assert outcome is not None, "it has not ended"
        return outcome

    @property
    def started(self) -> list[str]:
        """The nodes that were started last."""
        return [item.event.node for item in self.recorded if isinstance(item.event, e.NodeStarted)]

    @property
    def delegated(self) -> list[e.TaskDelegated]:
        """The tasks that were given away last."""
        return [item.event for item in self.recorded if isinstance(item.event, e.TaskDelegated)]

    def asked(self, call: str) -> Message:
        """What a call was asked."""
        return self.task.children[call].delegated.message

    def ends(self, node: str, text: str = "", *, item: int | None = None, go: bool = True, **fields: Any) -> GraphLine:
        """The task of a node's present run ends, by default well."""
        call = node_call(node, self.run.node(node).run)
        call = call if item is None else f"{call}.{item}"
        child = self.task.children[call].delegated
        outcome = e.TaskOutcome(
            child.target,
            **{"state": "completed", "message": assistant(text or f"{node} said"), "usage": Usage(10, 5), **fields},
            call=call,
        )
        self.state = apply_events(self.state, [message_to(outcome, self.task.id, f"end-{child.child}")], ())
        if go:
            self.go()
        return self

    def fails(self, node: str, reason: str = "error", text: str = "broken", **fields: Any) -> GraphLine:
        """The task of a node's present run fails."""
        return self.ends(node, text, state="failed", reason=reason, **fields)

    def chooses(self, node: str, *taken: str, error: str = "") -> GraphLine:
        """The conditions on the edges out of a node were evaluated."""
        command = next(item for item in self.todo if isinstance(item, ChooseEdges) and item.node == node)
        targets = [edge.target for edge in self.agent.plan.nodes[node].edges]  # type: ignore[union-attr]
        skipped = tuple(target for target in targets if target not in taken) if not error else ()
        self.tell(e.EdgesChosen(node, () if error else taken, skipped, command.run, error))
        return self

    def time_is_up(self, node: str = "") -> GraphLine:
        """A timer fires: a node's, or the task's."""
        call = node_call(node, self.run.node(node).run) if node else ""
        fired = e.TimerFired(timer_of(self.task.id, call))
        self.state = apply_events(self.state, [message_to(fired, self.task.id, f"timer-{call}")], ())
        self.go()
        return self


def people(names: Iterable[str]) -> list[Participant]:
    """References by these names."""
    return [Participant(name) for name in names]


def yes(state: object) -> bool:
    """A condition."""
    return True
