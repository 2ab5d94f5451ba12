"""A2AToolProvider: a model finds remote agents and talks to them, within what it was given."""

from __future__ import annotations

import pytest

from busagents import A2AToolProvider, Agent
from busagents.adapters.memory.store import MemoryStore
from busagents.errors import DefinitionError
from busagents.ports.model import ModelRequest
from busagents.testing import ScriptedModel, call_tools, say
from busagents.testing.scripted_model import Turn
from tests.support.a2a_peer import Version, a2a_peer
from tests.support.workers import working

PATIENCE = 15.0


async def told(provider: A2AToolProvider, *calls: tuple[str, dict[str, object]]) -> list[str]:
    """What a model that makes these calls, one after the other, is told."""
    heard: list[str] = []

    def turn(request: ModelRequest) -> Turn:
        heard.extend(item.content for item in request.messages[-1].parts if hasattr(item, "content"))
        return call_tools(calls[len(heard)]) if len(heard) < len(calls) else say("done")

    boss = Agent("boss", model=ScriptedModel(turn), tools=provider.tools)
    async with working(MemoryStore(), boss) as client:
        await (await client.send("boss", "go")).result(timeout=PATIENCE)
    return heard


@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_it_lists_discovers_and_asks(version: Version) -> None:
    async with a2a_peer(version=version) as peer:
        listed, found, said = await told(
            A2AToolProvider([peer.card_url]),
            ("a2a_list_discovered_agents", {}),
            ("a2a_discover_agent", {"url": peer.url}),
            ("a2a_send_message", {"message_text": "echo hi", "target_agent_url": peer.url}),
        )
        assert '"name":"peer"' in listed
        assert '"skills":[{"name":"do","description":"Does."}]' in found
        assert said == '{"status":"completed","text":"echo: hi"}'


async def test_what_a_remote_asks_is_told_and_the_next_message_answers_it() -> None:
    async with a2a_peer() as peer:
        asked, answered = await told(
            A2AToolProvider([peer.url]),
            ("a2a_send_message", {"message_text": "ask Which?", "target_agent_url": peer.url}),
            ("a2a_send_message", {"message_text": "green", "target_agent_url": peer.url}),
        )
        assert asked == '{"status":"input-required","text":"Which?"}'
        assert answered == '{"status":"completed","text":"echo: green"}'
        assert len(set(peer.script.tasks)) == 1


async def test_no_other_agent_can_be_asked() -> None:
    async with a2a_peer() as peer, a2a_peer() as other:
        provider = A2AToolProvider([peer.url])
        (refused,) = await told(provider, ("a2a_send_message", {"message_text": "hi", "target_agent_url": other.url}))
        assert "not one of the agents that may be asked" in refused
        assert peer.url in refused
        assert other.watched.asked == []


async def test_opened_to_all_it_still_reaches_no_private_address() -> None:
    async with a2a_peer() as peer:
        heard = await told(
            A2AToolProvider([], any_public=True),
            ("a2a_discover_agent", {"url": peer.url}),
            ("a2a_discover_agent", {"url": "https://localhost:1/"}),
            ("a2a_discover_agent", {"url": "http://169.254.169.254/latest"}),
        )
        assert all("is not called" in said for said in heard)
        assert peer.watched.asked == []


async def test_an_agent_that_is_away_is_listed_with_what_is_wrong() -> None:
    async with a2a_peer() as peer:
        url = peer.url
    (listed,) = await told(A2AToolProvider([url]), ("a2a_list_discovered_agents", {}))
    assert "cannot be reached" in listed


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(DefinitionError):
        A2AToolProvider(["nowhere"])
