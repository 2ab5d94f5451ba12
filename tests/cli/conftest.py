"""One `busagents up` for the verbs that talk to participants. Tests share it, so each works in sessions of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from busagents import Client, connect
from tests.support.command_line import CommandLine
from tests.support.running_system import RunningSystem, running, write_services

AGENTS = r'''
import asyncio
from busagents import Agent, Progress, agent, tool
from busagents.testing import ScriptedModel, call_tools, fail, say

@agent("echo", description="Says what it is told.")
async def echo(task):
    return task.text

@agent("broken")
async def broken(task):
    raise RuntimeError("out of\norder \x1b[31m")

@tool(read_only=True)
async def double(number: int) -> int:
    """Double a number."""
    return 2 * number

teller = Agent(
    "teller",
    model=ScriptedModel([call_tools(("double", {"number": 3}), text="Let me see."), say("It is six.")]),
    tools=[double],
    description="Doubles numbers.",
)

def remember(request):
    return say(" | ".join(message.text for message in request.messages if message.role == "user"))

counter = Agent("counter", model=ScriptedModel(remember))

HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x1b[2J \x9b5n\u202eend"

@tool(read_only=True, name="probe")
async def probe(what: str) -> str:
    """Look into it."""
    return HOSTILE

hostile = Agent("hostile", model=ScriptedModel([call_tools(("probe", {"what": HOSTILE}), text=HOSTILE), say(HOSTILE)]), tools=[probe])

@agent("slow")
async def slow(task):
    yield "beginning\n"
    await asyncio.sleep(3600)

@agent("queue", max_parallel_tasks=1)
async def queue(task):
    await asyncio.sleep(3600)

weather = Agent("weather", model=ScriptedModel([say('{"city": "Graz", "degrees": 21}')]))
'''

TEAM = r'''
import asyncio
from busagents import Agent, Edge, Graph, Node, Swarm, ToolContext, agent, tool
from busagents.testing import ScriptedModel, call_tools, say
from busagents.tools import handoff_to_user

HOSTILE = "\x1b]0;owned\x07\x1b[31mred \x9b5n\u202eend"

def calling(*calls):
    """Calls tools, then says what they said."""
    def turn(request):
        if request.messages[-1].role == "tool":
            return say(" | ".join(part.content for part in request.messages[-1].parts))
        return call_tools(*calls)
    return ScriptedModel(turn)

@tool(read_only=True)
async def look(what: str) -> str:
    """Look it up."""
    return "found"

scout = Agent(
    "scout",
    description="Finds things.",
    tools=[look],
    model=ScriptedModel([call_tools(("look", {"what": "it"}), text="Looking."), say(f"It is {HOSTILE}.")]),
)
writer = Agent("writer", description="Writes.", model=ScriptedModel([say("A report.")]))
boss = Agent(
    "boss",
    tools=[scout, writer],
    model=ScriptedModel([call_tools(("scout", {"input": "go"}), ("writer", {"input": "write"}), text="I ask."), say("Done.")]),
)
chief = Agent(
    "chief",
    tools=[writer.as_tool(delegate=True)],
    model=ScriptedModel([call_tools(("writer", {"input": "write"}), text="The writer knows.")]),
)

handing = call_tools(("handoff_to_agent", {"agent_name": "second", "message": "your turn"}), text="Not mine.")
first = Agent("first", description="Begins.", model=ScriptedModel([handing]))
second = Agent("second", description="Ends.", model=ScriptedModel([say("It is done.")]))
team = Swarm("team", [first, second])

def good(state): return True
def bad(state): return False

flow = Graph("flow", [Edge(writer, team, good), Edge(writer, scout, bad)])

def three(state): return ["a", "b", "c"]
spread = Graph("spread", nodes=[Node(writer, id="each", over=three)])

@agent("slow", description="Takes its time.")
async def slow(task):
    yield "beginning\nand so on"
    await asyncio.sleep(3600)

@agent("broken", description="Fails.")
async def broken(task):
    raise RuntimeError("out of\norder \x1b[31m")

patient = Agent("patient", tools=[slow], model=calling(("slow", {"input": "go"})))
sad = Agent("sad", tools=[broken], model=ScriptedModel([call_tools(("broken", {"input": "go"})), say("It failed.")]))

@tool(approval=True)
async def pay(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"

@tool
async def book(ctx: ToolContext) -> str:
    """Book."""
    return f"{await ctx.ask('How many nights?', schema=int)} nights"

payer = Agent("payer", description="Pays.", tools=[pay], model=calling(("pay", {"amount": 5})))
booker = Agent("booker", tools=[book], model=calling(("book", {})))
asker = Agent(
    "asker", description="Asks.", tools=[handoff_to_user], model=calling(("handoff_to_user", {"message": "Which \x1b[31mcity?"}))
)
clerk = Agent("clerk", tools=[asker, payer], model=calling(("asker", {"input": "ask"}), ("payer", {"input": "pay"})))
'''


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cli_system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningSystem]:
    """The running system. Do not stop it."""
    folder = tmp_path_factory.mktemp("cli")
    write_services(folder, team=AGENTS)
    async with running(folder) as system:
        yield system


@pytest.fixture
def cli(cli_system: RunningSystem) -> CommandLine:
    """Runs verbs in the folder of that system."""
    return CommandLine(cli_system.folder)


@pytest_asyncio.fixture
async def client(cli_system: RunningSystem) -> AsyncIterator[Client]:
    """A client of that system: what a verb is not tested for costs no process."""
    async with connect(data_dir=cli_system.folder / ".busagents") as connected:
        yield connected


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def team_system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningSystem]:
    """A running system whose participants work together and ask people. Do not stop it."""
    folder = tmp_path_factory.mktemp("team")
    write_services(folder, team=TEAM)
    async with running(folder) as system:
        yield system


@pytest.fixture
def team(team_system: RunningSystem) -> CommandLine:
    """Runs verbs in the folder of that system."""
    return CommandLine(team_system.folder)


@pytest_asyncio.fixture
async def team_client(team_system: RunningSystem) -> AsyncIterator[Client]:
    """A client of that system."""
    async with connect(data_dir=team_system.folder / ".busagents") as connected:
        yield connected
