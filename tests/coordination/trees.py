"""Random systems: agents, functions, swarms and graphs nested in each other, and the answer that each must give."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from hypothesis import strategies as st

from busagents import Agent, FunctionContext, FunctionTask, Swarm, agent
from busagents.bootstrap.kinds import Definition
from busagents.domain.participant import Participant
from busagents.ports.model import ModelRequest
from busagents.testing import ScriptedModel, call_tools, say
from busagents.testing.scripted_model import Turn


class Shape(NamedTuple):
    """A kind of participant and what it is made of."""

    kind: str
    parts: tuple[Shape, ...] = ()


leaves = st.sampled_from([Shape("agent"), Shape("function")])
KINDS = ["agent", "function", "swarm", "graph"]


def shapes(depth: int = 4) -> st.SearchStrategy[Shape]:
    """Trees of at most so many levels."""
    if depth == 1:
        return leaves
    inner = st.builds(Shape, st.sampled_from(KINDS), st.lists(shapes(depth - 1), min_size=1, max_size=3).map(tuple))
    return leaves | inner


class Built(NamedTuple):
    """A participant with all that belongs to it, and what it answers."""

    root: Participant
    answer: str
    all: list[Definition]


def build(shape: Shape, names: Iterator[int] | None = None) -> Built:
    """The participants of a tree, under names nobody else has."""
    names = names if names is not None else itertools.count()
    parts = [build(part, names) for part in shape.parts]
    name = f"{shape.kind}_{next(names)}"
    everybody = [item for part in parts for item in part.all]
    answers = ",".join(part.answer for part in parts)
    match shape.kind:
        case "agent":
            made: Definition = _agent(name, [part.root for part in parts])
            return Built(made, f"{name}({answers})" if parts else name, [*everybody, made])
        case "function":
            made = _function(name, [part.root for part in parts])
            return Built(made, f"{name}[{answers}]" if parts else name, [*everybody, made])
        case "swarm":
            last = _agent(f"{name}_last", [part.root for part in parts])
            first = Agent(
                f"{name}_first",
                system="Hands over.",
                model=ScriptedModel([call_tools(("handoff_to_agent", {"agent_name": last.name, "message": "go on"}))]),
            )
            made = Swarm(name, [first, last], description="A swarm.")
            return Built(made, f"{last.name}({answers})", [*everybody, first, last, made])
        case _:
            return _graph(name, parts, everybody)


def _agent(name: str, tools: list[Participant]) -> Agent:
    def turn(request: ModelRequest) -> Turn:
        if request.messages[-1].role == "tool":
            return say(f"{name}({','.join(part.content for part in request.messages[-1].parts if hasattr(part, 'content'))})")
        return call_tools(*((part.name, {"input": "go"}) for part in tools)) if tools else say(name)

    wrapped = [part.as_tool(description="A part.") for part in tools]
    return Agent(name, system="Asks its parts.", model=ScriptedModel(turn), tools=wrapped)


def _function(name: str, parts: list[Participant]) -> Definition:
    @agent(name, description="Calls its parts.")
    async def run(task: FunctionTask, ctx: FunctionContext) -> str:
        import asyncio

        answers = await asyncio.gather(*(ctx.call(part, "go") for part in parts))
        return f"{name}[{','.join(answers)}]" if parts else name

    return run


def _graph(name: str, parts: list[Built], everybody: list[Definition]) -> Built:
    """The parts in a row, or, from three on, the first before all others and those before a last node."""
    from busagents import Edge, Graph

    first, *rest = [part.root for part in parts]
    if not rest:
        made = Graph(name, nodes=[first], description="A graph.")
        return Built(made, parts[0].answer, [*everybody, made])
    last = _agent(f"{name}_last", [])
    edges = [Edge(first, middle) for middle in rest] + [Edge(middle, last) for middle in rest]
    made = Graph(name, edges, description="A graph.")
    return Built(made, last.name, [*everybody, last, made])
