"""The services: each file declares a participant of its own name that can be started, and its tools do what they say."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from busagents.bootstrap.kinds import Definition
from busagents.bootstrap.services import discover, load_definition, load_definitions
from busagents.domain.agent import Agent
from busagents.domain.function import Function, FunctionTask, Progress
from busagents.domain.messages import Artifact, user
from busagents.domain.participant import with_parts
from busagents.domain.tool import Tool, encode_result
from busagents.errors import NotFound, ToolArgumentsInvalid
from busagents.tools import LocalToolContext

FOLDER = Path(__file__).parents[2] / "services"
FILES = sorted(path for path in FOLDER.glob("*.py") if not path.name.startswith("_"))
NAMES = [path.stem for path in FILES]


PARTICIPANTS = [(found.ref, found.name) for found in discover([str(FOLDER)])[0]]


def _definition(name: str) -> Definition:
    return load_definition(f"{FOLDER / name}.py:{name}")


def _tool(service: str, name: str) -> Tool:
    """A tool of an agent of the service's file."""
    parts = with_parts(load_definitions(str(FOLDER / f"{service}.py")))
    tools = (agent.tools[name] for agent in parts if isinstance(agent, Agent) and name in agent.tools)
    found = next(tools)
    assert isinstance(found, Tool)
    return found


def test_every_participant_of_the_folder_has_a_name_of_its_own() -> None:
    found, unread = discover([str(FOLDER)])
    assert unread == []
    assert len({item.name for item in found}) == len(found)
    assert {item.kind for item in found} == {"agent", "function", "swarm", "graph", "gateway"}


def test_what_a_service_imports_from_another_is_started_where_it_is_declared() -> None:
    refs = {item.name: item.ref for item in discover([str(FOLDER)])[0]}
    assert refs["research_analyst"] == f"{FOLDER / 'research_analyst.py'}:research_analyst"


@pytest.mark.parametrize("name", NAMES)
def test_a_service_is_named_after_its_file(name: str) -> None:
    assert _definition(name).name == name


@pytest.mark.parametrize(("ref", "name"), PARTICIPANTS, ids=[name for _, name in PARTICIPANTS])
def test_a_models_view_of_a_participant_is_complete(ref: str, name: str) -> None:
    """What it is for; of an agent also a prompt, and tools with valid schemas whose every parameter is described."""
    definition = load_definition(ref)
    assert definition.name == name
    assert 20 < len(definition.description) < 200
    if not isinstance(definition, Agent):
        return
    assert definition.system
    for tool in definition.tools.values():
        Draft202012Validator.check_schema(tool.parameters)
        assert tool.description, tool.name
        for parameter, schema in tool.parameters["properties"].items():
            assert schema.get("description"), f"{tool.name}.{parameter}"
        assert not isinstance(tool, Tool) or tool.context_parameter not in tool.parameters["properties"]


def test_services_hold_no_choice_of_model() -> None:
    """So that they run without a key, and on whatever model the operator sets."""
    assert [d.name for d in load_definitions(str(FOLDER)) if isinstance(d, Agent) and d.model is not None] == []


def test_the_readme_of_the_folder_has_a_line_for_each_service() -> None:
    listed = re.findall(
        r"^\| `(\w+)` \|.*`busagents send (\w+) ", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(listed) == [(name, name) for name in NAMES if name != "gateway"]
    assert "| `gateway` |" in (FOLDER / "README.md").read_text(encoding="utf-8")


# support_desk


def test_the_knowledge_base_answers_from_the_articles() -> None:
    answer = _tool("support_desk", "knowledge_base")("My parcel has not arrived")
    assert answer.startswith("Delivery times and parcels that do not arrive:")
    assert "five working days" in answer


@pytest.mark.parametrize("question", ["xylophone", "", '" OR *', "x" * 10_000])
def test_the_knowledge_base_says_so_when_no_article_fits(question: str) -> None:
    assert _tool("support_desk", "knowledge_base")(question) == "No article fits; open a ticket."


def test_a_ticket_is_opened_listed_and_closed() -> None:
    ctx = LocalToolContext(idempotency_key="0123abcd-4567")
    opened = _tool("support_desk", "ticket_open")("Lost", "Order 7", ctx, priority="urgent")
    assert (opened["ticket"], opened["status"]) == ("T-0123ABCD", "open")
    assert _tool("support_desk", "ticket_list")(ctx) == [opened]
    closed = _tool("support_desk", "ticket_close")("t-0123abcd", "sent again", ctx)
    assert _tool("support_desk", "ticket_list")(ctx) == [closed]
    assert closed["status"] == "closed"


def test_a_second_attempt_of_the_same_call_opens_no_second_ticket() -> None:
    open_ticket = _tool("support_desk", "ticket_open")
    ctx = LocalToolContext(idempotency_key="0123abcd-4567")
    again = LocalToolContext(idempotency_key="0123abcd-4567", attempt=2, session=ctx.session)
    other = LocalToolContext(idempotency_key="9999abcd-4567", session=ctx.session)
    assert open_ticket("Lost", "x", ctx) == open_ticket("Lost", "x", again)
    open_ticket("Lost", "x", other)
    assert len(ctx.session.keys()) == 2


def test_a_ticket_that_does_not_exist_cannot_be_closed() -> None:
    with pytest.raises(NotFound, match="ticket_list"):
        _tool("support_desk", "ticket_close")("T-NONE", "x", LocalToolContext())


def test_a_priority_of_another_word_is_refused() -> None:
    with pytest.raises(ToolArgumentsInvalid, match="urgent"):
        _tool("support_desk", "ticket_open").arguments('{"subject": "a", "details": "b", "priority": "asap"}')


# customer_support


@pytest.mark.parametrize(
    ("text", "category", "sentiment"),
    [
        ("I need help with my order!", "normal", "neutral"),
        ("Thanks, the lamp is great.", "normal", "positive"),
        ("There is SMOKE from the charger", "critical", "neutral"),
        ("My account was hacked, this is terrible", "critical", "negative"),
    ],
)
def test_requests_are_classified_by_their_words(text: str, category: str, sentiment: str) -> None:
    assert _tool("customer_support", "text_classifier")(text)["category"] == category
    assert _tool("customer_support", "sentiment_analyzer")(text)["sentiment"] == sentiment


def test_a_second_attempt_of_the_same_call_escalates_once() -> None:
    escalate = _tool("customer_support", "escalate_to_support_agent")
    ctx = LocalToolContext(idempotency_key="0123abcd-4567")
    again = LocalToolContext(idempotency_key="0123abcd-4567", attempt=2, session=ctx.session)
    assert escalate("smoke", ctx) == escalate("smoke", again)
    assert ctx.session.keys() == ["escalation.E-0123ABCD"]


# note_taker


def test_notes_are_saved_found_replaced_and_forgotten() -> None:
    ctx = LocalToolContext()
    save, listed, delete = (_tool("note_taker", name) for name in ("note_save", "note_list", "note_delete"))
    save("Launch", "Friday", ctx)
    save(" launch ", "Monday", ctx)
    save("Colour", "blue", ctx)
    assert listed(ctx, contains="MON") == [{"title": "launch", "text": "Monday"}]
    delete("LAUNCH", ctx)
    assert [note["title"] for note in listed(ctx)] == ["Colour"]


def test_a_second_attempt_to_forget_a_note_succeeds_where_a_first_would_find_nothing() -> None:
    delete = _tool("note_taker", "note_delete")
    with pytest.raises(NotFound):
        delete("gone", LocalToolContext(attempt=1))
    assert delete("gone", LocalToolContext(attempt=2))


def test_notes_leave_other_state_of_the_session_alone() -> None:
    ctx = LocalToolContext()
    ctx.session.set("ticket.T-1", {"status": "open"})
    assert _tool("note_taker", "note_list")(ctx) == []


# unit_converter


@pytest.mark.parametrize(
    ("value", "source", "target", "result"),
    [
        (26.2, "miles", "km", "42.1648128"),
        (100, "°F", "Celsius", "37.77777778"),
        (0, "kelvin", "fahrenheit", "-459.67"),
        (5, "lbs", "kg", "2.26796185"),
        (6, "feet", "cm", "182.88"),
        (1, "kWh", "kcal", "860.4206501"),
        (2, "weeks", "hours", "336"),
        (1, "Gallon", "litres", "3.785411784"),
    ],
)
def test_units_are_converted_in_the_spellings_people_use(value: float, source: str, target: str, result: str) -> None:
    assert _tool("unit_converter", "convert_units")(value, source, target) == f"{value:g} {source} = {result} {target}"


@pytest.mark.parametrize(("source", "target"), [("km", "kg"), ("parsec", "m"), ("C", "m"), ("", "")])
def test_units_of_different_kinds_are_refused_with_those_that_work(source: str, target: str) -> None:
    with pytest.raises(ToolArgumentsInvalid, match="use two units of one kind"):
        _tool("unit_converter", "convert_units")(1, source, target)


# the functions


async def _answer(name: str, text: str) -> list[Any]:
    definition = _definition(name)
    assert isinstance(definition, Function)
    produced: Any = definition.fn(FunctionTask("t", "s", user(text)))
    return [item async for item in produced]


async def test_words_are_counted_and_the_counts_come_as_data_too() -> None:
    *texts, counts = await _answer("word_count", "To be or not to be. Don't stop!")
    assert "".join(texts).startswith("8 words, 2 sentences, 31 characters. Most frequent: to (2), be (2)")
    assert isinstance(counts, Artifact)
    assert json.loads(encode_result(counts))["parts"][0]["data"]["words"] == 8


async def test_an_empty_text_has_no_words_and_no_sentences() -> None:
    assert (await _answer("word_count", ""))[0] == "0 words, 0 sentences, 0 characters."


async def test_a_summary_quotes_three_sentences_in_their_order() -> None:
    article = (FOLDER / "support_articles" / "delivery.md").read_text(encoding="utf-8")
    text = " ".join(article.split("\n", 1)[1].split())
    items = await _answer("summarizer", text)
    assert isinstance(items[0], Progress)
    quoted = [item.strip() for item in items[1:]]
    assert len(quoted) == 3
    assert [text.index(sentence) for sentence in quoted] == sorted(text.index(sentence) for sentence in quoted)


@pytest.mark.parametrize(
    ("text", "answer"), [("One. Two.", "One. Two."), ("   ", "There is no text to summarize: send it as the message.")]
)
async def test_a_short_text_is_its_own_summary(text: str, answer: str) -> None:
    assert await _answer("summarizer", text) == [answer]


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_service_needs_nothing_but_the_package_and_its_neighbours(path: Path) -> None:
    names = re.findall(r"^(?:from|import) (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(names) - {"busagents", "msgspec"} - set(NAMES) <= set(sys.stdlib_module_names)
