"""Declaring a swarm: what is refused, and that the error says what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from busagents.domain.agent import Agent
from busagents.domain.function import agent
from busagents.domain.participant import Participant, with_parts
from busagents.domain.swarm import Swarm
from busagents.domain.swarm_decider import SwarmMember, swarm_policy
from busagents.domain.tool import tool
from busagents.errors import DefinitionError

researcher = Agent("researcher", description="finds facts")
writer = Agent("writer", description="writes")


@agent("counter", description="counts words")
async def counter(task: object) -> AsyncIterator[str]:
    yield "3"


def refused(*args: object, **kwargs: object) -> str:
    with pytest.raises(DefinitionError) as raised:
        Swarm("newsroom", *args, **kwargs)  # type: ignore[arg-type]
    return str(raised.value)


def test_the_first_member_is_the_entry_unless_another_is_named() -> None:
    assert Swarm("newsroom", [researcher, writer]).entry is researcher
    assert Swarm("newsroom", [researcher, writer], entry=writer).entry is writer
    assert Swarm("newsroom", [researcher, writer], entry="writer").entry is writer


def test_the_bounds_are_those_of_the_field_unless_given() -> None:
    swarm = Swarm("newsroom", [researcher, writer])
    assert (swarm.max_handoffs, swarm.max_iterations, swarm.execution_timeout, swarm.node_timeout) == (20, 20, 900.0, 300.0)
    assert (swarm.repetitive_handoff_detection_window, swarm.repetitive_handoff_min_unique_agents) == (0, 0)
    assert swarm.limits.turns is None


def test_a_swarm_without_members_is_refused() -> None:
    assert "no members" in refused([])
    assert "at least one" in refused([])


def test_two_members_of_one_name_are_refused() -> None:
    assert "two members named 'writer'" in refused([writer, Participant("writer")])


def test_an_entry_that_is_no_member_is_refused_and_the_members_are_listed() -> None:
    said = refused([researcher, writer], entry=Participant("boss"))
    assert "'boss'" in said
    assert "researcher, writer" in said


def test_a_swarm_is_no_member_of_itself() -> None:
    assert "itself as a member" in refused([researcher, Participant("newsroom")])


def test_an_agent_with_a_tool_of_its_own_named_like_the_handoff_is_refused() -> None:
    @tool(name="handoff_to_agent")
    async def mine(text: str) -> str:
        """Do something else."""
        return text

    said = refused([Agent("odd", tools=[mine])])
    assert "'odd'" in said
    assert "another name" in said


def test_what_is_no_participant_is_refused_as_a_member() -> None:
    assert "no participant" in refused(["writer"])


@pytest.mark.parametrize("bound", ["max_handoffs", "max_iterations", "max_parallel_tasks", "replicas"])
def test_a_bound_below_one_is_refused(bound: str) -> None:
    assert f"{bound}=0" in refused([writer], **{bound: 0})


@pytest.mark.parametrize("bound", ["execution_timeout", "node_timeout"])
def test_a_timeout_is_above_zero_or_none(bound: str) -> None:
    assert f"{bound}=0" in refused([writer], **{bound: 0})
    assert getattr(Swarm("newsroom", [writer], **{bound: None}), bound) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(("window", "unique"), [(3, 0), (0, 2), (-1, -1), (2, 3), (8, 3)])
def test_a_detection_of_repetition_that_never_or_always_strikes_is_refused(window: int, unique: int) -> None:
    said = refused([researcher, writer], repetitive_handoff_detection_window=window, repetitive_handoff_min_unique_agents=unique)
    assert f"repetitive_handoff_detection_window={window}" in said


def test_its_members_are_its_parts_and_references_are_not_declared_by_it() -> None:
    inner = Swarm("inner", [writer])
    outer = Swarm("outer", [researcher, inner, Participant("elsewhere")])
    assert [part.name for part in with_parts([outer])] == ["outer", "researcher", "inner", "writer"]


def test_the_definition_hash_tells_members_and_bounds_apart_and_is_stable() -> None:
    hashes = [
        Swarm("newsroom", [researcher, writer]).definition_hash,
        Swarm("newsroom", [writer, researcher]).definition_hash,
        Swarm("newsroom", [researcher, writer], entry=writer).definition_hash,
        Swarm("newsroom", [researcher, writer], max_handoffs=3).definition_hash,
        Swarm("newsroom", [researcher, writer], reset=True).definition_hash,
    ]
    assert len(set(hashes)) == len(hashes)
    assert Swarm("newsroom", [researcher, writer]).definition_hash == hashes[0]


def test_its_policy_knows_who_can_hand_over() -> None:
    swarm = Swarm("newsroom", [researcher, counter, Swarm("inner", [writer]), Participant("elsewhere", description="far")])
    made = swarm_policy(swarm, "w1")
    assert made.members == (
        SwarmMember("researcher", "finds facts", True),
        SwarmMember("counter", "counts words", False),
        SwarmMember("inner", "", False),
        SwarmMember("elsewhere", "far", True),
    )
    assert (made.owner, made.entry, made.definition) == ("w1", "researcher", swarm.definition_hash)


def test_a_swarm_cannot_hand_over_and_can_be_a_tool() -> None:
    swarm = Swarm("newsroom", [writer], description="writes reports")
    assert not swarm.hands_over
    assert swarm.as_tool().participant is swarm
