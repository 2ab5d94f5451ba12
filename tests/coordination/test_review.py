"""What was once lost between processes: a message that nobody sent, a question that stayed open, an answer nobody was told of."""

from __future__ import annotations

import asyncio

import pytest

from busagents import Agent, FunctionTask, agent, tool
from busagents.adapters.memory.bus import MemoryBus
from busagents.adapters.memory.inbox import MemoryInbox
from busagents.adapters.memory.store import MemoryStore
from busagents.domain.subjects import ThreadRef
from busagents.ports.model import ModelRequest
from busagents.testing import ScriptedModel, call_tools, say
from busagents.testing.scripted_model import Turn
from tests.support.mortal import Life, MortalBus, leftovers
from tests.support.workers import Process, a_client, process

PATIENCE = 10.0


@agent("kid")
async def kid(task: FunctionTask) -> str:
    """Answer in capitals."""
    return task.text.upper()


class Slow:
    """A tool that may run again, and waits until it is let go."""

    def __init__(self) -> None:
        self.runs = 0
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

        @tool(read_only=True)
        async def slow() -> str:
            """Wait."""
            self.runs += 1
            self.begun.set()
            await self.go.wait()
            return "slept"

        self.tool = slow


def both(request: ModelRequest) -> Turn:
    """Call a slow tool and a participant side by side, then say what they said."""
    if request.messages[-1].role == "tool":
        return say(",".join(part.content for part in request.messages[-1].parts if hasattr(part, "content")))
    return call_tools(("slow", {}), ("kid", {"input": "x"})) if request.messages[-1].text == "one" else say("second")


class OneInbox(MemoryBus):
    """A bus whose only inbox can be closed: what is held stays held, what comes goes to others. `answered`: an owner has."""

    opened: MemoryInbox

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store, ack_wait=3600.0)
        self.answered = asyncio.Event()

    async def ask_owner(self, ref: ThreadRef, *, timeout: float) -> bool:
        """See Bus.ask_owner."""
        if answer := await super().ask_owner(ref, timeout=timeout):
            self.answered.set()
        return answer

    async def inbox(self, participant: str, *, credits: int) -> MemoryInbox:
        """See Bus.inbox."""
        self.opened = await super().inbox(participant, credits=credits)
        return self.opened


@pytest.mark.parametrize("third", [False, True], ids=["to the new owner", "to a third process"])
async def test_what_a_dead_process_had_not_sent_is_sent_although_its_message_comes_back_when_another_owns_the_thread(
    third: bool,
) -> None:
    store, slow = MemoryStore(), Slow()
    definition = Agent("a", model=ScriptedModel(both), tools=[slow.tool, kid])
    client = a_client(store)
    async with process(MemoryBus(store, ack_wait=3600.0), kid):
        dying = MortalBus(store, Life(5))  # two entries are stored: the next point is before the child's task is sent
        first = Process(dying, definition)
        await first.ready()
        task = await client.send("a", "one", session="s")
        await asyncio.wait_for(dying.life.dead.wait(), PATIENCE)
        await MemoryBus.close(dying)  # nobody answers for it, but what it held has not come back yet
        bus = OneInbox(store)
        async with process(bus, definition):
            await client.send("a", "two", session="s")
            await asyncio.wait_for(slow.begun.wait(), PATIENCE)  # the second owner goes on, at the message of another task
            if third:
                await bus.opened.close()
                other = OneInbox(store)
                async with process(other, definition):
                    await dying.bury()
                    await asyncio.wait_for(other.answered.wait(), PATIENCE)
                    slow.go.set()
                    assert (await task.result(timeout=PATIENCE)).text == "slept,X"
            else:
                await dying.bury()
                slow.go.set()
                assert (await task.result(timeout=PATIENCE)).text == "slept,X"
    await _end()


async def _end() -> None:
    """What the dead still hold in this process's memory."""
    for left in (stuck := leftovers()):
        left.cancel()
    await asyncio.gather(*stuck, return_exceptions=True)
