"""A remote A2A agent as a participant: sent to once, followed, and its outcome ours. Against a2a-sdk servers on real sockets."""

from __future__ import annotations

import asyncio

import pytest

from busagents import Agent, Edge, FunctionTask, Graph, RemoteAgent, Swarm, agent
from busagents.adapters.memory.store import MemoryStore
from busagents.errors import DefinitionError
from busagents.ports.model import ModelRequest
from busagents.testing import ScriptedModel, call_tools, say
from busagents.testing.scripted_model import Turn
from tests.support.a2a_peer import Binding, Version, a2a_peer
from tests.support.workers import working

PATIENCE = 15.0
WAYS = [("JSONRPC", "1.0"), ("HTTP+JSON", "1.0"), ("JSONRPC", "0.3"), ("HTTP+JSON", "0.3")]

SENT = {
    (binding, version, streaming): name
    for binding, version, names in [
        ("JSONRPC", "1.0", ("SendMessage", "SendStreamingMessage")),
        ("HTTP+JSON", "1.0", ("/message:send", "/message:stream")),
        ("JSONRPC", "0.3", ("message/send", "message/stream")),
        ("HTTP+JSON", "0.3", ("/v1/message:send", "/v1/message:stream")),
    ]
    for streaming, name in enumerate(names)
}


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
        assert peer.watched.calls[SENT[binding, version, streaming]] == 1


async def test_it_is_a_node_of_a_graph() -> None:
    @agent("after")
    async def after(task: FunctionTask) -> str:
        """Say what came before."""
        return task.text

    async with a2a_peer() as peer:
        helper = RemoteAgent("helper", card_url=peer.card_url, description="Helps.")
        flow = Graph("flow", [Edge(helper, after)])
        async with working(MemoryStore(), flow, helper, after) as client:
            assert "echo: " in (await (await client.send("flow", "echo go")).result(timeout=PATIENCE)).text


async def test_it_is_a_member_of_a_swarm() -> None:
    def turn(request: ModelRequest) -> Turn:
        if "echo: " in request.messages[-1].text:  # it came back, since who cannot hand over returns
            return say("heard it")
        return call_tools(("handoff_to_agent", {"agent_name": "helper", "message": "your turn"}))

    async with a2a_peer() as peer:
        helper = RemoteAgent("helper", card_url=peer.card_url, description="Helps.")
        opener = Agent("opener", system="Opens.", model=ScriptedModel(turn))
        async with working(MemoryStore(), Swarm("team", [opener, helper]), opener, helper) as client:
            assert (await (await client.send("team", "go")).result(timeout=PATIENCE)).text == "heard it"


async def test_what_it_asks_travels_up_to_the_root() -> None:
    def turn(request: ModelRequest) -> Turn:
        results = [item.content for item in request.messages[-1].parts if hasattr(item, "content")]
        return say(results[0]) if results else call_tools(("helper", {"input": "ask Which colour?"}))

    async with a2a_peer() as peer:
        helper = RemoteAgent("helper", card_url=peer.card_url, description="Helps.")
        boss = Agent("boss", model=ScriptedModel(turn), tools=[helper])
        async with working(MemoryStore(), boss, helper) as client:
            task = await client.send("boss", "go")
            async with asyncio.timeout(PATIENCE):
                question = await task.question()
            assert question is not None
            assert (question.text, question.asker) == ("Which colour?", "helper")
            await task.reply("green")
            assert (await task.result(timeout=PATIENCE)).text == "echo: green"


@pytest.mark.parametrize(
    "url",
    ["ftp://x.example/", "x.example", "https://", "https://user:secret@x.example/", "https://x.example/#f", "http://[::1", 7],
)
def test_a_card_url_that_is_none_is_refused_when_it_is_declared(url: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        RemoteAgent("helper", card_url=url)
    assert "secret" not in str(refused.value)


def test_a_bound_that_cannot_work_is_refused_when_it_is_declared() -> None:
    with pytest.raises(DefinitionError):
        RemoteAgent("helper", card_url="https://x.example", give_up_after=0)
