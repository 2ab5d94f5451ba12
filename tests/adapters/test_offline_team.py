"""The offline model among others: it gives tasks to participants, hands over, asks the person, shares facts and reviews."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busagents import Participant
from busagents.adapters.offline import OfflineModel
from busagents.adapters.offline.brief import read_brief, with_material
from busagents.adapters.offline.notice import NOTICE
from busagents.domain.events import Member
from busagents.domain.handoff import HANDOFF_TOOL, handoff_description, handoff_parameters
from busagents.domain.messages import Message, ToolCallPart, ToolResultPart, user
from busagents.domain.swarm_brief import first_brief, handed_lead, next_brief, returned_lead, undelivered_lead
from busagents.domain.swarm_run import SwarmRun
from busagents.domain.tool import Tool
from busagents.ports.model import ModelRequest, ToolSpec, TurnCompleted
from busagents.tools import calculator, file_write, handoff_to_user, memory, web_search

MEMBERS = [Member("finder", "Finds facts."), Member("thinker", "Weighs facts."), Member("writer", "Writes the report.")]
REQUEST = user("Report on the history of AI since 1950")


def spec(tool: Tool) -> ToolSpec:
    return ToolSpec(tool.name, tool.description, tool.parameters)


def participant(name: str, description: str) -> ToolSpec:
    tool = Participant(name, description=description).as_tool()
    return ToolSpec(tool.name, tool.description, tool.parameters)


def handing_to(*members: Member) -> ToolSpec:
    return ToolSpec(HANDOFF_TOOL, handoff_description(members), handoff_parameters(members))


def turn_of(messages: Sequence[Message], *tools: ToolSpec, **fields: Any) -> Message:
    async def last() -> Message:
        request = ModelRequest("offline:instant", fields.pop("system", ""), messages, tools, **fields)
        chunks = [chunk async for chunk in OfflineModel("instant").stream(request)]
        assert isinstance(chunks[-1], TurnCompleted)
        return chunks[-1].message

    return asyncio.run(last())


def calls_of(message: Message) -> list[tuple[str, dict[str, Any]]]:
    return [(call.name, json.loads(call.arguments)) for call in message.tool_calls]


def answered(messages: Sequence[Message], said: Message, *results: str) -> list[Message]:
    """The conversation with the results of the turn's calls."""
    parts = (ToolResultPart(call.call, call.name, result) for call, result in zip(said.tool_calls, results, strict=True))
    return [*messages, said, Message("tool", tuple(parts))]


def others(name: str, members: Sequence[Member] = MEMBERS) -> list[Member]:
    return [member for member in members if member.name != name]


def brief_for(name: str, path: Sequence[str], facts: dict[str, Any] | None = None) -> Message:
    """What a swarm tells a member that somebody handed over to."""
    run = SwarmRun(path=tuple(path), contexts=facts or {})
    return next_brief(handed_lead(path[-1], "Go on."), REQUEST, run, others(name))


# participants as tools

RESEARCHER = participant("researcher", "Researches markets and startups, and works out the numbers.")
TRAVELLER = participant("traveller", "Plans trips: places to stay at, and how to get around.")


def test_each_participant_is_asked_with_its_part_of_the_prompt_and_what_is_meant_for_all() -> None:
    prompt = "I am in Portland next week. Suggest a place to stay, and suggest a few startups to visit."
    assert calls_of(turn_of([user(prompt)], RESEARCHER, TRAVELLER)) == [
        ("researcher", {"input": "I am in Portland next week. Suggest a few startups to visit."}),
        ("traveller", {"input": "I am in Portland next week. Suggest a place to stay."}),
    ]


def test_only_the_one_that_fits_is_asked() -> None:
    assert [name for name, _ in calls_of(turn_of([user("How do I get around on trips?")], RESEARCHER, TRAVELLER))] == [
        "traveller"
    ]
    assert [name for name, _ in calls_of(turn_of([user("What is 17 * 23?")], RESEARCHER, TRAVELLER))] == ["researcher"]


def test_a_wish_that_fits_nobody_goes_to_whoever_finds_things_out() -> None:
    prompt = "Plan a trip to Lisbon and compare solar and wind power"
    assert calls_of(turn_of([user(prompt)], RESEARCHER, TRAVELLER)) == [
        ("researcher", {"input": "Compare solar and wind power."}),
        ("traveller", {"input": "Plan a trip to Lisbon."}),
    ]


@pytest.mark.parametrize("text", ["Plan trips with this:\n```\nx = 1\n```", "Plan trips. " + "It rains in Spain. " * 300])
def test_code_and_long_texts_are_passed_on_whole(text: str) -> None:
    assert calls_of(turn_of([user(text)], RESEARCHER, TRAVELLER)) == [("traveller", {"input": text.strip()})]


def test_if_none_fits_all_are_asked_for_the_whole() -> None:
    tools = (participant("one", "Bakes bread."), participant("two", "Grows roses."))
    assert calls_of(turn_of([user("Paint a wall")], *tools)) == [
        ("one", {"input": "Paint a wall"}),
        ("two", {"input": "Paint a wall"}),
    ]


@pytest.mark.parametrize("prompt", ["Hello!", "My name is Ada."])
def test_nobody_is_asked_when_there_is_nothing_to_do(prompt: str) -> None:
    assert not turn_of([user(prompt)], RESEARCHER, TRAVELLER).tool_calls


def test_the_answers_are_merged_and_only_one_notice_is_left() -> None:
    messages = [user("Suggest a place to stay and suggest a few startups.")]
    said = turn_of(messages, RESEARCHER, TRAVELLER)
    answer = turn_of(answered(messages, said, f"Acme.\n\n{NOTICE}", f"Hotel Ada.\n\n{NOTICE}"), RESEARCHER, TRAVELLER).text
    assert "**researcher**:\n\nAcme." in answer
    assert "**traveller**:\n\nHotel Ada." in answer
    assert answer.count(NOTICE) == 1


def test_a_participant_whose_name_is_an_act_is_asked_only_for_that_act() -> None:
    deleter = participant("delete_account", "Removes accounts of users.")
    assert not turn_of([user("What do users say of accounts?")], deleter).tool_calls


# swarms


def test_the_entry_works_shares_what_it_found_and_hands_over_to_the_next() -> None:
    tools = (spec(web_search), spec(memory), handing_to(*others("finder")))
    messages = [first_brief(REQUEST, others("finder"))]
    first = turn_of(messages, *tools)
    assert calls_of(first) == [("web_search", {"query": "history of AI since 1950"})]
    found = json.dumps([{"title": "AI", "snippet": "AI has a history since 1950.", "source": "ai.md"}])
    (stored, handed) = calls_of(turn_of(answered(messages, first, found), *tools))
    assert stored[1]["action"] == "store"
    assert stored[1]["content"] == "AI has a history since 1950. (ai.md)"
    assert handed[0] == HANDOFF_TOOL
    assert handed[1]["agent_name"] == "thinker"
    assert handed[1]["context"] == {"facts": ["AI has a history since 1950. (ai.md)"]}


def test_a_member_looks_into_the_memory_and_works_with_the_facts_of_others() -> None:
    message = brief_for("thinker", ["finder"], {"finder": {"facts": ["It began in 1950.", "It won in 1997."]}})
    called = calls_of(turn_of([message], spec(calculator), spec(memory), handing_to(*others("thinker"))))
    assert ("memory", {"action": "list"}) in called
    assert ("calculator", {"expression": "1997 - 1950"}) in called


def test_the_last_member_writes_the_report_that_its_instructions_speak_of() -> None:
    message = brief_for("writer", ["finder", "thinker"], {"finder": {"facts": ["It began in 1950."]}})
    tools = (spec(file_write), handing_to(*others("writer")))
    (call,) = calls_of(turn_of([message], *tools, system="You write the report and save it as a file."))
    assert call[0] == "file_write"
    assert call[1]["path"] == "history-ai-since-1950.md"
    assert "It began in 1950." in call[1]["content"]
    assert not turn_of([message], *tools, system="You check facts.").tool_calls


def test_without_tools_of_its_own_the_last_member_answers_from_what_it_was_given() -> None:
    message = brief_for("writer", ["finder", "thinker"], {"finder": {"facts": ["It began in 1950."]}})
    assert "It began in 1950." in turn_of([message], handing_to(*others("writer"))).text


def test_a_handoff_that_reached_nobody_goes_to_the_next() -> None:
    lead = undelivered_lead("thinker", "", others("finder"))
    message = next_brief(lead, REQUEST, SwarmRun(path=("finder",)), others("finder"))
    (call,) = calls_of(turn_of([message], handing_to(*others("finder"))))
    assert call[1]["agent_name"] == "writer"


def test_an_answer_that_is_given_back_is_worked_with_and_the_rest_is_asked() -> None:
    run = SwarmRun(path=("finder", "thinker"))
    message = next_brief(returned_lead("thinker", "It matters."), REQUEST, run, others("finder"))
    (call,) = calls_of(turn_of([message], handing_to(*others("finder"))))
    assert call[1]["agent_name"] == "writer"


def test_a_greeting_is_answered_and_not_handed_over() -> None:
    assert not turn_of([first_brief(user("Hello!"), others("finder"))], handing_to(*others("finder"))).tool_calls


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(2, 6),
    entry=st.integers(0, 5),
    text=st.sampled_from(["Explain tides", "go", "What is 2*3?", "x\n\nAt work so far: y", "Write a report to x.md", ""]),
)
def test_whoever_begins_each_member_is_at_work_once_and_the_last_one_answers(count: int, entry: int, text: str) -> None:
    members = [Member(f"m{number}") for number in range(count)]
    name, run = members[entry % count].name, SwarmRun()
    message = first_brief(user(text), others(name, members))
    while True:
        said = turn_of([message], handing_to(*others(name, members)))
        run = SwarmRun(path=(*run.path, name), contexts=run.contexts)
        if not said.tool_calls:
            break
        target = calls_of(said)[0][1]["agent_name"]
        assert target not in run.path
        message = next_brief(handed_lead(name, "go"), user(text), run, others(target, members))
        name = target
    assert set(run.path) == {member.name for member in members}
    assert said.text


def test_an_inner_swarm_reads_the_users_request_through_both_briefs() -> None:
    outer = next_brief(handed_lead("a", "Go."), REQUEST, SwarmRun(path=("a",), contexts={"a": {"f": "outer fact"}}), [])
    inner = next_brief(handed_lead("x", "On."), outer, SwarmRun(path=("x",), contexts={"x": {"f": "inner fact"}}), MEMBERS)
    brief = read_brief(inner.text)
    assert (brief.request, brief.path, brief.facts) == (REQUEST.text, ("x",), ("outer fact", "inner fact"))


@given(st.text(max_size=300))
def test_a_plain_message_is_its_own_request(text: str) -> None:
    brief = read_brief(text)
    assert brief.request == text.strip() or brief.given
    assert not brief.path


def test_what_is_known_is_passed_on_and_read_again() -> None:
    brief = read_brief(with_material("Why?", "Because."))
    assert (brief.request, brief.given) == ("Why?", (("known", "Because."),))


# people

ASK = spec(handoff_to_user)
BASE = ToolSpec("knowledge_base", "Search the articles.", {"type": "object", "properties": {"question": {"type": "string"}}})


@pytest.mark.parametrize("prompt", ["I have a question about my order.", "I need help with my order!", "There is a problem."])
def test_a_vague_request_is_asked_about_once_and_the_reply_is_worked_with(prompt: str) -> None:
    messages = [user(prompt)]
    said = turn_of(messages, ASK, BASE)
    assert [name for name, _ in calls_of(said)] == ["handoff_to_user"]
    messages = answered(messages, said, "A question.")
    again = turn_of(messages, ASK, BASE)
    assert "handoff_to_user" not in [name for name, _ in calls_of(again)]
    messages = answered([user(prompt)], said, "My parcel has not arrived")
    assert calls_of(turn_of(messages, ASK, BASE)) == [("knowledge_base", {"question": "My parcel has not arrived"})]


@pytest.mark.parametrize(
    "prompt", ["My parcel has not arrived", "Where is my order?", "I have a problem with order 4711", "Hello!", "Explain tides"]
)
def test_a_clear_request_is_not_asked_about(prompt: str) -> None:
    assert "handoff_to_user" not in [name for name, _ in calls_of(turn_of([user(prompt)], ASK, BASE))]


# memory


def test_it_remembers_and_recalls_what_it_is_told_to() -> None:
    ((_, stored),) = calls_of(turn_of([user("Remember that the launch is on Friday")], spec(memory)))
    assert (stored["action"], stored["content"]) == ("store", "the launch is on Friday")
    assert calls_of(turn_of([user("List the facts")], spec(memory))) == [("memory", {"action": "list"})]
    ((_, deleted),) = calls_of(turn_of([user("Forget the launch")], spec(memory)))
    assert deleted == {"action": "delete", "title": "launch"}


# graphs: classes and reviews

CLASSIFIER = ToolSpec(
    "text_classifier", "Classify.", {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
)
TRIAGE = {"type": "object", "properties": {"category": {"enum": ["critical", "normal"]}}, "required": ["category"]}


@pytest.mark.parametrize("category", ["critical", "normal"])
def test_a_tool_that_the_instructions_name_is_used_and_decides_the_class(category: str) -> None:
    messages = [user("It hums.")]
    fields: dict[str, Any] = {"system": "Use text_classifier.", "output_schema": TRIAGE}
    said = turn_of(messages, CLASSIFIER, **fields)
    assert calls_of(said) == [("text_classifier", {"text": "It hums."})]
    answer = turn_of(answered(messages, said, json.dumps({"category": category})), CLASSIFIER, **fields)
    assert json.loads(answer.text) == {"category": category}


def test_a_value_of_the_wrong_type_is_not_taken_from_a_result() -> None:
    messages = [user("It hums.")]
    fields: dict[str, Any] = {"system": "Use text_classifier.", "output_schema": TRIAGE}
    said = turn_of(messages, CLASSIFIER, **fields)
    answer = turn_of(answered(messages, said, '{"category": 7}'), CLASSIFIER, **fields)
    assert json.loads(answer.text) == {"category": "critical"}


def test_a_review_names_what_counting_can_find() -> None:
    prompt = user("How did it go?\n\nresearch:\nSome say it went well.")
    answer = turn_of([prompt], system="You review reports.").text
    assert "poor" in answer
    assert "name the source" in answer.lower()
    assert "offline demo model" in answer
    schema = {
        "type": "object",
        "properties": {
            "quality": {"enum": ["good", "fair", "poor"]},
            "improvements": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["quality", "improvements"],
    }
    value = json.loads(turn_of([prompt], system="You review reports.", output_schema=schema).text)
    assert value["quality"] == "poor"
    assert "Name the source of each fact." in value["improvements"]


def test_results_of_nodes_without_an_order_to_review_are_summed_up() -> None:
    answer = turn_of([user("How did it go?\n\na:\nIt rained.\n\nb:\nIt snowed.")]).text
    assert "It rained." in answer
    assert "It snowed." in answer


words = st.sampled_from(
    [
        "question",
        "help",
        "order",
        "report",
        "on",
        "AI",
        "1950",
        "12*7",
        "remember",
        "that",
        "forget",
        "list",
        "the",
        "facts",
        "write",
        "x.md",
        "plan",
        "a",
        "trip",
        ",",
        "and",
        "which",
        "startups",
        "?",
        ".",
        "\n\nnotes:\n",
        "The user's request: ",
        "handed",
    ]
)


@settings(max_examples=100, deadline=None)
@given(prompt=st.lists(words, max_size=14).map(" ".join), brief=st.booleans())
def test_whatever_is_asked_it_ends_within_its_bounds_and_does_nothing_twice(prompt: str, brief: bool) -> None:
    message = first_brief(user(prompt), others("finder")) if brief else user(prompt)
    extra = (handing_to(*others("finder")),) if brief else ()
    tools = (
        *(spec(tool) for tool in (web_search, calculator, file_write, memory, handoff_to_user)),
        RESEARCHER,
        TRAVELLER,
        *extra,
    )
    messages, made = [message], []
    for _ in range(8):
        said = turn_of(messages, *tools)
        if not said.tool_calls:
            break
        made += [(call.name, call.arguments) for call in said.tool_calls]
        messages = answered(messages, said, *("a result of few words" for _ in said.tool_calls))
    assert messages[-1].role != "assistant"
    assert said.text
    assert len(made) == len(set(made))
    assert [name for name, _ in made].count("handoff_to_user") <= 1
    assert [name for name, _ in made].count(HANDOFF_TOOL) <= 1


def test_the_same_request_gives_the_same_turn() -> None:
    message = brief_for("thinker", ["finder"], {"finder": {"facts": ["It began in 1950.", "It won in 1997."]}})
    tools = (spec(calculator), spec(memory), handing_to(*others("thinker")))
    turns = [turn_of([message], *tools) for _ in range(3)]
    assert turns[0] == turns[1] == turns[2]
    assert all(isinstance(part, ToolCallPart) for part in turns[0].parts)
