"""A gateway and agents to call through it, for tests with real processes. Effects count in a file, gates are files (FAULT_DIR)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from busagents import Agent, FunctionContext, FunctionTask, Gateway, agent
from busagents.testing import call_tools, say
from tests.support.fault_agents import TEXT, look, model, pay, wait

gateway = Gateway(port=0)

SAID = ("First I look.", "Then I look again.", "Now I look and wait.")  # before the gate
talker = Agent(
    "talker",
    model=model(
        call_tools(("look", {"what": "0"}), text=SAID[0]),
        call_tools(("look", {"what": "1"}), text=SAID[1]),
        call_tools(("look", {"what": "2"}), ("wait", {"what": "open"}), text=SAID[2]),
        say(TEXT),
        chunk_chars=4,
        chunk_delay=0.02,
    ),
    tools=[look, wait],
)
gated = Agent(
    "gated",
    model=model(call_tools(("wait", {"what": "open"}), ("pay", {"what": "gated"}), text="I wait."), say("paid")),
    tools=[wait, pay],
    tool_concurrency=1,
)


@agent("echo")
async def echo(task: FunctionTask) -> AsyncIterator[str]:
    """Repeats what it is told."""
    yield "you said "
    yield task.text


@agent("asker")
async def asker(_: FunctionTask, context: FunctionContext) -> str:
    """Asks how much."""
    return f"so much: {await context.ask('how much?')}"
