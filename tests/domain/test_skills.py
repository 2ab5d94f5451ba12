"""What a participant announces that it can do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from busagents import Agent, Swarm, tool
from busagents.domain.skills import announced, read_skills, skills_of


@tool(read_only=True)
def look(what: str) -> str:
    """Look something
    up."""
    return what


def test_an_agents_skills_are_its_tools_and_a_swarms_its_members() -> None:
    agent = Agent("a", system="Works.", tools=[look])
    assert skills_of(agent) == (("look", "Look something up."),)
    assert skills_of(Swarm("s", [agent])) == (("a", "Works."),)
    assert skills_of(Agent("b")) == ()


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=4).map(tuple))
def test_what_is_announced_is_read_back(skills: tuple[tuple[str, str], ...]) -> None:
    assert read_skills(announced(skills).get("skills", "")) == skills


@given(st.text(max_size=40))
def test_what_others_announce_is_skills_or_nothing(text: str) -> None:
    assert all(len(skill) == 2 for skill in read_skills(text))
