"""Subject strings: every builder has an inverse, and nothing that NATS would read otherwise gets into one."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable

import pytest
from event_strategies import thread_refs, tokens
from hypothesis import assume, given
from hypothesis import strategies as st

from busagents.domain import subjects as s
from busagents.errors import InvalidName, UsageError

kinds: st.SearchStrategy[s.Kind] = st.sampled_from(["in", "ev", "stop"])
BAD_TOKENS = ["", "a b", "a.b", "*", ">", "a*", "é", "a\n", "\x00", "x" * 65, "a/b", "ａ"]


def matches(pattern: str, subject: str) -> bool:
    """NATS's own rule: `*` is one token, `>` one or more at the end."""
    head, rest = (pattern[:-2], True) if pattern.endswith(".>") else (pattern, False)
    wanted, got = head.split("."), subject.split(".")
    if len(got) <= len(wanted) if rest else len(got) != len(wanted):
        return False
    return all(fnmatch.fnmatchcase(g, w) if w == "*" else g == w for w, g in zip(wanted, got, strict=False))


@given(thread_refs, kinds)
def test_a_log_subject_parses_back_to_its_thread_and_kind(ref: s.ThreadRef, kind: s.Kind) -> None:
    assert s.parse_log_subject(s.log_subject(ref, kind)) == (ref, kind)


@given(thread_refs)
def test_a_live_subject_parses_back_to_its_thread(ref: s.ThreadRef) -> None:
    assert s.parse_live_subject(s.live_subject(ref)) == ref


@given(thread_refs)
def test_an_ownership_question_parses_back_to_its_thread(ref: s.ThreadRef) -> None:
    assert s.parse_owner_subject(s.owner_subject(ref)) == ref


@given(thread_refs)
def test_a_question_for_text_parses_back_to_its_thread(ref: s.ThreadRef) -> None:
    assert s.parse_catch_up_subject(s.catch_up_subject(ref)) == ref


@given(thread_refs, thread_refs, kinds, kinds)
def test_two_threads_or_kinds_never_share_a_subject(a: s.ThreadRef, b: s.ThreadRef, x: s.Kind, y: s.Kind) -> None:
    assert (s.log_subject(a, x) == s.log_subject(b, y)) == ((a, x) == (b, y))


@given(thread_refs, thread_refs, kinds)
def test_a_thread_filter_matches_that_thread_and_no_other(ref: s.ThreadRef, other: s.ThreadRef, kind: s.Kind) -> None:
    assume(ref != other)
    assert matches(s.thread_filter(ref), s.log_subject(ref, kind))
    assert not matches(s.thread_filter(ref), s.log_subject(other, kind))


@given(thread_refs, tokens, kinds)
def test_a_session_filter_matches_all_participants_of_that_session_only(ref: s.ThreadRef, other: str, kind: s.Kind) -> None:
    assert matches(s.session_filter(ref.session), s.log_subject(ref, kind))
    assert matches(s.session_filter(other), s.log_subject(ref, kind)) == (other == ref.session)
    assert matches(s.session_live_filter(other), s.live_subject(ref)) == (other == ref.session)


@given(thread_refs, tokens, kinds)
def test_an_inbox_takes_messages_and_cancels_of_its_participant_and_no_facts(ref: s.ThreadRef, other: str, kind: s.Kind) -> None:
    def taken(participant: str) -> int:
        return sum(matches(pattern, s.log_subject(ref, kind)) for pattern in s.inbox_filters(participant))

    assert taken(ref.participant) == (kind != "ev")  # once: overlapping filters would be refused by the server
    assert taken(other) == (kind != "ev" and other == ref.participant)
    assert matches(s.stop_filter(ref.participant), s.log_subject(ref, kind)) == (kind == "stop")


@given(thread_refs, tokens)
def test_a_participant_hears_the_ownership_questions_of_its_own_threads(ref: s.ThreadRef, other: str) -> None:
    assert matches(s.owner_filter(other), s.owner_subject(ref)) == (other == ref.participant)


@given(thread_refs, tokens)
def test_a_participant_hears_the_questions_for_text_of_its_own_threads(ref: s.ThreadRef, other: str) -> None:
    assert matches(s.catch_up_filter(other), s.catch_up_subject(ref)) == (other == ref.participant)


@given(thread_refs, tokens)
def test_a_timer_has_a_subject_of_its_own_and_fires_towards_its_thread(ref: s.ThreadRef, timer: str) -> None:
    assert s.timer_subject(ref, timer) == f"{s.TIMER_SET_PREFIX}.{ref}.{timer}"
    assert s.timer_target(ref) == f"{s.TIMER_FIRED_PREFIX}.{ref}"


@given(thread_refs)
def test_a_thread_prints_as_the_tokens_of_its_subjects(ref: s.ThreadRef) -> None:
    assert s.log_subject(ref, "in") == f"{s.LOG_PREFIX}.{ref}.in"


@given(tokens)
def test_a_token_that_a_subject_can_hold_is_returned_as_it_is(token: str) -> None:
    assert s.check_token(token, "participant") == token
    assert s.inbox_consumer(token) == token


@given(st.text())
def test_a_token_is_accepted_exactly_if_it_is_1_to_64_plain_characters(text: str) -> None:
    plain = 1 <= len(text) <= 64 and all(c.isascii() and (c.isalnum() or c in "_-") for c in text)
    try:
        s.check_token(text, "session")
    except InvalidName:
        assert not plain
    else:
        assert plain


@given(st.text(min_size=1))
def test_the_spelling_that_a_refusal_suggests_is_accepted(text: str) -> None:
    try:
        s.check_token(text, "participant")
    except InvalidName as error:
        suggestion = str(error).rsplit("for example ", 1)[1].strip("'")
        assert s.check_token(suggestion, "participant") == suggestion


@pytest.mark.parametrize("bad", BAD_TOKENS)
@pytest.mark.parametrize("field", ["participant", "session", "thread"])
def test_a_thread_with_a_name_that_no_subject_can_hold_is_refused_by_that_name(field: str, bad: str) -> None:
    ref = s.ThreadRef(**{"participant": "p", "session": "s", "thread": "t", field: bad})
    with pytest.raises(InvalidName, match=f"^{field} .* cannot be part of a subject"):
        ref.checked()


@pytest.mark.parametrize("bad", BAD_TOKENS)
@pytest.mark.parametrize(
    "build",
    [
        s.session_filter,
        s.session_live_filter,
        s.inbox_filters,
        s.inbox_consumer,
        s.owner_filter,
        s.catch_up_filter,
        s.stop_filter,
        lambda bad: s.timer_subject(s.ThreadRef("p", "s"), bad),
    ],
)
def test_no_filter_or_consumer_is_built_from_a_name_that_would_widen_it(build: Callable[[str], object], bad: str) -> None:
    with pytest.raises(InvalidName):
        build(bad)


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "busagents.log",
        "busagents.log.p.s.t",
        "busagents.log.p.s.t.out",
        "busagents.log.p.s.t.in.x",
        "busagents.log.*.s.t.in",
        "busagents.log.p..t.in",
        "busagents.live.p.s.t.in",
        "other.log.p.s.t.in",
        "busagents.log.p.s.t.>",
    ],
)
def test_a_subject_that_is_not_of_the_log_is_refused(subject: str) -> None:
    with pytest.raises(InvalidName):
        s.parse_log_subject(subject)


@pytest.mark.parametrize(
    "subject", ["busagents.live.s.p", "busagents.live.s.*.t", "busagents.log.p.s.t", "busagents.live.s.p.t.x"]
)
def test_a_subject_that_is_not_of_the_live_feed_is_refused(subject: str) -> None:
    with pytest.raises(InvalidName):
        s.parse_live_subject(subject)


@pytest.mark.parametrize(
    "subject", ["busagents.owner.p.s", "busagents.owner.p.>.t", "busagents.live.p.s.t", "busagents.owner.p.s.t.x"]
)
def test_a_subject_that_is_no_ownership_question_is_refused(subject: str) -> None:
    with pytest.raises(InvalidName):
        s.parse_owner_subject(subject)


@pytest.mark.parametrize(
    "subject", ["busagents.catchup.p.s", "busagents.catchup.p.>.t", "busagents.owner.p.s.t", "busagents.catchup.p.s.t.x"]
)
def test_a_subject_that_asks_for_no_text_is_refused(subject: str) -> None:
    with pytest.raises(InvalidName):
        s.parse_catch_up_subject(subject)


def test_an_invalid_name_is_the_callers_mistake() -> None:
    assert issubclass(InvalidName, UsageError)
