"""What a graph is made of, and what is refused when it is declared."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from graph_line import people, yes

from busagents.domain.graph import Edge, Graph, Node
from busagents.domain.participant import Participant
from busagents.errors import DefinitionError, InvalidName

A, B, C, D, E = people("abcde")


def links(graph: Graph) -> list[tuple[str, str, bool]]:
    return [(edge.source, edge.target, edge.back) for edge in graph.edges]


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "empty": (lambda: Graph("g"), "edges="),
    "duplicate id": (lambda: Graph("g", nodes=[A, Node(B, "a")]), "id="),
    "listed twice": (lambda: Graph("g", nodes=[A, A]), "id="),
    "unknown node in an edge": (lambda: Graph("g", [Edge(A, "z")]), "no node 'z'"),
    "unknown entry": (lambda: Graph("g", [Edge(A, B)], entry="z"), "no node 'z'"),
    "unreachable node": (lambda: Graph("g", [Edge(A, B), Edge(C, D)], entry=A), "node 'c'"),
    "no entry": (lambda: Graph("g", [Edge(A, B), Edge(B, A)], max_steps=3), "entry="),
    "endless cycle": (lambda: Graph("g", [Edge(A, B), Edge(B, A)], entry=A), "max_steps"),
    "endless cycle beside a bounded one": (
        lambda: Graph("g", [Edge(A, B), Edge(B, A), Edge(B, C), Edge(C, C)], nodes=[Node(A, max_runs=2)], entry=A),
        "c → c",
    ),
    "unknown join": (lambda: Node(A, join="some"), "join='all' or 'any'"),  # type: ignore[arg-type]
    "unknown on_error": (lambda: Node(A, on_error="ignore"), "on_error='fail' or 'continue'"),  # type: ignore[arg-type]
    "template of an unknown node": (lambda: Graph("g", [Edge(A, Node(B, input="{z}"))]), "no node 'z'"),
    "over an unknown node": (lambda: Graph("g", [Edge(A, Node(B, over="z"))]), "no node 'z'"),
    "single brace": (lambda: Node(A, input="a { b"), "{{"),
    "empty reference": (lambda: Node(A, input="a {}"), "{task}"),
    "item without a list": (lambda: Graph("g", nodes=[Node(A, input="{item}")]), "over="),
    "two edges": (lambda: Graph("g", [Edge(A, B), Edge(A, B, yes)]), "one when="),
    "itself as a node": (lambda: Graph("a", nodes=[A]), "its own node"),
    "ambiguous participant": (lambda: Graph("g", [Edge(A, B)], nodes=[Node(A, "x"), Node(A, "y")]), "by its id"),
    "reserved id": (lambda: Node(Participant("task")), "id="),
    "no participant": (lambda: Node("a"), "cannot be a node"),  # type: ignore[arg-type]
    "negative retries": (lambda: Node(A, retries=-1), "0 or more"),
    "no runs": (lambda: Node(A, max_runs=0), "1 or more"),
    "no steps": (lambda: Graph("g", nodes=[A], max_steps=0), "1 or more"),
    "no time": (lambda: Node(A, timeout=0), "above 0"),
    "no time at all": (lambda: Graph("g", nodes=[A], execution_timeout=-1), "above 0"),
    "a condition of two arguments": (lambda: Edge(A, B, lambda a, b: True), "one argument"),
    "a condition that is none": (lambda: Edge(A, B, 3), "use a function"),  # type: ignore[arg-type]
    "a reducer of one result": (lambda: Node(A, reduce=len), "over="),
    "two functions for one input": (lambda: Node(A, input=len, over=len), "over="),
    "a type without a schema": (lambda: Node(A, output_type=object), "no JSON Schema"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_work_is_refused_with_what_to_do(what: str) -> None:
    declare, fix = REFUSED[what]
    with pytest.raises(DefinitionError) as refused:
        declare()
    assert fix in str(refused.value)


def test_a_node_id_is_a_token() -> None:
    with pytest.raises(InvalidName):
        Node(A, "a.b")


def test_participants_in_edges_are_nodes_under_their_names() -> None:
    graph = Graph("g", [Edge(A, B), Edge("b", C)])
    assert list(graph.nodes) == ["a", "b", "c"]
    assert graph.entries == ["a"]
    assert list(graph.parts()) == [A, B, C]


def test_a_node_with_settings_is_meant_by_its_participant_its_id_and_itself() -> None:
    node = Node(B, "check", retries=2)
    graph = Graph("g", [Edge(A, B), Edge("check", C), Edge(node, D)], nodes=[node])
    assert links(graph) == [("a", "check", False), ("check", "c", False), ("check", "d", False)]


def test_references_by_one_name_are_one_node() -> None:
    graph = Graph("g", [Edge(Participant("x"), B), Edge(Participant("x"), C)])
    assert list(graph.nodes) == ["x", "b", "c"]


def test_a_participant_under_two_ids_is_two_nodes_and_one_part() -> None:
    graph = Graph("g", [Edge("one", "two")], nodes=[Node(A, "one"), Node(A, "two")])
    assert list(graph.parts()) == [A]
    assert graph.entries == ["one"]


def test_several_entries_may_be_named() -> None:
    assert Graph("g", [Edge(A, B), Edge(B, C)], entry=[A, "b"]).entries == ["a", "b"]


def test_edges_to_an_ancestor_lead_back_and_others_do_not() -> None:
    graph = Graph("g", [Edge(A, B), Edge(B, C), Edge(A, C), Edge(C, A, yes), Edge(C, B, yes), Edge(C, D)], entry=A, max_steps=9)
    assert [(source, target) for source, target, back in links(graph) if back] == [("c", "a"), ("c", "b")]


def test_a_cycle_may_be_bounded_by_one_of_its_nodes() -> None:
    Graph("g", [Edge(A, B), Edge(B, A, yes)], nodes=[Node(B, max_runs=2)], entry=A)


def test_the_builder_makes_the_same_graph() -> None:
    builder = Graph.builder("g")
    first = builder.add_node(A)
    builder.add_node(B, "check", retries=1)
    builder.add_edge(first, "check", yes).add_edge("check", first, yes).set_entry_point("a")
    builder.set_max_node_executions(9).set_execution_timeout(60).set_node_timeout(5).reset_on_revisit()
    built = builder.build(description="d")
    node = Node(B, "check", retries=1)
    edges = [Edge(A, node, yes), Edge(node, A, yes)]
    settings = {"max_steps": 9, "execution_timeout": 60, "node_timeout": 5, "reset_on_revisit": True}
    declared = Graph("g", edges, nodes=[A, node], entry=A, description="d", **settings)  # type: ignore[arg-type]
    assert built.definition_hash == declared.definition_hash
    assert built.description == "d"


def test_the_builder_refuses_when_it_builds() -> None:
    builder = Graph.builder("g").add_edge(A, "z")
    with pytest.raises(DefinitionError, match="no node 'z'"):
        builder.build()


def test_the_definition_hash_tells_edges_and_settings_apart() -> None:
    graphs = [
        Graph("g", [Edge(A, B)]),
        Graph("g", [Edge(A, B, yes)]),
        Graph("g", [Edge(A, B)], max_steps=3),
        Graph("g", [Edge(A, Node(B, input="{a}"))]),
    ]
    assert len({graph.definition_hash for graph in graphs}) == len(graphs)
    assert graphs[0].definition_hash == Graph("g", [Edge(A, B)]).definition_hash


def test_a_graph_hands_nothing_over_and_is_a_tool_like_others() -> None:
    graph = Graph("g", [Edge(A, B)], description="Writes.")
    assert not graph.hands_over
    assert graph.as_tool().name == "g"
