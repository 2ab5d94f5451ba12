"""What deciding needs to know of a graph: its nodes by id, each with the edges at both its ends. No user code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from busagents.domain.graph import Graph, GraphEdge, Node
from busagents.domain.graph_input import Reference, Template
from busagents.domain.graph_shape import back_edges, on_cycles, scattered


class EdgePlan(msgspec.Struct, frozen=True):
    """An edge out of a node. `asked`: it has a condition."""

    target: str
    asked: bool
    on_error: bool


class NodePlan(msgspec.Struct, frozen=True):
    """One node. `asked`: a function of the user's makes its inputs; else `items`, `template` or the default do.

    `forward` has the sources a join waits for, in scattered order; `sources` all of them, in order of declaration; `back`
    those that start it again. `end`: no edge leads on from it, so its answer is the graph's.
    """

    id: str
    participant: str
    join: Literal["all", "any"]
    retries: int
    on_error: Literal["fail", "continue"]
    max_runs: int | None
    timeout: float | None
    output_schema: dict[str, Any] | None
    template: Template | None
    items: Reference | None
    asked: bool
    many: bool
    reduces: bool
    lasting: bool
    edges: tuple[EdgePlan, ...]
    forward: tuple[str, ...]
    sources: tuple[str, ...]
    back: frozenset[str]
    end: bool


class GraphPlan(msgspec.Struct, frozen=True):
    """The nodes in order of declaration. Of the entries, those whose input a function makes stand apart."""

    nodes: Mapping[str, NodePlan]
    entries: tuple[str, ...]
    asked_entries: tuple[str, ...]
    max_steps: int | None
    timeout: float | None


def graph_plan(graph: Graph) -> GraphPlan:
    """Made once for each process that runs the graph."""
    outward: dict[str, list[GraphEdge]] = {id: [] for id in graph.nodes}
    inward: dict[str, list[GraphEdge]] = {id: [] for id in graph.nodes}
    for edge in graph.edges:
        outward[edge.source].append(edge)
        inward[edge.target].append(edge)
    links = {id: [edge.target for edge in edges] for id, edges in outward.items()}
    again = on_cycles(links, back_edges(graph.entries, links))
    nodes = {
        id: _node_plan(graph, node, outward[id], inward[id], lasting=id in again and not graph.reset_on_revisit)
        for id, node in graph.nodes.items()
    }
    asked = tuple(id for id in graph.entries if nodes[id].asked)
    entries = tuple(id for id in graph.entries if not nodes[id].asked)
    return GraphPlan(nodes, entries, asked, graph.max_steps, graph.execution_timeout)


def _node_plan(graph: Graph, node: Node, outward: list[GraphEdge], inward: list[GraphEdge], *, lasting: bool) -> NodePlan:
    return NodePlan(
        id=node.id,
        participant=node.participant.name,
        join=node.join,
        retries=node.retries,
        on_error=node.on_error,
        max_runs=node.max_runs,
        timeout=graph.node_timeout if node.timeout is None else node.timeout,
        output_schema=node.output_schema,
        template=node.template,
        items=node.items,
        asked=callable(node.input) or callable(node.over),
        many=node.over is not None,
        reduces=node.reduce is not None,
        lasting=lasting and node.over is None,
        edges=tuple(EdgePlan(edge.target, edge.when is not None, edge.on_error) for edge in outward),
        forward=tuple(scattered([edge.source for edge in inward if not edge.back])),
        sources=tuple(edge.source for edge in inward),
        back=frozenset(edge.source for edge in inward if edge.back),
        end=all(edge.back or edge.on_error for edge in outward),
    )
