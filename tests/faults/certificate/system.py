"""The system under test: a graph, a swarm of two agents that hand over to each other, and a third that both call as a tool.

    desk (graph) → newsroom (swarm) → researcher → analyst (as a tool) → writer → analyst (as a tool) → researcher again
                 → analyst (as a node) → the answer

At each stint an agent calls two tools of each recovery class, and looks whether those that must not run twice took
effect. What its models are asked and what its tools do is counted in files, over any number of processes.

A script is a function of the conversation. After a call whose outcome is unknown it looks, and repeats the call only if it had no
effect: so the set of effects is the same, wherever a process was killed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from busagents import Agent, Edge, Graph, GraphState, Node, Swarm, ToolContext, tool
from busagents.domain.messages import Message, ToolResultPart
from busagents.ports.model import ModelRequest
from busagents.testing import ScriptedModel, call_tools, say
from busagents.testing.scripted_model import Turn

FOLDER = Path(os.environ.get("FAULT_DIR", "/nonexistent"))
EFFECTS, CALLS = FOLDER / "effects", FOLDER / "calls"
LANE = os.environ.get("CERTIFICATE_LANE", "0")  # several copies of the system work beside each other

ROLES = ("desk", "newsroom", "researcher", "analyst", "writer")
ROOT = "desk"
ONCE = ("pay", "post")  # the tools that must not run twice
_TOLD = ("look", "count", "put", "tag")  # those whose results an answer repeats: never unknown


class Step(NamedTuple):
    """A call that a stint makes."""

    tool: str
    arguments: dict[str, str]


def name_of(role: str, lane: str = LANE) -> str:
    """The participant's name in a lane."""
    return f"{role}_{lane}"


def _append(file: Path, line: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


def _act(name: str, what: str, context: ToolContext) -> str:
    _append(EFFECTS, f"{context.participant} {name}:{what} {context.idempotency_key} {context.attempt}")
    return f"{name} {what} is done"


@tool(read_only=True)
async def look(what: str, context: ToolContext) -> str:
    """Look something up."""
    return _act("look", what, context)


@tool(read_only=True)
def count(what: str, context: ToolContext) -> str:
    """Count something."""
    return _act("count", what, context)


@tool(idempotent=True)
async def put(what: str, context: ToolContext) -> str:
    """Put something where it may be put twice."""
    return _act("put", what, context)


@tool(idempotent=True)
def tag(what: str, context: ToolContext) -> str:
    """Give something a mark."""
    return _act("tag", what, context)


@tool
async def pay(what: str, context: ToolContext) -> str:
    """Pay; never twice."""
    return _act("pay", what, context)


@tool
def post(what: str, context: ToolContext) -> str:
    """Send a letter; never twice."""
    return _act("post", what, context)


@tool(read_only=True)
async def seen(what: str, context: ToolContext) -> str:
    """Look whether something took effect."""
    lines = EFFECTS.read_text().splitlines() if EFFECTS.exists() else []
    return "yes" if any(line.startswith(f"{context.participant} {what} ") for line in lines) else "no"


def _stint(what: str) -> list[Step]:
    """Two tools of each class, and a look at what must not run twice."""
    steps = [Step(name, {"what": what}) for name in ("look", "put", "pay", "count", "tag", "post")]
    return [*steps, *(Step("seen", {"what": f"{name}:{what}"}) for name in ONCE)]


class _Progress(NamedTuple):
    """How far a stint is: the steps that are done, what they said, and whether the outcome of the next is in doubt."""

    done: int
    results: list[str]
    doubtful: bool


def _progress(steps: Sequence[Step], stint: Sequence[Message]) -> _Progress:
    results = {part.call: part for message in stint for part in message.parts if isinstance(part, ToolResultPart)}
    done, said, doubtful = 0, [], False
    for call in (call for message in stint for call in message.tool_calls):
        result = results[call.call]
        if doubtful:  # it was looked for
            doubtful = False
            done += result.content == "yes"
        elif result.is_error and "outcome of this call is unknown" in result.content:
            doubtful = True
        else:
            done += 1
            if call.name in _TOLD or call.name.startswith("analyst"):
                said.append(result.content)
    return _Progress(done, said, doubtful)


def _script(role: str, plan: Callable[[int, str], list[Step]], end: Callable[[int, str, str], Turn]) -> ScriptedModel:
    """`plan(stint, told)` says what a stint does, `end(stint, told, results)` how it ends. `stint` counts from 1."""

    def turn(request: ModelRequest) -> Turn:
        messages = list(request.messages)
        _append(CALLS, f"{name_of(role)} {hashlib.sha256(msgspec.json.encode(messages)).hexdigest()}")
        users = [index for index, message in enumerate(messages) if message.role == "user"]
        told = messages[users[-1]].text
        steps = plan(len(users), told)
        progress = _progress(steps, messages[users[-1] + 1 :])
        if progress.done == len(steps):
            return end(len(users), told, "; ".join(progress.results))
        step = steps[progress.done]
        if progress.doubtful:
            return call_tools(("seen", {"what": f"{step.tool}:{step.arguments['what']}"}))
        return call_tools((step.tool, step.arguments))

    return ScriptedModel(turn)


def _member_plan(role: str) -> Callable[[int, str], list[Step]]:
    def plan(stint: int, _: str) -> list[Step]:
        ask = [] if stint > 1 else [Step(name_of("analyst"), {"input": f"weigh {role}"})]
        return [*_stint(f"{role}{stint}"), *ask]

    return plan


def _hand(target: str, message: str, **context: str) -> Turn:
    arguments = {"agent_name": name_of(target), "message": message, "context": context}
    return call_tools(("handoff_to_agent", arguments))


def _researcher_ends(stint: int, told: str, results: str) -> Turn:
    if stint == 1:
        return _hand("writer", "write it down", facts=results)
    return say(f"{told}\n\n{results}")  # the whole of what the others shared is in the answer


def _writer_ends(stint: int, told: str, results: str) -> Turn:
    return _hand("researcher", "check it", text=results)


_TOOLS = [look, count, put, tag, pay, post, seen]

analyst = Agent(
    name_of("analyst"),
    description="Weighs facts.",
    model=_script("analyst", lambda _, told: _stint(told.split()[-1]), lambda _, told, results: say(f"{told}: {results}")),
    tools=_TOOLS,
)
researcher = Agent(
    name_of("researcher"),
    description="Finds facts.",
    model=_script("researcher", _member_plan("researcher"), _researcher_ends),
    tools=[*_TOOLS, analyst],
)
writer = Agent(
    name_of("writer"),
    description="Writes.",
    model=_script("writer", _member_plan("writer"), _writer_ends),
    tools=[*_TOOLS, analyst],
)
newsroom = Swarm(name_of("newsroom"), [researcher, writer], description="Writes reports.")


def _is_written(state: GraphState) -> bool:
    return "writer" in state.results[newsroom.name].text


_last = Node(analyst, input=f"{{{newsroom.name}}}\n\nweigh desk")
desk = Graph(name_of("desk"), [Edge(newsroom, _last, when=_is_written)], execution_timeout=600.0, node_timeout=300.0)
