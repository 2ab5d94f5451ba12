"""The five systems on a bus in memory with the built-in model: who is asked, in which order, and what comes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from busagents.adapters.memory.store import MemoryStore
from busagents.adapters.offline import OfflineModel
from busagents.adapters.offline.notice import NOTICE
from busagents.bootstrap.kinds import Definition
from busagents.bootstrap.services import load_definitions
from busagents.domain import events as e
from busagents.domain.agent import Agent
from busagents.domain.participant import with_parts
from busagents.runtime.client.client import Client
from busagents.runtime.client.task_event import TaskEvent
from tests.support.workers import working

FOLDER = Path(__file__).parents[2] / "services"
PATIENCE = 20.0


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the tools write."""
    monkeypatch.setenv("BUSAGENTS_WORKSPACE", str(tmp_path / "workspace"))
    return tmp_path / "workspace"


@asynccontextmanager
async def service(name: str, store: MemoryStore | None = None) -> AsyncIterator[Client]:
    """All participants of a service's file, at work."""
    definitions = [item for item in with_parts(load_definitions(str(FOLDER / f"{name}.py"))) if isinstance(item, Definition)]
    for definition in definitions:
        if isinstance(definition, Agent):
            definition.model = OfflineModel("instant")
    async with working(store or MemoryStore(), *definitions) as client:
        yield client


async def events(client: Client, session: str, *kinds: type[e.Event]) -> list[TaskEvent]:
    """The events of some types, in the log's order."""
    return [item async for item in client.history(session) if isinstance(item.event, kinds)]


async def path_of(client: Client, session: str) -> list[str]:
    """The nodes or members that were started, in order."""
    return [item.event.node for item in await events(client, session, e.NodeStarted) if isinstance(item.event, e.NodeStarted)]


async def test_the_assistant_asks_both_specialists_in_one_turn_and_merges_their_answers() -> None:
    prompt = (
        "I have a business meeting in Portland next week. Suggest a nice place to stay near the local startup scene, "
        "and suggest a few startups to visit."
    )
    async with service("executive_assistant") as client:
        task = await client.send("executive_assistant", prompt)
        answer = (await task.result(timeout=PATIENCE)).text
        turns = [
            item for item in await events(client, task.session, e.ModelCompleted) if item.ref.participant == "executive_assistant"
        ]
        assert isinstance(turns[0].event, e.ModelCompleted)
        assert [call.name for call in turns[0].event.message.tool_calls] == ["research_analyst", "travel_advisor"]
        assert len(turns) == 2
        asked = {item.ref.participant: item.event for item in await events(client, task.session, e.TaskSubmitted)}
        assert len(asked) == 3
        assert "startups to visit" in asked["research_analyst"].prompt.text
        assert "place to stay" in asked["travel_advisor"].prompt.text
        assert all("Portland" in submitted.prompt.text for submitted in asked.values())
    assert "**research_analyst**" in answer
    assert "**travel_advisor**" in answer
    assert answer.count(NOTICE) == 1


async def test_the_support_desk_asks_what_it_is_about_and_answers_after_the_reply_even_after_a_restart() -> None:
    store = MemoryStore()
    async with service("support_desk", store) as client:
        task = await client.send("support_desk", "I have a question about my order.", session="customer_support")
        question = await task.question()
        assert question is not None
        assert "your order" in question.text
    async with service("support_desk", store) as client:
        again = await client.task(task.id)
        await again.reply("My parcel has not arrived after ten days")
        assert "Delivery times and parcels that do not arrive" in (await again.result(timeout=PATIENCE)).text
        assert len(await events(client, "customer_support", e.InputRequired)) == 1
        third = await client.send("support_desk", "What did I ask before?", session="customer_support")
        assert "I have a question about my order." in (await third.result(timeout=PATIENCE)).text


async def test_the_researchers_share_facts_hand_over_twice_and_leave_a_report(workspace: Path) -> None:
    async with service("market_research") as client:
        task = await client.send("market_research", "Report on the history of AI since 1950")
        answer = (await task.result(timeout=PATIENCE)).text
        assert await path_of(client, task.session) == ["market_researcher", "market_analyst", "market_writer"]
        assert len(await events(client, task.session, e.HandoffMade)) == 2
        stored = {item.ref.participant for item in await events(client, task.session, e.StateSet)}
        assert {"market_researcher", "market_analyst"} <= stored
    (report,) = workspace.iterdir()
    text = report.read_text()
    assert report.name in answer
    for fact in ("Alan Turing asked in 1950", "corpus/ai-history.md", "1980 - 1950 = 30 years", "by market_analyst"):
        assert fact in text


@pytest.mark.parametrize(
    ("request_text", "nodes", "said"),
    [
        ("I need help with my order!", ["analyze", "normal_processor"], "Where is my order"),
        ("The charger is broken and there is smoke!", ["analyze", "critical_processor"], "escalation: E-"),
    ],
)
async def test_a_requests_class_decides_who_answers_it(request_text: str, nodes: list[str], said: str) -> None:
    async with service("customer_support") as client:
        task = await client.send("customer_support", request_text)
        assert said in (await task.result(timeout=PATIENCE)).text
        assert await path_of(client, task.session) == nodes


async def test_four_levels_answer_as_one_tree_and_the_report_is_reviewed(workspace: Path) -> None:
    async with service("green_energy") as client:
        task = await client.send("green_energy", "How has green energy evolved?")
        review = (await task.result(timeout=PATIENCE)).output
        assert review["quality"] in ("good", "fair", "poor")
        assert await path_of(client, task.session) == [
            "research",
            "energy_researcher",
            "analyst_orchestrator",
            "energy_writer",
            "review",
        ]
        chains = {item.ref.participant: item.event for item in await events(client, task.session, e.TaskSubmitted)}
        assert chains["data_analyst"].chain == ("green_energy", "energy_research", "analyst_orchestrator")
        assert "green energy evolved" in chains["energy_reviewer"].prompt.text.lower()
    assert [file.name for file in workspace.iterdir()] == ["green-energy-evolved.md"]
