"""Agents for the fault tests. Models and tools count their real calls in files (FAULT_DIR), over any number of processes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from busagents import Agent, FunctionContext, FunctionTask, ToolContext, agent, tool
from busagents.runtime import failpoints
from busagents.testing import ScriptedModel, call_tools, say

FOLDER = Path(os.environ.get("FAULT_DIR", "/nonexistent"))
CALLS = FOLDER / "model_calls"
TEXT = "The answer comes in several pieces, one after the other."


def effect(context: ToolContext, what: str) -> None:
    """Take effect in the outside world: a line in a file."""
    with open(FOLDER / "effects", "a") as file:
        file.write(f"{what} {context.idempotency_key} {context.attempt} {os.getpid()}\n")


@tool(read_only=True)
async def look(what: str, context: ToolContext) -> str:
    """Look something up."""
    return await _act("look", what, context)


@tool(idempotent=True)
async def put(what: str, context: ToolContext) -> str:
    """Put something where it may be put twice."""
    return await _act("put", what, context)


@tool
async def pay(what: str, context: ToolContext) -> str:
    """Pay; never twice."""
    return await _act("pay", what, context)


@tool(read_only=True)
async def wait(what: str, context: ToolContext) -> str:
    """Wait until the test opens the gate."""
    effect(context, f"wait:{what}")
    while not (FOLDER / "gate").exists():  # noqa: ASYNC110 - another process makes the file
        await asyncio.sleep(0.02)
    return "open"


slow_began = asyncio.Event()


async def _act(name: str, what: str, context: ToolContext) -> str:
    effect(context, f"{name}:{what}")
    if what == "slow":
        slow_began.set()
    elif what == "quick":  # it is done while the other one runs
        await slow_began.wait()
    failpoints.hit("tool:inside")
    if what == "slow" and context.attempt == 1:
        await asyncio.sleep(60)
    return f"{name} {what} is done"


def model(*turns: object, **options: object) -> ScriptedModel:
    return ScriptedModel(list(turns), calls_file=CALLS, **options)  # type: ignore[arg-type]


plain = Agent("plain", model=model(say(TEXT), chunk_chars=6, chunk_delay=0.02))
slow = Agent("slow", model=model(say(TEXT), chunk_chars=1, chunk_delay=0.1))
reader = Agent("reader", model=model(call_tools(("look", {"what": "a"})), say("read")), tools=[look])
putter = Agent("putter", model=model(call_tools(("put", {"what": "a"})), say("put")), tools=[put])
payer = Agent("payer", model=model(call_tools(("pay", {"what": "a"})), say("paid")), tools=[pay])
serial = Agent(
    "serial",
    model=model(
        call_tools(("look", {"what": "1"}), ("look", {"what": "2"}), ("put", {"what": "2"}), ("pay", {"what": "2"})), say("all")
    ),
    tools=[look, put, pay],
    tool_concurrency=1,
)
parallel = Agent(
    "parallel", model=model(call_tools(("pay", {"what": "quick"}), ("put", {"what": "slow"})), say("both")), tools=[put, pay]
)
gated = Agent(
    "gated",
    model=model(call_tools(("wait", {"what": "open"}), ("pay", {"what": "gated"})), say("paid")),
    tools=[wait, pay],
    tool_concurrency=1,
)


@agent("stepper")
async def stepper(task: FunctionTask, context: FunctionContext) -> str:
    """Three recorded steps."""

    async def act(name: str) -> str:
        effect(context, f"step:{name}")
        return name.upper()

    done = [await context.step(name, lambda name=name: act(name), recovery="idempotent") for name in ("a", "b", "c")]
    return " ".join(done)
