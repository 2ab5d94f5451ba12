"""Teams for the fault tests: graphs, swarms, and agents that call each other. TEAM tells several copies of them apart.

What they do in the outside world is a line in a file of FAULT_DIR, over any number of processes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

from busagents import Agent, Edge, FunctionTask, Graph, GraphState, Node, Swarm, agent, tool
from busagents.ports.model import Chunk, ModelRequest
from busagents.testing import ScriptedModel, call_tools, say
from busagents.testing.scripted_model import Turn
from busagents.tools import handoff_to_user

FOLDER = Path(os.environ.get("FAULT_DIR", "/nonexistent"))
TEAM = os.environ.get("TEAM", "0")
CHANGED = os.environ.get("TEAM_CHANGED", "")  # which definition is another one than before
WIDTH = 8


def name_of(role: str, team: str = TEAM) -> str:
    """The participant's name in a copy of the team."""
    return f"{role}_{team}"


def note(file: str, line: str) -> None:
    """A line in a file of the outside world."""
    with (FOLDER / file).open("a") as opened:
        opened.write(line + "\n")


async def opened(gate: str) -> None:
    """Wait until the test makes the file."""
    while not (FOLDER / gate).exists():  # noqa: ASYNC110 - another process makes the file
        await asyncio.sleep(0.01)


# Functions, as nodes.


@agent(name_of("echo"))
async def echo(task: FunctionTask) -> str:
    """Says what it is told; waits for the gate if that is what it is told."""
    note("runs", f"{task.session} {task.id}")
    if "gated" in task.text:
        await opened("gate")
    return f"<{task.text.split()[-1]}>"


@agent(name_of("endless"))
async def endless(task: FunctionTask) -> str:
    """Never ends."""
    await asyncio.sleep(3600)
    return "never"


# Row 8 and 40: one node after the other, behind a condition that is the user's code.


def agrees(state: GraphState) -> bool:
    note("asked", state.task.session)
    return True


first, second, third = Node(echo, "first"), Node(echo, "second", input="{first} {first}2"), Node(echo, "third", input="{second}3")
steps = [Edge(first, second, when=agrees), Edge(second, third)]
if CHANGED == "further":
    steps.append(Edge(third, Node(echo, "fourth", input="{third}4")))
elif CHANGED == "shorter":
    steps = [Edge(Node(echo, "second"), third)]
chain = Graph(name_of("chain"), steps, execution_timeout=600.0)

# Rows 9 and 27: many at once.

source, join = Node(echo, "source"), Node(echo, "join", input="all {n0}{n1}{n2}{n3}{n4}{n5}{n6}{n7}")
branches = [Node(echo, f"n{number}", input=f"{number}") for number in range(WIDTH)]
wide = Graph(name_of("wide"), [edge for branch in branches for edge in (Edge(source, branch), Edge(branch, join))])


def items(state: GraphState) -> list[str]:
    """As many as the task says; the last one waits for the gate if the task says that."""
    number, _, gated = state.task.text.partition(" ")
    return [f"item {n}" for n in range(int(number) - bool(gated))] + ([f"gated {int(number) - 1}"] if gated else [])


mapped = Graph(name_of("mapped"), nodes=[Node(echo, "each", over=items)])
hopeless = Graph(name_of("hopeless"), nodes=[Node(endless, f"n{number}") for number in range(WIDTH)], description="Many at once.")

# Row 10 and 40: members that hand over.


class Gated(ScriptedModel):
    """A model that waits for the gate if that is what it is told."""

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        """See Model."""
        if "gated" in request.messages[0].text and "from" not in request.messages[0].text:
            note("calls", "gated")
            await opened("gate")
        async for chunk in super().stream(request):
            yield chunk


def _hands(role: str, target: str, **context: str) -> ScriptedModel:
    arguments = {"agent_name": name_of(target), "message": f"from {role}", "context": context}

    def turn(request: ModelRequest) -> Turn:
        note("calls", name_of(role))
        return call_tools(("handoff_to_agent", arguments))

    return Gated(turn)


def _tells(request: ModelRequest) -> Turn:
    note("calls", name_of("cleo"))
    return say(request.messages[-1].text)


ann = Agent(name_of("ann"), description="Begins.", model=_hands("ann", "bob", fact="42"))
bob = Agent(name_of("bob"), description="Goes on.", model=_hands("bob", "cleo", weight="high"))
cleo = Agent(name_of("cleo"), description="Ends.", model=ScriptedModel(_tells))
relay = Swarm(name_of("relay"), [ann, cleo] if CHANGED == "shorter" else [ann, bob, cleo])

# Rows 11, 36 and 37: people.

asker = Agent(
    name_of("asker"),
    description="Asks.",
    model=ScriptedModel(
        lambda request: (
            say(f"told: {request.messages[-1].parts[0].content}")  # type: ignore[union-attr]
            if request.messages[-1].role == "tool"
            else call_tools(("handoff_to_user", {"message": "Which colour?"}))
        )
    ),
    tools=[handoff_to_user],
)
painters = Swarm(name_of("painters"), [asker], description="Paint.")
house = Graph(name_of("house"), [Edge(painters, Node(echo, "last"))])


@tool(approval=True)
async def pay(amount: int) -> str:
    """Pay."""
    note("paid", str(amount))
    return f"paid {amount}"


payer = Agent(
    name_of("payer"),
    description="Pays.",
    model=ScriptedModel([call_tools(("pay", {"amount": 10})), say("that is settled")]),
    tools=[pay],
)

# Rows 29 and 37: agents that call others.


class Endless(ScriptedModel):
    """A call that never ends."""

    async def stream(self, request):  # type: ignore[no-untyped-def]
        note("began", "model")
        await asyncio.sleep(3600)
        yield None


@tool
async def forever() -> None:
    """Never ends."""
    note("began", "tool")
    await asyncio.sleep(3600)


def _breaks(request: ModelRequest) -> Turn:
    if not (FOLDER / "mended").exists():
        raise ZeroDivisionError("a defect of ours")
    return say("mended")


thinker = Agent(name_of("thinker"), description="Thinks.", model=Endless([say("never")]))
doer = Agent(name_of("doer"), description="Does.", model=ScriptedModel([call_tools(("forever", {}))]), tools=[forever])
broken = Agent(name_of("broken"), description="Breaks.", model=ScriptedModel(_breaks))


def _calls(*callees: Agent | Graph | Swarm) -> Agent:
    """An agent that calls these, all at once, and says what they answered."""

    def turn(request: ModelRequest) -> Turn:
        if request.messages[-1].role == "tool":
            results = [part.content for message in request.messages for part in message.parts if hasattr(part, "content")]
            return say("; ".join(results))
        return call_tools(*((callee.name, {"input": "go"}) for callee in callees))

    names = "_".join(callee.name.rpartition("_")[0] for callee in callees)
    return Agent(name_of(f"calls_{names}"), model=ScriptedModel(turn), tools=list(callees))


calls_broken = _calls(broken)
calls_payer = _calls(payer)
calls_painters = _calls(painters)
calls_all = _calls(thinker, doer, painters, hopeless)

# Row 27: a queue.

clerk = Agent(name_of("clerk"), model=ScriptedModel([say("done")]), max_parallel_tasks=16)
