"""Subjects of the Synadia protocol: every name has a token of its own, and what is formatted is parsed again."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synadia_ai.agents.subjects import AgentSubject

from busagents.adapters.synadia.subjects import Address, address, agent_name, agent_token, parse, token
from busagents.errors import InvalidName

names = st.text("abcABC019_-", min_size=1, max_size=64)
tokens = st.text("abcABC019_-", min_size=1, max_size=64)


@given(names)
def test_a_participants_name_comes_back_from_its_token(name: str) -> None:
    assert agent_name(agent_token(name)) == name


@given(names, names)
def test_two_participants_have_two_tokens(one: str, other: str) -> None:
    assert (agent_token(one) == agent_token(other)) == (one == other)


@given(names)
def test_an_agents_token_is_of_the_alphabet_that_the_protocol_allows(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]+", agent_token(name))


@pytest.mark.parametrize(
    ("name", "as_token"),
    [("writer", "writer"), ("fact-checker", "fact-checker"), ("research_analyst", "research--analyst"), ("a_b-c", "a--b-c")],
)
def test_ordinary_names_stay_readable(name: str, as_token: str) -> None:
    assert agent_token(name) == as_token


@pytest.mark.parametrize("wrong", ["", "Writer", "a---b", "x---", "x---zz!", "x---mfra", "-a", "a_b", "ü"])
def test_a_token_that_no_participant_has_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidName, match="token of a participant"):
        agent_name(wrong)


@given(st.builds(Address, tokens, tokens, tokens), st.sampled_from(["prompt", "status", "hb"]))
def test_a_subject_comes_back_as_its_address_however_often(where: Address, verb: str) -> None:
    subject = where.subject(verb)  # type: ignore[arg-type]
    assert parse(subject) == (verb, where)
    assert parse(subject)[1].subject(verb) == subject  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    ["", "agents.prompt.a.b", "agents.prompt.a.b.c.d", "agents.attachments.a.b.c", "others.prompt.a.b.c", "agents.hb.a.*.c"],
)
def test_a_subject_that_is_none_of_the_protocols_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidName, match="is no agent's"):
        parse(wrong)


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_owners_and_sessions_are_spelled_as_the_public_client_spells_them(owner: str, session: str) -> None:
    if not (owner + session).isprintable():
        return
    theirs = AgentSubject.new("writer", owner, session)
    ours = address("writer", owner, session)
    assert (ours.subject("prompt"), ours.subject("status"), ours.subject("hb")) == (
        theirs.prompt,
        theirs.status,
        theirs.heartbeat,
    )


def test_an_empty_owner_is_refused() -> None:
    with pytest.raises(InvalidName, match="needs a name"):
        token("")
