"""Participants as tools: a call is a task in a thread of its own, and the caller's thread sleeps until its end."""

from __future__ import annotations

from busagents import Agent, FunctionTask, agent
from busagents.adapters.memory.store import MemoryStore
from busagents.ports.model import ModelRequest
from busagents.testing import ScriptedModel, call_tools, say
from busagents.testing.scripted_model import Turn
from tests.support.workers import working


@agent("shout")
async def shout(task: FunctionTask) -> str:
    """Answer in capitals."""
    return task.text.upper()


def asking(*inputs: str, tool_name: str = "shout", then: str = "done") -> ScriptedModel:
    """A model that calls the tool once for each input, then answers with the results."""

    def turn(request: ModelRequest) -> Turn:
        results = [part.content for part in request.messages[-1].parts if hasattr(part, "content")]
        return say(f"{then}: {' '.join(results)}") if results else call_tools(*((tool_name, {"input": text}) for text in inputs))

    return ScriptedModel(turn)


async def test_a_participant_is_called_as_a_tool_and_its_answer_is_the_result() -> None:
    boss = Agent("boss", model=asking("hello"), tools=[shout])
    async with working(MemoryStore(), boss, shout) as client:
        task = await client.send("boss", "go")
        assert (await task.result(timeout=10)).text == "done: HELLO"
        facts = [event.type for event in [item async for item in client.history(task.session)] if event.ref.participant == "boss"]
        assert facts == [
            "task.submitted", "task.started", "model.requested", "model.completed", "task.delegated",
            "task.outcome", "model.requested", "model.completed", "task.completed",
        ]  # fmt: skip


async def test_two_calls_to_one_participant_in_a_turn_have_a_thread_each_and_answer_in_the_order_of_the_calls() -> None:
    boss = Agent("boss", model=asking("a", "b", "c"), tools=[shout])
    async with working(MemoryStore(), boss, shout) as client:
        task = await client.send("boss", "go")
        assert (await task.result(timeout=10)).text == "done: A B C"
        replay = await client.replay(task.session)
        assert len([ref for ref in replay.threads if ref.participant == "shout"]) == 3
