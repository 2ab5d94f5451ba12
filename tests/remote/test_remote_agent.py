"""A remote A2A agent as a participant: sent to once, followed, and its outcome ours. Against a2a-sdk servers on real sockets."""

from __future__ import annotations

import pytest

from busagents import Agent, RemoteAgent
from busagents.adapters.memory.store import MemoryStore
from busagents.ports.model import ModelRequest
from busagents.testing import ScriptedModel, call_tools, say
from busagents.testing.scripted_model import Turn
from tests.support.a2a_peer import Binding, Version, a2a_peer
from tests.support.workers import working

PATIENCE = 15.0
WAYS = [("JSONRPC", "1.0"), ("HTTP+JSON", "1.0"), ("JSONRPC", "0.3"), ("HTTP+JSON", "0.3")]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("binding", "version"), WAYS)
async def test_it_answers_as_a_tool_of_an_agent(binding: Binding, version: Version, streaming: bool) -> None:
    def turn(request: ModelRequest) -> Turn:
        results = [item.content for item in request.messages[-1].parts if hasattr(item, "content")]
        return say(f"told: {results[0]}") if results else call_tools(("helper", {"input": "echo hello"}))

    async with a2a_peer(binding=binding, version=version, streaming=streaming) as peer:
        helper = RemoteAgent("helper", card_url=peer.card_url, description="Helps.")
        boss = Agent("boss", model=ScriptedModel(turn), tools=[helper])
        async with working(MemoryStore(), boss, helper) as client:
            task = await client.send("boss", "go")
            assert (await task.result(timeout=PATIENCE)).text == "told: echo: hello"
        assert peer.script.received == ["echo hello"]
