"""Whatever takes tasks stands wherever an agent can: each kind of participant as a node, as a member and as a tool."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import pytest

from busagents import Agent, Edge, FunctionTask, Graph, Participant, Person, Swarm, agent
from busagents.adapters.memory.store import MemoryStore
from busagents.bootstrap.kinds import Definition
from busagents.ports.model import ModelRequest
from busagents.runtime.client.task import Task
from busagents.testing import ScriptedModel, call_tools, say
from busagents.testing.scripted_model import Turn
from tests.support.workers import working

PATIENCE = 10.0
KINDS = ["agent", "function", "swarm", "graph", "person", "elsewhere"]
ANSWER = "the answer"


class Part(NamedTuple):
    """A participant of some kind that answers ANSWER, and who must run for it."""

    itself: Participant
    all: list[Definition]


def part(kind: str) -> Part:
    worker = Agent("worker", system="Works.", model=ScriptedModel([say(ANSWER)]))
    match kind:
        case "agent":
            return Part(worker, [worker])
        case "function":

            @agent("function")
            async def function(task: FunctionTask) -> str:
                """Answer."""
                return ANSWER

            return Part(function, [function])
        case "swarm":
            swarm = Swarm("swarm", [worker], description="A swarm.")
            return Part(swarm, [swarm, worker])
        case "graph":
            graph = Graph("graph", nodes=[worker], description="A graph.")
            return Part(graph, [graph, worker])
        case "person":
            person = Person("person", description="A person.")
            return Part(person, [person])
        case _:  # declared in another process; here it is only a name
            return Part(Participant("worker", description="Declared elsewhere."), [worker])


async def answered(task: Task, kind: str) -> str:
    """The task's text; a person answers what it asks."""
    if kind == "person":
        async with asyncio.timeout(PATIENCE):
            assert await task.question() is not None
        await task.reply(ANSWER)
    return (await task.result(timeout=PATIENCE)).text


@pytest.mark.parametrize("kind", KINDS)
async def test_as_a_tool(kind: str) -> None:
    itself, everybody = part(kind)

    def turn(request: ModelRequest) -> Turn:
        results = [item.content for item in request.messages[-1].parts if hasattr(item, "content")]
        return say(f"told: {results[0]}") if results else call_tools((itself.name, {"input": "go"}))

    boss = Agent("boss", model=ScriptedModel(turn), tools=[itself])
    async with working(MemoryStore(), boss, *everybody) as client:
        assert await answered(await client.send("boss", "go"), kind) == f"told: {ANSWER}"


@pytest.mark.parametrize("kind", KINDS)
async def test_as_a_node(kind: str) -> None:
    itself, everybody = part(kind)

    @agent("after")
    async def after(task: FunctionTask) -> str:
        """Say what came before."""
        return task.text

    flow = Graph("flow", [Edge(itself, after)])
    async with working(MemoryStore(), flow, after, *everybody) as client:
        assert ANSWER in await answered(await client.send("flow", "go"), kind)


@pytest.mark.parametrize("kind", KINDS)
async def test_as_a_member(kind: str) -> None:
    itself, everybody = part(kind)

    def turn(request: ModelRequest) -> Turn:
        if ANSWER in request.messages[-1].text:  # it came back, since who cannot hand over returns
            return say(f"heard: {ANSWER}")
        return call_tools(("handoff_to_agent", {"agent_name": itself.name, "message": "your turn"}))

    opener = Agent("opener", system="Opens.", model=ScriptedModel(turn))
    async with working(MemoryStore(), Swarm("team", [opener, itself]), opener, *everybody) as client:
        said = await answered(await client.send("team", "go"), kind)
        assert said == (ANSWER if itself.hands_over else f"heard: {ANSWER}")


async def test_three_levels_deep_and_one_tree() -> None:
    """A graph with a swarm as a node, whose member has a function as a tool."""

    @agent("data")
    async def data(task: FunctionTask) -> str:
        """Look a number up."""
        return "42"

    def turn(request: ModelRequest) -> Turn:
        results = [item.content for item in request.messages[-1].parts if hasattr(item, "content")]
        return say(f"it is {results[0]}") if results else call_tools(("data", {"input": "which?"}))

    analyst = Agent("analyst", system="Analyses.", model=ScriptedModel(turn), tools=[data])
    research = Swarm("research", [analyst], description="Researches.")
    review = Agent("review", system="Reviews.", model=ScriptedModel(lambda request: say(f"fine: {request.messages[-1].text}")))
    report = Graph("report", [Edge(research, review)])
    async with working(MemoryStore(), report, research, analyst, data, review) as client:
        task = await client.send("report", "go")
        assert "it is 42" in (await task.result(timeout=PATIENCE)).text
        infos = await client.tasks(session=task.session)
        assert {info.submitted.chain for info in infos} == {
            (), ("report",), ("report", "research"), ("report", "research", "analyst"),
        }  # fmt: skip
