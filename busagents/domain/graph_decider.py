"""decide for a graph: which nodes start, which are passed over, and how its task ends. Pure and level-triggered.

What one outcome leads to, and no user code has to say, is one decision:

    a node's tasks ended            → node.completed (after its reducer, if it has one)
    a node failed                   → run it again; or take its error edges; or end its branch; or fail
    a node ended                    → edges.chosen, at once if no edge has a condition, else the user's functions say
    every edge to a node is decided → start it if one was taken, else pass it over, and so on down
    nothing runs, nothing is open   → the answer of the ends that were reached; or the graph is stuck

It looks only at the nodes that GraphRun names as open, ended or touched.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from busagents.domain import events as e
from busagents.domain.agent_decider import limit_reached
from busagents.domain.decision import (
    ChooseEdges,
    ChooseInputs,
    Command,
    Decision,
    ReduceOutputs,
    cancel_task,
    fail_task,
    recover,
    settle_first,
    start_next,
)
from busagents.domain.fold_coordination import node_call
from busagents.domain.graph import Graph
from busagents.domain.graph_outcome import all_ended, complete_by, fail_by, fail_stuck, failed_run, first_missing, node_ended
from busagents.domain.graph_plan import GraphPlan, NodePlan, graph_plan
from busagents.domain.graph_run import GraphRun, NodeRun
from busagents.domain.graph_start import CannotStart, Starts
from busagents.domain.limits import Limits
from busagents.domain.state import Task, ThreadState


class GraphPolicy(msgspec.Struct, frozen=True):
    """What deciding needs to know of a graph. Made by `graph_policy`."""

    owner: str
    definition: str
    limits: Limits
    plan: GraphPlan

    def decide(self, state: ThreadState) -> Decision:
        """What to record now, or which effects are outstanding."""
        if (first := settle_first(state)) is not None:
            return first
        task = state.active
        if task is None:
            return start_next(
                state,
                owner=self.owner,
                definition=self.definition,
                limits=self.limits,
                coordinator="graph",
                timeout=self.plan.timeout,
            )
        if task.cancel is not None:
            return cancel_task(task)
        if "" in task.expired:
            text = f"The task reached its limit of {task.timeout or 0:g} seconds: raise execution_timeout, or ask for less."
            return Decision((fail_task(task, "limit_execution_time", text),))
        if not isinstance(task.run, GraphRun):
            text = "The task was begun by a participant that was no graph, under the same name: send it again."
            return Decision((fail_task(task, "definition_changed", text),))
        return _Deciding(self.plan, state, task, task.run).decide()

    def recover(self, state: ThreadState) -> tuple[e.Recorded, ...]:
        """What to record when this process takes over a thread that another had at work."""
        return recover(state, owner=self.owner, definition=self.definition)


def graph_policy(graph: Graph, owner: str) -> GraphPolicy:
    """The policy of a graph in a process called `owner`."""
    return GraphPolicy(owner, graph.definition_hash, graph.limits, graph_plan(graph))


class _Ended(Exception):
    """The task is at its end: nothing more is decided."""


class _Deciding:
    """One decision in the making: what was recorded so far is in `_run`."""

    def __init__(self, plan: GraphPlan, state: ThreadState, task: Task, run: GraphRun) -> None:
        self._plan = plan
        self._task = task
        self._run = run
        self._starts = Starts(plan, state, task)
        self._record: list[e.Recorded] = []
        self._perform: list[Command] = []

    def decide(self) -> Decision:
        try:
            self._refuse_unknown()
            self._take_ends()
            while self._choose() | self._begin() | self._follow():
                continue
            if not (self._run.open or self._run.ended or self._perform or self._starts.full):
                self._finish()
        except _Ended:
            return Decision(tuple(self._record))
        return Decision(tuple(self._record), () if self._record else tuple(self._perform))

    def _refuse_unknown(self) -> None:
        """Of a graph that was changed meanwhile the recorded decisions stand; a node that is gone cannot go on."""
        known = self._plan.nodes
        gone = [name for names in (self._run.open, self._run.ended, self._run.touched) for name in names if name not in known]
        if gone:
            text = f"Node {gone[0]!r} was in the graph when this task reached it, and is not any more: put it back, or send it again."
            self._end(fail_task(self._task, "definition_changed", text))

    def _take_ends(self) -> None:
        """Nodes whose tasks have ended, or whose time is up."""
        children, expired = self._task.children, self._task.expired
        for name in self._run.open:
            known = self._run.nodes[name]
            if known.items is None and not expired:  # spelled out: of many nodes at work, this looks at each
                child = children.get(f"{name}#{known.run}")
                if child is None or child.outcome is None:
                    continue
            plan = self._plan.nodes[name]
            if node_call(name, known.run) in expired:
                text = f"it did not end within {self._task.timeouts.get(node_call(name, known.run), 0):g} seconds"
                self._completed(failed_run(name, known.run, "limit_node_time", text))
            elif known.items is not None and (given := first_missing(self._task, name, known)) < known.items:
                self._give_more(plan, known, given)
            elif all_ended(self._task, name, known):
                if plan.reduces and known.items is not None and known.reduced is None:
                    self._perform.append(ReduceOutputs(self._task.id, name, known.run))
                else:
                    self._completed(node_ended(self._task, name, known, plan.output_schema, reduces=plan.reduces))

    def _give_more(self, plan: NodePlan, known: NodeRun, given: int) -> None:
        """The items of a long list are given away by the hundred."""
        try:
            self._record += self._starts.more(self._run, plan, known, given)
        except CannotStart as problem:
            self._completed(failed_run(plan.id, known.run, problem.reason, str(problem)))

    def _choose(self) -> bool:
        """What follows from nodes that have ended."""
        changed = False
        for name in self._run.ended:
            plan, known = self._plan.nodes[name], self._run.node(name)
            ended = known.result
            assert ended is not None
            failed = ended.state != "completed"
            if failed and known.retries < plan.retries:
                changed |= self._start(plan, again=True)
                continue
            if known.chosen is not None and known.chosen.error:
                self._end(fail_task(self._task, "condition_failed", known.chosen.error))
            edges = [edge for edge in plan.edges if edge.on_error == failed]
            if failed and not edges and plan.on_error == "fail":
                self._end(fail_by(self._task, ended))
            if any(edge.asked for edge in edges):
                self._ask(ChooseEdges(self._task.id, name, known.run))
                continue
            taken = tuple(edge.target for edge in edges)
            skipped = tuple(edge.target for edge in plan.edges if edge.on_error != failed)
            self._chosen(e.EdgesChosen(name, taken, skipped, known.run))
            changed = True
        for name in self._run.lost:
            ended = self._run.node(name).result
            if ended is not None and (name not in self._plan.nodes or self._plan.nodes[name].on_error == "fail"):
                self._end(fail_by(self._task, ended))
        return changed

    def _begin(self) -> bool:
        """The entries. They start in order, so that the last one tells whether all have."""
        waiting = [name for name in self._plan.asked_entries if not self._run.node(name).run]
        if self._plan.entries and not self._run.node(self._plan.entries[-1]).run:
            waiting += [name for name in self._plan.entries if not self._run.node(name).run]
        changed = False
        for name in waiting:
            changed |= self._start(self._plan.nodes[name])
        return changed

    def _follow(self) -> bool:
        """Nodes to which edges were decided: start them, pass them over, or leave them waiting."""
        changed = False
        for name in self._run.touched:
            plan, known = self._plan.nodes[name], self._run.node(name)
            if known.run and known.chosen is None:
                continue  # still at work: its turn comes again when it has ended
            if self._due(plan, known):
                changed |= self._start(plan)
            elif self._passed_over(plan, known):
                self._chosen(e.EdgesChosen(name, skipped=tuple(edge.target for edge in plan.edges)))
                changed = True
        return changed

    def _due(self, plan: NodePlan, known: NodeRun) -> bool:
        if plan.back and not plan.back.isdisjoint(known.taken):
            return True
        return self._led_to(plan, known) and (plan.join == "any" or self._decided(plan))

    def _passed_over(self, plan: NodePlan, known: NodeRun) -> bool:
        if self._led_to(plan, known) or not self._decided(plan):
            return False
        return any(self._run.node(name).rounds > known.rounds for name in known.skipped if name not in plan.back)

    def _led_to(self, plan: NodePlan, known: NodeRun) -> bool:
        """Whether an edge to it was taken that counts. One that comes after an "any" join ran in the same round does not."""
        if plan.join == "all":
            return bool(known.taken)
        sources = (self._run.node(name) for name in known.taken)
        return any(source.rounds > known.rounds and self._takes(source, plan.id) for source in sources)

    def _takes(self, source: NodeRun, target: str) -> bool:
        return source.chosen is not None and target in source.chosen.taken

    def _decided(self, plan: NodePlan) -> bool:
        return all(self._run.node(source).chosen is not None for source in plan.forward)

    def _start(self, plan: NodePlan, *, again: bool = False) -> bool:
        """Start a node, and say whether anything was recorded. Its input may have to be asked for first."""
        if self._starts.full:
            return False
        known = self._run.node(plan.id)
        self._refuse_limits(plan, known, again=again)
        try:
            records = self._starts.start(self._run, plan, known, again=again)
        except CannotStart as problem:
            started = self._starts.started(plan, known, again=again)
            self._started(started)
            self._completed(failed_run(plan.id, known.run + 1, problem.reason, str(problem)))
            return True
        if records is None:
            self._ask(ChooseInputs(self._task.id, plan.id, known.run + 1))
            return False
        self._started(records[0])
        self._record += records[1:]
        if self._run.node(plan.id).items == 0 and not plan.reduces:
            self._completed(node_ended(self._task, plan.id, self._run.node(plan.id), plan.output_schema, reduces=False))
        return True

    def _refuse_limits(self, plan: NodePlan, known: NodeRun, *, again: bool) -> None:
        most = self._plan.max_steps
        if most is not None and self._run.steps >= most:
            text = f"The graph reached its limit of {most} node runs before {plan.id!r}: raise max_steps, or make its cycles end sooner."
            self._end(fail_task(self._task, "limit_steps", text))
        if plan.max_runs is not None and not again and known.visits >= plan.max_runs:
            text = f"Node {plan.id!r} reached its limit of {plan.max_runs} runs: raise max_runs, or make its cycle end sooner."
            self._end(fail_task(self._task, "limit_node_runs", text))
        if (reached := limit_reached(self._task)) is not None:
            self._end(fail_task(self._task, *reached))
        if (deep := self._starts.too_deep) is not None:
            self._end(fail_task(self._task, "depth", f"The task cannot be passed on: {deep}."))

    def _finish(self) -> None:
        ends = [(name, ended) for name, ended in self._results() if self._plan.nodes[name].end and ended.state == "completed"]
        reached = [(name, ended) for name, ended in ends if not self._run.node(name).led_on]
        self._end(complete_by(self._task, reached) if reached else fail_stuck(self._task, self._results()))

    def _results(self) -> Iterator[tuple[str, e.NodeCompleted]]:
        return ((name, ended) for name in self._plan.nodes if (ended := self._run.node(name).result) is not None)

    def _ask(self, command: Command) -> None:
        if command not in self._perform:
            self._perform.append(command)

    def _started(self, recorded: e.Recorded) -> None:
        assert isinstance(recorded.event, e.NodeStarted)
        self._record.append(recorded)
        self._run = self._run.started(recorded.event)

    def _completed(self, event: e.NodeCompleted) -> None:
        self._record.append(self._fact(event))
        self._run = self._run.completed(event)

    def _chosen(self, event: e.EdgesChosen) -> None:
        self._record.append(self._fact(event))
        self._run = self._run.chose(event)

    def _fact(self, event: e.Event) -> e.Recorded:
        return e.Recorded(event, self._task.id, self._task.turn, max(1, self._task.attempt))

    def _end(self, terminal: e.Recorded) -> None:
        self._record.append(terminal)
        raise _Ended
