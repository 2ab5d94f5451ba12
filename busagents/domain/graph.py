"""A graph: participants as nodes, and edges that say who works after whom. A participant itself, so it nests in anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from busagents.domain.codec import sha256_hex
from busagents.domain.graph_builder import GraphBuilder
from busagents.domain.graph_check import as_node, as_source, check_graph, check_seconds, stands_for
from busagents.domain.graph_node import Edge, GraphEdge, Node, function_name
from busagents.domain.graph_shape import back_edges
from busagents.domain.limits import Limits
from busagents.domain.participant import Participant, at_least_one

__all__ = ["Edge", "Graph", "GraphBuilder", "GraphEdge", "Node", "function_name"]


class Graph(Participant):
    """Runs its nodes as their edges say, at once where they do not depend on each other. Declared once, at import.

    Args:
        name: how others address it.
        edges: who follows whom; participants in them become nodes.
        nodes: nodes with settings of their own, or without edges.
        entry: where it begins, one or several; default the nodes to which no edge leads.
        description: what it is for.
        max_steps: how many starts of nodes one task may take; a graph with a cycle needs it, or max_runs on the cycle.
        execution_timeout: seconds one task may take, by the bus's clock.
        node_timeout: seconds for each run of a node that has no timeout of its own.
        reset_on_revisit: a node that runs again remembers nothing of the time before.
        limits: bounds of one task, its nodes included.
        max_parallel_tasks: how many tasks one process works on at once.
        replicas: how many processes `busagents up` starts.

    Raises:
        DefinitionError: it could not run to an end; the text says what to change.
    """

    hands_over = False

    def __init__(
        self,
        name: str,
        edges: Sequence[Edge] = (),
        *,
        nodes: Sequence[Node | Participant] = (),
        entry: Node | Participant | str | Sequence[Node | Participant | str] | None = None,
        description: str = "",
        max_steps: int | None = None,
        execution_timeout: float | None = None,
        node_timeout: float | None = None,
        reset_on_revisit: bool = False,
        limits: Limits | None = None,
        max_parallel_tasks: int = 64,
        replicas: int = 1,
    ) -> None:
        super().__init__(name, description=description)
        given = [] if entry is None else [entry] if isinstance(entry, Node | Participant | str) else list(entry)
        self.nodes: dict[str, Node] = _collect(name, nodes, edges, given)
        links = [GraphEdge(as_source(self, e.source), as_source(self, e.target), e.when, e.on_error) for e in edges]
        self.entries = list(dict.fromkeys(as_source(self, item) for item in given)) or _without_edges_to(self.nodes, links)
        check_graph(self, links, max_steps)
        back = back_edges(self.entries, {id: [edge.target for edge in links if edge.source == id] for id in self.nodes})
        self.edges = [msgspec.structs.replace(edge, back=(edge.source, edge.target) in back) for edge in links]
        self.max_steps = None if max_steps is None else at_least_one("max_steps", max_steps, name)
        self.execution_timeout = check_seconds(repr(name), "execution_timeout", execution_timeout)
        self.node_timeout = check_seconds(repr(name), "node_timeout", node_timeout)
        self.reset_on_revisit = reset_on_revisit
        self.limits = limits or Limits(turns=None)
        self.max_parallel_tasks = at_least_one("max_parallel_tasks", max_parallel_tasks, name)
        self.replicas = at_least_one("replicas", replicas, name)

    @classmethod
    def builder(cls, name: str) -> GraphBuilder:
        """A graph put together step by step; see GraphBuilder."""
        return GraphBuilder(name, cls)

    def parts(self) -> Sequence[Participant]:
        """See Participant.parts."""
        return list({id(node.participant): node.participant for node in self.nodes.values()}.values())

    @property
    def definition_hash(self) -> str:
        """The sha256 of its names, edges and settings. What its functions do is not part of it."""
        nodes = [
            (
                *(node.id, node.participant.name, node.join, node.retries, node.timeout, node.on_error, node.max_runs),
                *(_told(node.input), _told(node.over), _told(node.reduce), node.output_schema),
            )
            for node in self.nodes.values()
        ]
        edges = [(edge.source, edge.target, _told(edge.when), edge.on_error) for edge in self.edges]
        settings = (self.max_steps, self.execution_timeout, self.node_timeout, self.reset_on_revisit, self.limits)
        return sha256_hex(msgspec.json.encode((self.name, nodes, edges, self.entries, settings)))


def _told(value: str | Callable[..., Any] | None) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{function_name(value)}()"


def _collect(
    graph: str, nodes: Sequence[Node | Participant], edges: Sequence[Edge], entries: Sequence[Node | Participant | str]
) -> dict[str, Node]:
    """The nodes by id, in order of declaration: those listed, then those that only edges or the entry name."""
    found: dict[str, Node] = {}
    for item in nodes:
        as_node(graph, found, item if isinstance(item, Node) else Node(item), listed=True)
    listed = list(found.values())
    for end in [*(end for edge in edges for end in (edge.source, edge.target)), *entries]:
        if isinstance(end, Node):
            as_node(graph, found, end)
        elif isinstance(end, Participant) and not any(stands_for(node, end) for node in listed):
            known = found.get(end.name)
            if known is None or not stands_for(known, end):
                as_node(graph, found, Node(end))
    return found


def _without_edges_to(nodes: dict[str, Node], edges: Sequence[GraphEdge]) -> list[str]:
    targets = {edge.target for edge in edges}
    return [id for id in nodes if id not in targets]
