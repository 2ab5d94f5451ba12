"""Swarms on a bus: members hand over, each in a thread of its own that it keeps; the swarm answers with the last one's words."""

from __future__ import annotations

import pytest

from busagents import Agent, FunctionTask, Swarm, agent
from busagents.adapters.memory.store import MemoryStore
from busagents.errors import TaskFailed
from busagents.ports.model import ModelRequest
from busagents.testing import ScriptedModel, call_tools, say
from busagents.testing.scripted_model import Turn
from tests.support.workers import working

PATIENCE = 10.0


def hands_to(name: str, message: str = "go on", **context: object) -> ScriptedModel:
    """A model that always hands over."""
    return ScriptedModel([call_tools(("handoff_to_agent", {"agent_name": name, "message": message, "context": context}))])


def newsroom() -> tuple[Swarm, list[Agent]]:
    seen: list[ModelRequest] = []

    def write(request: ModelRequest) -> Turn:
        seen.append(request)
        return say("the report")

    members = [
        Agent("researcher", system="Finds facts.", model=hands_to("analyst", "weigh this", fact="42")),
        Agent("analyst", system="Weighs facts.", model=hands_to("writer", "write it down", weight="high")),
        Agent("writer", system="Writes.", model=ScriptedModel(write)),
    ]
    return Swarm("newsroom", members, description="Writes reports."), members


async def test_three_members_hand_over_and_the_last_ones_words_are_the_answer() -> None:
    swarm, members = newsroom()
    async with working(MemoryStore(), swarm, *members) as client:
        task = await client.send("newsroom", "Report on AI.")
        assert (await task.result(timeout=PATIENCE)).text == "the report"
        replay = await client.replay(task.session)
        told = replay.messages("writer")[0].text
        for part in ("write it down", "Report on AI.", "42", "high", "researcher", "analyst"):
            assert part in told


async def test_an_unknown_member_is_an_error_that_the_model_is_told_and_it_goes_on() -> None:
    def turn(request: ModelRequest) -> Turn:
        if request.messages[-1].role == "tool":
            return say(next(part.content for part in request.messages[-1].parts if hasattr(part, "content")))
        return call_tools(("handoff_to_agent", {"agent_name": "nobody", "message": "x"}))

    a, b = Agent("a", system="A.", model=ScriptedModel(turn)), Agent("b", system="B.", model=ScriptedModel([say("b")]))
    async with working(MemoryStore(), Swarm("pair", [a, b]), a, b) as client:
        task = await client.send("pair", "go")
        assert "there is no member 'nobody'. The members are: b." in (await task.result(timeout=PATIENCE)).text


async def test_a_member_that_was_never_on_the_bus_is_told_to_the_one_that_handed_over() -> None:
    def turn(request: ModelRequest) -> Turn:
        if "ghost" in request.messages[-1].text and len(request.messages) > 2:
            return say("I did it alone")
        return call_tools(("handoff_to_agent", {"agent_name": "ghost", "message": "boo"}))

    a, ghost = Agent("a", system="A.", model=ScriptedModel(turn)), Agent("ghost", system="G.")
    async with working(MemoryStore(), Swarm("pair", [a, ghost]), a) as client:
        task = await client.send("pair", "go")
        assert (await task.result(timeout=PATIENCE)).text == "I did it alone"


async def test_a_swarm_that_goes_in_circles_ends_with_the_limit_it_reached() -> None:
    a, b = Agent("a", system="A.", model=hands_to("b")), Agent("b", system="B.", model=hands_to("a"))
    async with working(MemoryStore(), Swarm("circle", [a, b], max_handoffs=3), a, b) as client:
        task = await client.send("circle", "go")
        with pytest.raises(TaskFailed, match="3") as failed:
            await task.result(timeout=PATIENCE)
        assert failed.value.reason == "limit_handoffs"


async def test_a_swarm_remembers_between_the_tasks_of_a_session() -> None:
    def turn(request: ModelRequest) -> Turn:
        return say(f"heard {sum(message.role == 'user' for message in request.messages)}")

    a, b = Agent("a", system="A.", model=ScriptedModel(turn)), Agent("b", system="B.", model=ScriptedModel([say("b")]))
    async with working(MemoryStore(), Swarm("pair", [a, b]), a, b) as client:
        first = await client.send("pair", "one")
        assert (await first.result(timeout=PATIENCE)).text == "heard 1"
        second = await client.send("pair", "two", session=first.session)
        assert (await second.result(timeout=PATIENCE)).text == "heard 2"


async def test_swarms_and_functions_are_members_of_swarms() -> None:
    @agent("upper")
    async def upper(task: FunctionTask) -> str:
        """Capitals."""
        return "CAPITALS"

    inner_a = Agent("inner_a", system="I.", model=ScriptedModel([say("from inside")]))
    inner = Swarm("inner", [inner_a], description="Inner swarm.")

    def turn(request: ModelRequest) -> Turn:
        text = request.messages[-1].text
        if "CAPITALS" in text:
            return say("both are back")
        if "from inside" in text:
            return call_tools(("handoff_to_agent", {"agent_name": "upper", "message": "shout"}))
        return call_tools(("handoff_to_agent", {"agent_name": "inner", "message": "look inside"}))

    a = Agent("a", system="A.", model=ScriptedModel(turn))
    outer = Swarm("outer", [a, inner, upper])
    async with working(MemoryStore(), outer, a, inner, inner_a, upper) as client:
        task = await client.send("outer", "go")
        assert (await task.result(timeout=PATIENCE)).text == "both are back"


async def test_the_entry_knows_what_another_member_answered_before_in_the_session() -> None:
    def open_or_recall(request: ModelRequest) -> Turn:
        text = request.messages[-1].text
        if "the capital is Lisbon" in text:
            return say("as we said: Lisbon")
        return call_tools(("handoff_to_agent", {"agent_name": "expert", "message": "answer it"}))

    opener = Agent("opener", system="Opens.", model=ScriptedModel(open_or_recall))
    expert = Agent("expert", system="Knows.", model=ScriptedModel([say("the capital is Lisbon")]))
    async with working(MemoryStore(), Swarm("pair", [opener, expert]), opener, expert) as client:
        first = await client.send("pair", "What is the capital?")
        assert (await first.result(timeout=PATIENCE)).text == "the capital is Lisbon"
        second = await client.send("pair", "What did you say?", session=first.session)
        assert (await second.result(timeout=PATIENCE)).text == "as we said: Lisbon"
