"""Laws of every graph: it ends, nothing runs twice for nothing, any replica goes on alike, and a node costs the same in any graph."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from types import FrameType
from typing import Any, Literal

import msgspec
import pytest
from graph_line import GraphLine, people, yes
from hypothesis import given
from hypothesis import strategies as st

from busagents.domain import events as e
from busagents.domain.decision import Decision
from busagents.domain.graph import Edge, Graph, Node
from busagents.domain.state import ThreadState
from busagents.domain.thread import apply_events


@dataclass(frozen=True)
class Plan:
    """A graph without cycles; for each edge whether it has a condition and is taken; in which order its nodes end."""

    size: int
    edges: tuple[tuple[int, int, bool, bool], ...]  # source, target, conditional, taken
    joins: tuple[Literal["all", "any"], ...]
    order: tuple[int, ...]  # which of the nodes at work ends next

    def graph(self) -> Graph:
        names = people(f"n{number}" for number in range(self.size))
        nodes = [Node(name, join=join) for name, join in zip(names, self.joins, strict=True)]
        return Graph("g", [Edge(nodes[s], nodes[t], yes if asked else None) for s, t, asked, _ in self.edges], nodes=nodes)

    def taken(self, source: str) -> set[str]:
        return {f"n{t}" for s, t, asked, taken in self.edges if f"n{s}" == source and (taken or not asked)}

    def expected(self) -> set[str]:
        """The nodes that run: the entries, and those to which a node that runs takes an edge."""
        inward = {t for _, t, _, _ in self.edges}
        runs = {f"n{number}" for number in range(self.size) if number not in inward}
        for number in range(self.size):  # edges lead from smaller numbers to larger ones
            if f"n{number}" in runs:
                runs |= self.taken(f"n{number}")
        return runs


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    size = draw(st.integers(1, 8))
    pairs = [(s, t) for s in range(size) for t in range(s + 1, size)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    edges = tuple((s, t, draw(st.booleans()), draw(st.booleans())) for s, t in chosen)
    joins = tuple(draw(st.sampled_from(("all", "any"))) for _ in range(size))
    return Plan(size, edges, joins, tuple(draw(st.lists(st.integers(0, 7), min_size=size, max_size=size))))


class Watched(GraphLine):
    """A line that keeps each state it decided on, and the decision."""

    def __init__(self, graph: Graph) -> None:
        self.decisions: list[tuple[ThreadState, Decision]] = []
        self.facts: list[e.Recorded] = []
        super().__init__(graph)

    def go(self) -> Watched:
        """See Line.go."""
        self.recorded = []
        while True:
            decision = self.agent.decide(self.state)
            self.decisions.append((self.state, decision))
            if not decision.record:
                break
            self.recorded.extend(decision.record)
            self.state = apply_events(self.state, (), decision.record)
        self.todo = decision.perform
        return self


def run_through(plan: Plan, line: GraphLine, *, before_each: Callable[[], None] = lambda: None) -> GraphLine:
    """Let the nodes end in the plan's order until the task has ended."""
    for turn in plan.order:
        while line.todo:
            line.chooses(line.todo[0].node, *plan.taken(line.todo[0].node))  # type: ignore[union-attr]
        if line.state.active is None:
            break
        before_each()
        at_work = line.run.open
        line.ends(at_work[turn % len(at_work)])
    while line.todo:
        line.chooses(line.todo[0].node, *plan.taken(line.todo[0].node))  # type: ignore[union-attr]
    return line


@given(plans())
def test_a_graph_without_cycles_ends_and_each_node_to_which_an_edge_was_taken_runs_once(plan: Plan) -> None:
    line = run_through(plan, GraphLine(plan.graph()))
    assert Counter(line.run.order) == dict.fromkeys(plan.expected(), 1)
    ends = {f"n{number}" for number in range(plan.size)} - {f"n{s}" for s, _, _, _ in plan.edges}
    assert (line.outcome.state, line.outcome.reason) == (("completed", "") if ends & plan.expected() else ("failed", "stuck"))


@given(plans())
def test_a_join_of_all_starts_after_each_of_its_sources_was_decided(plan: Plan) -> None:
    line = Watched(plan.graph())
    run_through(plan, line)
    decided: set[str] = set()
    sources = {f"n{number}": {f"n{s}" for s, t, _, _ in plan.edges if t == number} for number in range(plan.size)}
    for _, decision in line.decisions:
        for recorded in decision.record:
            if isinstance(recorded.event, e.NodeStarted) and plan.joins[int(recorded.event.node[1:])] == "all":
                assert sources[recorded.event.node] <= decided | told(line, recorded.event.node)
            if isinstance(recorded.event, e.EdgesChosen):
                decided.add(recorded.event.node)


def told(line: GraphLine, node: str) -> set[str]:
    """Sources whose conditions were evaluated: these facts are no decision."""
    plan = line.agent.plan  # type: ignore[union-attr]
    return {source for source in plan.nodes[node].sources if any(edge.asked for edge in plan.nodes[source].edges)}


@given(plans())
def test_whoever_folds_the_log_anywhere_decides_the_same(plan: Plan) -> None:
    line = Watched(plan.graph())
    run_through(plan, line)
    for state, decision in line.decisions:
        assert line.agent.decide(state) == decision  # states share storage, and later ones were built since
        assert line.agent.decide(refolded(state)) == decision


def refolded(state: ThreadState) -> ThreadState:
    """The state as its values are, without anything another state shares."""
    task = state.active
    if task is None:
        return state
    run = msgspec.convert(msgspec.to_builtins(task.run), type(task.run)) if task.run is not None else None
    return msgspec.structs.replace(state, active=msgspec.structs.replace(task, run=run, children=dict(task.children)))


@given(plans(), st.integers(0, 40))
def test_a_takeover_at_any_point_leads_to_the_same_end(plan: Plan, point: int) -> None:
    calm = run_through(plan, GraphLine(plan.graph()))
    line = GraphLine(plan.graph())
    left = [point]

    def take_over() -> None:
        left[0] -= 1
        if left[0] <= 0:
            line.take_over()

    run_through(plan, line, before_each=take_over)
    assert line.run == calm.run
    assert line.outcome.text == calm.outcome.text


def work_of(act: Callable[[], Any]) -> int:
    """How many functions of graphs are called: what a decision looks at, and what the fold keeps of it."""
    count = [0]

    def note(frame: FrameType, event: str, _: Any) -> None:
        count[0] += event == "call" and "/domain/graph_" in frame.f_code.co_filename

    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count[0]


def a_chain(length: int) -> int:
    """The work for each node of a chain."""
    names = people(f"n{number}" for number in range(length))
    line = GraphLine(Graph("g", [Edge(a, b) for a, b in pairwise(names)]))

    def go_through() -> None:
        for name in names[:-1]:
            line.ends(name.name)

    return work_of(go_through) // (length - 1)


def test_a_node_costs_the_same_in_a_short_chain_and_a_long_one() -> None:
    assert a_chain(500) <= a_chain(5) * 1.05


@pytest.mark.parametrize("backwards", [False, True])
def test_an_item_costs_about_the_same_among_few_and_many(backwards: bool) -> None:
    def each_of(count: int) -> float:
        line = GraphLine(Graph("g", nodes=[Node(people("a")[0], over="task")]), text=str(list(range(count))))
        items = list(range(count))[:: -1 if backwards else 1]
        return work_of(lambda: [line.ends("a", item=item) for item in items]) / count

    assert each_of(1000) <= each_of(100) * 2.5  # it grows with the logarithm


def test_a_join_of_many_costs_about_the_same_for_each() -> None:
    def each_of(count: int) -> float:
        names = people(f"n{number}" for number in range(count))
        line = GraphLine(Graph("g", [Edge(name, "end") for name in names], nodes=[*names, *people(["end"])]))
        return work_of(lambda: [line.ends(name.name) for name in names]) / count

    assert each_of(400) <= each_of(40) * 2.5
