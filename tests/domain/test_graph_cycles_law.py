"""Any graph with cycles, with nodes that fail and conditions that hold as they like, comes to an end and never rests with work left."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from graph_line import GraphLine, people, yes
from hypothesis import given, settings
from hypothesis import strategies as st

from busagents.domain.decision import ChooseEdges
from busagents.domain.graph import Edge, Graph, Node

MAX_STEPS = 25


@dataclass(frozen=True)
class Wild:
    """Nodes in a row, and any edges beside."""

    edges: tuple[tuple[int, int, bool, bool], ...]  # source, target, conditional, on error
    joins: tuple[Literal["all", "any"], ...]
    retries: tuple[int, ...]
    continues: tuple[bool, ...]

    def graph(self, max_steps: int = MAX_STEPS) -> Graph:
        names = people(f"n{number}" for number in range(len(self.joins)))
        nodes = [
            Node(name, join=join, retries=retries, on_error="continue" if goes_on else "fail")
            for name, join, retries, goes_on in zip(names, self.joins, self.retries, self.continues, strict=True)
        ]
        edges = [Edge(nodes[s], nodes[t], yes if asked else None, failed) for s, t, asked, failed in self.edges]
        return Graph("g", edges, nodes=nodes, entry="n0", max_steps=max_steps)


@st.composite
def wild(draw: st.DrawFn) -> Wild:
    size = draw(st.integers(1, 6))
    row = [(number, number + 1) for number in range(size - 1)]
    others = [(s, t) for s in range(size) for t in range(size) if (s, t) not in row]
    pairs = row + draw(st.lists(st.sampled_from(others), unique=True, max_size=8))
    edges = tuple((s, t, draw(st.booleans()), draw(st.integers(0, 4)) == 0) for s, t in pairs)
    return Wild(
        edges,
        tuple(draw(st.sampled_from(("all", "any"))) for _ in range(size)),
        tuple(draw(st.integers(0, 1)) for _ in range(size)),
        tuple(draw(st.booleans()) for _ in range(size)),
    )


def one_step(line: GraphLine, data: st.DataObject) -> None:
    """One thing that is outstanding happens."""
    choices = [command for command in line.todo if isinstance(command, ChooseEdges)]
    if choices:
        command = choices[0]
        plan, result = line.agent.plan.nodes[command.node], line.run.node(command.node).result  # type: ignore[union-attr]
        failed = result is not None and result.state != "completed"
        line.chooses(command.node, *(edge.target for edge in plan.edges if edge.on_error == failed and data.draw(st.booleans())))
        return
    node = data.draw(st.sampled_from(line.run.open))
    if data.draw(st.integers(0, 3)):
        line.ends(node)
    else:
        line.fails(node)


@given(wild(), st.data())
@settings(max_examples=200)
def test_a_graph_with_cycles_ends_within_its_steps_and_never_rests_with_nothing_at_work(plan: Wild, data: st.DataObject) -> None:
    line = GraphLine(plan.graph())
    while line.state.active is not None:
        assert line.run.open or line.todo, "it rests, has not ended, and nothing will wake it"
        one_step(line, data)
    assert line.run.steps <= MAX_STEPS
    assert Counter(line.run.order) == Counter({name: node.run for name, node in line.run.nodes.items() if node.run}) - Counter(
        line.run.open
    )
    if line.outcome.state == "failed":
        assert line.outcome.reason in ("error", "stuck", "limit_steps")
    if line.outcome.reason in ("", "stuck"):
        waiting = [name for name in line.run.touched if plan.joins[int(name[1:])] == "all" and line.run.node(name).taken]
        assert waiting == [], "an edge to them was taken, and they never ran"


@given(wild(), st.data())
def test_a_graph_with_cycles_goes_on_alike_in_another_process_at_any_time(plan: Wild, data: st.DataObject) -> None:
    line = GraphLine(plan.graph(12))
    while line.state.active is not None:
        before, todo = line.run, line.todo
        line.take_over()
        assert (line.run, line.todo) == (before, todo)
        one_step(line, data)
