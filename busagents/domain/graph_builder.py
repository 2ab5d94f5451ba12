"""A graph put together step by step. What cannot work is refused by `build`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from busagents.domain.graph_node import Condition, Edge, Node
from busagents.domain.participant import Participant

if TYPE_CHECKING:
    from busagents.domain.graph import Graph


class GraphBuilder:
    """Collects nodes, edges and settings. Made by `Graph.builder(name)`; every method but the first returns the builder."""

    def __init__(self, name: str, graph: type[Graph]) -> None:
        self._name = name
        self._graph = graph
        self._nodes: list[Node] = []
        self._edges: list[Edge] = []
        self._entries: list[Node | Participant | str] = []
        self._settings: dict[str, Any] = {}

    def add_node(self, executor: Participant, node_id: str | None = None, **options: Any) -> Node:
        """Add a participant as a node and return that. `options` are Node's.

        Raises:
            DefinitionError: an option that cannot work.
        """
        node = Node(executor, node_id, **options)
        self._nodes.append(node)
        return node

    def add_edge(
        self,
        source: Node | Participant | str,
        target: Node | Participant | str,
        condition: Condition | None = None,
        *,
        on_error: bool = False,
    ) -> GraphBuilder:
        """Let `target` work after `source`, if the condition holds."""
        self._edges.append(Edge(source, target, condition, on_error))
        return self

    def set_entry_point(self, node: Node | Participant | str) -> GraphBuilder:
        """Begin there; called again, there too."""
        self._entries.append(node)
        return self

    def set_max_node_executions(self, count: int) -> GraphBuilder:
        """Let one task take at most so many starts of nodes."""
        self._settings["max_steps"] = count
        return self

    def set_execution_timeout(self, seconds: float) -> GraphBuilder:
        """Give one task so many seconds."""
        self._settings["execution_timeout"] = seconds
        return self

    def set_node_timeout(self, seconds: float) -> GraphBuilder:
        """Give each run of a node so many seconds, if it has no timeout of its own."""
        self._settings["node_timeout"] = seconds
        return self

    def reset_on_revisit(self, enabled: bool = True) -> GraphBuilder:
        """Let a node that runs again remember nothing of the time before."""
        self._settings["reset_on_revisit"] = enabled
        return self

    def build(self, **settings: Any) -> Graph:
        """The graph. `settings` are further ones of Graph's.

        Raises:
            DefinitionError: it could not run to an end; the text says what to change.
        """
        given = {**self._settings, **settings}
        return self._graph(self._name, self._edges, nodes=self._nodes, entry=self._entries or None, **given)
