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
