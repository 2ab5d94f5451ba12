"""A graph: participants as nodes, and edges that say who works after whom. A participant itself, so it nests in anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from busagents.domain.codec import sha256_hex
from busagents.domain.graph_check import as_node, as_source, check_function, check_graph, check_node, stands_for
from busagents.domain.graph_input import parse_reference, parse_template
from busagents.domain.graph_shape import back_edges
from busagents.domain.limits import Limits
from busagents.domain.output_type import output_schema
from busagents.domain.participant import Participant, at_least_one
from busagents.errors import DefinitionError

if TYPE_CHECKING:
    from busagents.domain.graph_builder import GraphBuilder

Condition = Callable[..., bool | Awaitable[bool]]
InputFunction = Callable[..., Any]


class Node:
    """A participant at its place in a graph. One participant may stand under several ids, with a thread for each.

    Args:
        participant: who works here: an agent, function, swarm, graph, person, or a reference.
        id: its name in the graph; default the participant's.
        input: what it is asked: a template such as `"Check this: {analyze.output.claim}"`, or a function of the GraphState that
            returns it. Default: an entry gets the task; others the task's text, then the id and text of each node that led here.
        output_type: the form its answer must have: a Struct, dataclass, TypedDict, pydantic model or JSON Schema.
        join: "all" waits until every edge to it is decided; "any" runs at the first that is taken.
        retries: how often it is run again after a failure.
        timeout: seconds it may take, by the bus's clock; time in which a person is asked does not count.
        on_error: what its failure means if no edge with `on_error=True` takes it: the graph fails, or only its branch ends.
        max_runs: how often it may be visited in one task.
        over: give it one task for each item of a list, all at once: the name of a node whose answer is a list
            (`"plan"`, `"plan.output.steps"`), or a function of the GraphState. `input` may then be a template with `{item}`.
        reduce: a function of the list of results (NodeResult) that makes one of them; default a JSON list.

    Raises:
        DefinitionError: a setting that cannot work; the text says what to use.
    """

    def __init__(
        self,
        participant: Participant,
        id: str | None = None,
        *,
        input: str | InputFunction | None = None,
        output_type: Any = None,
        join: Literal["all", "any"] = "all",
        retries: int = 0,
        timeout: float | None = None,
        on_error: Literal["fail", "continue"] = "fail",
        max_runs: int | None = None,
        over: str | InputFunction | None = None,
        reduce: Callable[..., Any] | None = None,
    ) -> None:
        self.participant = participant
        self.id = check_node(participant, id)
        self.input = input
        self.output_type = output_type
        self.join = join
        self.retries = retries
        self.timeout = timeout
        self.on_error = on_error
        self.max_runs = max_runs
        self.over = over
        self.reduce = reduce
        where = f"node {self.id!r}"
        self.template = parse_template(input, f"the input of {where}") if isinstance(input, str) else None
        self.items = parse_reference(over.strip("{}"), f"over= of {where}") if isinstance(over, str) else None
        self.output_schema = None if output_type is None else output_schema(output_type)
        for what, choice, known in (("join", join, ("all", "any")), ("on_error", on_error, ("fail", "continue"))):
            if choice not in known:
                raise DefinitionError(f"{where}: {what}={choice!r} is unknown: use {what}={known[0]!r} or {known[1]!r}")
        for function, option in ((input, "input"), (over, "over"), (reduce, "reduce")):
            check_function(function, f"{option}= of {where}")
        if retries < 0:
            raise DefinitionError(f"{where}: retries={retries} cannot work: use 0 or more")
        if max_runs is not None:
            at_least_one("max_runs", max_runs, self.id)
        _check_seconds(where, "timeout", timeout)
        if over is not None and callable(input):
            raise DefinitionError(f"{where} has a function as input= beside over=: let over= return what each item is asked")
        if over is None and reduce is not None:
            raise DefinitionError(f"{where} has reduce= and no over=: there is one result only; add over=, or leave reduce= out")

    def __repr__(self) -> str:
        return f"Node({self.participant!r}, {self.id!r})"


class Edge:
    """After `source`, `target`.

    Args:
        source: a Node, a participant that is one node, or a node's id.
        target: as source.
        when: a function of the GraphState that says whether the edge is taken; run once for each end of the source, and recorded.
        on_error: taken if the source failed, its retries included, and not otherwise.
    """

    def __init__(
        self,
        source: Node | Participant | str,
        target: Node | Participant | str,
        when: Condition | None = None,
        on_error: bool = False,
    ) -> None:
        self.source = source
        self.target = target
        self.when = when
        self.on_error = on_error
        check_function(when, "when= of an edge")


class GraphEdge(msgspec.Struct, frozen=True):
    """An edge of a finished graph, by node ids. `back`: it leads to an earlier node and starts that again."""

    source: str
    target: str
    when: Condition | None = None
    on_error: bool = False
    back: bool = False


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
        self.execution_timeout = _check_seconds(repr(name), "execution_timeout", execution_timeout)
        self.node_timeout = _check_seconds(repr(name), "node_timeout", node_timeout)
        self.reset_on_revisit = reset_on_revisit
        self.limits = limits or Limits(turns=None)
        self.max_parallel_tasks = at_least_one("max_parallel_tasks", max_parallel_tasks, name)
        self.replicas = at_least_one("replicas", replicas, name)

    @classmethod
    def builder(cls, name: str) -> GraphBuilder:
        """A graph put together step by step; see GraphBuilder."""
        from busagents.domain.graph_builder import GraphBuilder

        return GraphBuilder(name)

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


def function_name(function: Callable[..., Any]) -> str:
    """How a function is called in pictures and errors."""
    return getattr(function, "__name__", type(function).__name__)


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


def _check_seconds(where: str, what: str, seconds: float | None) -> float | None:
    if seconds is not None and not seconds > 0:  # nan too
        raise DefinitionError(f"{where}: {what}={seconds} is no time to work in: use seconds above 0, or None for no limit")
    return seconds
