"""What is refused when a graph is declared, rather than found out when a task is stuck in it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from busagents.domain.graph_input import ITEM, TASK, references
from busagents.domain.graph_shape import a_cycle, reachable, without
from busagents.domain.participant import Participant
from busagents.domain.subjects import check_token
from busagents.errors import DefinitionError

if TYPE_CHECKING:
    from busagents.domain.graph import Graph
    from busagents.domain.graph_node import GraphEdge, Node


def check_node(participant: Participant, id: str | None) -> str:
    """The node's id.

    Raises:
        InvalidName, DefinitionError: it cannot be one.
    """
    if not isinstance(participant, Participant):
        raise DefinitionError(f"{participant!r} cannot be a node: use an agent, function, swarm, graph, or Participant('name')")
    name = check_token(participant.name if id is None else id, "node id")
    if name in (TASK, ITEM):
        raise DefinitionError(f"a node cannot be called {name!r}, which templates use for something else: give it Node(…, id=…)")
    return name


def check_function(function: Any, where: str) -> None:
    """Raise DefinitionError if it cannot be called with one argument. A str or None is no function and fine."""
    if function is None or isinstance(function, str):
        return
    if not callable(function):
        raise DefinitionError(f"{where} is {function!r}: use a function, or a text where one is allowed")
    try:
        inspect.signature(function).bind(None)
    except TypeError as error:
        if not _takes_invocation_state(function):
            raise DefinitionError(f"{where} must be a function of one argument, the state: {function!r} has {error}") from None
    except ValueError:  # a builtin that does not say what it takes
        return


def _takes_invocation_state(function: Any) -> bool:
    try:
        inspect.signature(function).bind(None, invocation_state={})
    except TypeError:
        return False
    return True


def as_node(graph: str, found: dict[str, Node], node: Node, *, listed: bool = False) -> None:
    """Add a node. Raises DefinitionError if another one has its id, or it is listed twice."""
    other = found.get(node.id)
    if other is not None and (other is not node or listed):
        raise DefinitionError(f"graph {graph!r} has two nodes {node.id!r}: give one of them another, Node(participant, id=…)")
    if node.participant.name == graph:
        raise DefinitionError(f"graph {graph!r} cannot be its own node {node.id!r}: it would never end; name another participant")
    found[node.id] = node


def stands_for(node: Node, participant: Participant) -> bool:
    """Whether the node is the participant's place. References by one name are one participant."""
    here = node.participant
    both_references = type(here) is type(participant) is Participant
    return here is participant or (both_references and here.name == participant.name)


def as_source(graph: Graph, end: Node | Participant | str) -> str:
    """The node id that an edge's end or an entry stands for.

    Raises:
        DefinitionError: there is no such node, or there are several.
    """
    if isinstance(end, Participant):
        ids = [id for id, node in graph.nodes.items() if stands_for(node, end)]
        if end.name in ids:
            return end.name
        if len(ids) > 1:
            raise DefinitionError(f"graph {graph.name!r}: {end!r} is several nodes, {', '.join(ids)}: name the one by its id")
        return ids[0]
    id = end if isinstance(end, str) else end.id
    if id not in graph.nodes:
        raise DefinitionError(
            f"graph {graph.name!r} has no node {id!r}: add it to nodes=, or use one of {', '.join(graph.nodes) or 'those you add'}"
        )
    return id


def check_graph(graph: Graph, edges: Sequence[GraphEdge], max_steps: int | None) -> None:
    """Raise DefinitionError for a graph that could not run to an end."""
    name = graph.name
    if not graph.nodes:
        raise DefinitionError(f"graph {name!r} is empty: give it edges=[Edge(a, b)], or nodes=[a]")
    _check_edges(name, edges)
    if not graph.entries:
        raise DefinitionError(f"graph {name!r} has no entry, since an edge leads to every node: say where it begins, entry=…")
    links = {id: [edge.target for edge in edges if edge.source == id] for id in graph.nodes}
    found = reachable(graph.entries, links)
    for id in graph.nodes:
        if id not in found:
            raise DefinitionError(
                f"graph {name!r}: no path leads from the entry to node {id!r}: add an edge to it, or leave it out"
            )
    cycle = a_cycle(without(links, {id for id, node in graph.nodes.items() if node.max_runs is not None}))
    if max_steps is None and cycle:
        path = " → ".join((*cycle, cycle[0]))
        raise DefinitionError(
            f"graph {name!r} could go round for ever, {path}: bound it with max_steps=…, or max_runs=… on a node"
        )
    for node in graph.nodes.values():
        _check_references(name, node, graph.nodes)


def _check_edges(name: str, edges: Sequence[GraphEdge]) -> None:
    seen: set[tuple[str, str]] = set()
    for edge in edges:
        pair = (edge.source, edge.target)
        if pair in seen:
            raise DefinitionError(f"graph {name!r} has two edges {pair[0]} → {pair[1]}: make one of them, with one when=")
        seen.add(pair)


def _check_references(name: str, node: Node, nodes: dict[str, Node]) -> None:
    used = [("input", reference) for reference in references(node.template or ())]
    if node.items is not None:
        used.append(("over", node.items))
    for option, reference in used:
        if reference.name == ITEM and (option == "over" or node.over is None):
            raise DefinitionError(
                f"graph {name!r}: {option}= of node {node.id!r} has {reference}, which only a node with over= has in its input"
            )
        if reference.name not in (TASK, ITEM) and reference.name not in nodes:
            raise DefinitionError(
                f"graph {name!r}: {option}= of node {node.id!r} refers to {reference}, and there is no node {reference.name!r}: "
                f"use {', '.join((TASK, *nodes))}"
            )


def check_seconds(where: str, what: str, seconds: float | None) -> float | None:
    """Return the seconds if somebody can work in them, else raise DefinitionError."""
    if seconds is not None and not seconds > 0:  # nan too
        raise DefinitionError(f"{where}: {what}={seconds} is no time to work in: use seconds above 0, or None for no limit")
    return seconds
