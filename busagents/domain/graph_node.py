"""Nodes and edges: what a graph is declared with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

from busagents.domain.graph_check import check_function, check_node, check_seconds
from busagents.domain.graph_input import parse_reference, parse_template
from busagents.domain.output_type import output_schema
from busagents.domain.participant import Participant, at_least_one
from busagents.errors import DefinitionError

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
        check_seconds(where, "timeout", timeout)
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


def function_name(function: Callable[..., Any]) -> str:
    """How a function is called in pictures and errors."""
    return getattr(function, "__name__", type(function).__name__)
