"""The fold's laws: the state is a function of the log, however, wherever and in how many pieces it is folded."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_shell import Script, ScriptedTurn, World, fold_log, message_to, run_session, stored_events, submitted

from busagents.domain import events as e
from busagents.domain.codec import Entry, decode_entry, encode_entry, to_record
from busagents.domain.fold import add_message, evolve
from busagents.domain.messages import Message, ToolCallPart, ToolResultPart, Usage, assistant, user
from busagents.domain.state import ThreadState
from busagents.domain.thread import UNREADABLE, Incoming, apply_events, as_consumed, check_chain, seal
from busagents.errors import BlobMissing, ChainBroken, LogError, UnreadableEntry

turns = st.lists(
    st.builds(
        ScriptedTurn, st.lists(st.sampled_from(["at_most_once", "idempotent", "alone"]), min_size=1, max_size=3).map(tuple)
    ),
    max_size=3,
).map(lambda body: (*body, ScriptedTurn()))
scripts: st.SearchStrategy[Script] = st.lists(turns, min_size=1, max_size=3).map(
    lambda plans: {f"t{number}": plan for number, plan in enumerate(plans)}
)
crashes = st.frozensets(st.integers(1, 40), max_size=4)
cancels = st.dictionaries(st.integers(0, 20), st.sampled_from(["t0", "t1", "t2", "never-sent"]), max_size=2)
chances = st.randoms(use_true_random=False)


def session(script: Script, crash_at: frozenset[int], canceled: dict[int, str], chance: random.Random) -> World:
    """A valid log: tasks, tools, crashes, and cancels that arrive in between."""
    later = {point: message_to(e.TaskCancel("enough"), task, f"stop-{point}") for point, task in canceled.items()}
    return run_session(script, crash_at=crash_at, later=later, order=chance.randrange)


worlds = st.builds(session, scripts, crashes, cancels, chances)
several = settings(max_examples=60)


@several
@given(worlds)
def test_folding_a_valid_log_never_fails_and_counts_its_entries(world: World) -> None:
    state = fold_log(world.log, world.incoming)
    assert state.seq == len(world.log)
    assert state.idle


@several
@given(worlds)
def test_folding_a_log_twice_gives_the_same_state(world: World) -> None:
    assert fold_log(world.log, world.incoming) == fold_log(world.log, world.incoming)


@several
@given(worlds, st.data())
def test_folding_in_pieces_gives_what_folding_at_once_gives(world: World, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(world.log)))
    first = fold_log(world.log[:cut], world.incoming)
    assert fold_log(world.log[cut:], world.incoming, first) == fold_log(world.log, world.incoming)


@several
@given(worlds, st.data())
def test_a_state_stays_as_it_was_when_others_grow_from_it(world: World, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(world.log)))
    early = fold_log(world.log[:cut], world.incoming)
    fold_log(world.log[cut:], world.incoming, early)
    assert early == fold_log(world.log[:cut], world.incoming)


@several
@given(worlds, chances)
def test_the_state_does_not_depend_on_when_messages_of_others_were_stored(world: World, chance: random.Random) -> None:
    shuffled = list(world.incoming)
    chance.shuffle(shuffled)
    unread = submitted("late", "nobody has consumed this")
    assert fold_log(world.log, [unread, *shuffled]) == fold_log(world.log, world.incoming)


@several
@given(worlds, st.data())
def test_a_log_with_an_entry_taken_out_or_swapped_is_refused(world: World, data: st.DataObject) -> None:
    gone = data.draw(st.integers(0, len(world.log) - 1))
    shorter = world.log[:gone] + world.log[gone + 1 :]
    if gone < len(world.log) - 1:
        with pytest.raises(ChainBroken, match="entries are missing"):
            fold_log(shorter, world.incoming)
    swapped = [*shorter, world.log[gone]]
    if swapped != world.log:
        with pytest.raises(ChainBroken):
            fold_log(swapped, world.incoming)


@several
@given(worlds, st.data())
def test_a_flipped_byte_before_the_head_never_goes_unseen(world: World, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(world.log) - 1))
    body = bytearray(world.log[index])
    body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    altered = [*world.log[:index], bytes(body), *world.log[index + 1 :]]
    following = Entry(1, "next", len(world.log) + 1, fold_log(world.log, world.incoming).head)
    with pytest.raises((LogError, KeyError)):  # KeyError: the id of a consumed message was hit; the shell has no such message
        fold_log([*altered, encode_entry(following)], world.incoming)


@several
@given(worlds)
def test_each_task_that_was_sent_has_exactly_one_outcome(world: World) -> None:
    state = fold_log(world.log, world.incoming)
    sent = [item.events[0].task for item in world.incoming if isinstance(item.events[0].event, e.TaskSubmitted)]
    assert sorted(task for task, _ in state.finished.items()) == sorted(sent)


@several
@given(worlds)
def test_the_conversation_answers_every_tool_call_once_and_in_order(world: World) -> None:
    open_calls: list[str] = []
    for message in fold_log(world.log, world.incoming).messages:
        if message.role == "tool":
            assert [part.call for part in message.parts if isinstance(part, ToolResultPart)] == open_calls
            open_calls = []
        else:
            assert open_calls == []
            open_calls = [part.call for part in message.tool_calls]
    assert open_calls == []


@several
@given(worlds)
def test_usage_is_the_sum_over_the_completed_model_calls_of_each_task(world: World) -> None:
    finished = dict(fold_log(world.log, world.incoming).finished.items())
    spent: dict[str, Usage] = {task: Usage() for task in finished}
    for recorded in stored_events(world.log):
        if isinstance(recorded.event, e.ModelCompleted):
            spent[recorded.task] += recorded.event.usage
    assert {task: outcome.usage for task, outcome in finished.items()} == spent


def test_the_conversation_of_a_task_with_a_tool_reads_as_it_happened() -> None:
    world = run_session({"t0": (ScriptedTurn(("read_only",), text="let me look"), ScriptedTurn(text="found"))})
    call = ToolCallPart("1-0", "read_only")
    assert list(fold_log(world.log, world.incoming).messages) == [
        user("do it"),
        assistant("let me look", [call]),
        Message("tool", (ToolResultPart("1-0", "read_only", "read_only of turn 1"),)),
        assistant("found"),
    ]


def test_a_second_task_goes_on_in_the_same_conversation() -> None:
    world = run_session({"t0": (ScriptedTurn(text="one"),), "t1": (ScriptedTurn(text="two"),)})
    messages = fold_log(world.log, world.incoming).messages
    assert [(m.role, m.text) for m in messages] == [
        ("user", "do it"),
        ("assistant", "one"),
        ("user", "do it"),
        ("assistant", "two"),
    ]


def test_the_digest_in_a_model_request_is_the_one_of_the_conversation_it_saw() -> None:
    world = run_session({"t0": (ScriptedTurn(("idempotent",)), ScriptedTurn())})
    state, digests = ThreadState(), [""]
    for message in fold_log(world.log, world.incoming).messages:
        state = add_message(state, message)
        digests.append(state.digest)
    requests = [r.event for r in stored_events(world.log) if isinstance(r.event, e.ModelRequested)]
    assert [request.digest for request in requests] == [digests[1], digests[3]]


def test_conversations_that_differ_anywhere_have_different_digests() -> None:
    def digest(*texts: str) -> str:
        state = ThreadState()
        for text in texts:
            state = add_message(state, user(text))
        return state.digest

    assert len({digest(), digest("a"), digest("b"), digest("a", "b"), digest("b", "b"), digest("b", "a")}) == 6


def test_what_a_thread_has_consumed_is_known_by_its_id() -> None:
    world = run_session({"t0": (ScriptedTurn(),), "t1": (ScriptedTurn(),)})
    state = fold_log(world.log, world.incoming)
    assert dict(state.seen.items()) == {item.id: 1 for item in world.incoming}


def test_a_message_that_nobody_can_read_is_folded_as_the_entry_that_answered_it_says() -> None:
    broken = Incoming("in-x", "in", "aa", 1, (), problem="not JSON")
    refused = e.Recorded(e.TaskFailed(UNREADABLE, "not JSON"), broken.refusal_task)
    assert as_consumed(broken, [refused]).events == ()
    now_readable = msgspec.structs.replace(submitted("t"), id="in-x")
    assert as_consumed(now_readable, [refused]).events == ()
    assert as_consumed(now_readable, []) == now_readable


@pytest.mark.parametrize(("blob_missing", "error"), [(False, UnreadableEntry), (True, BlobMissing)])
def test_a_message_that_was_read_once_and_cannot_be_now_refuses_the_thread(blob_missing: bool, error: type[LogError]) -> None:
    broken = Incoming("in-x", "in", "aa", 1, (), problem="gone", blob_missing=blob_missing)
    with pytest.raises(error, match="gone"):
        as_consumed(broken, [e.Recorded(e.TaskStarted("w"), "t", 0, 1)])


def test_a_message_counts_once_however_often_it_is_stored_under_its_task() -> None:
    again = msgspec.structs.replace(submitted("t0", "do it"), id="another-id")
    world = run_session({"t0": (ScriptedTurn(),)}, later={0: again})
    assert [type(r.event) for r in stored_events(world.log)].count(e.TaskStarted) == 1
    assert len(fold_log(world.log, world.incoming).finished) == 1


def test_values_that_a_tool_set_are_in_the_state_and_deleted_ones_are_not() -> None:
    state = ThreadState()
    for event in (e.StateSet("a", 1), e.StateSet("b", [2], "session"), e.StateSet("a", 3), e.StateSet("c", 4)):
        state = evolve(state, e.Recorded(event))
    before = state
    state = evolve(state, e.Recorded(e.StateSet("c", deleted=True)))
    assert (state.values, state.session_values) == ({"a": 3}, {"b": [2]})
    assert before.values == {"a": 3, "c": 4}


WORKING = [
    e.Recorded(e.TaskSubmitted(text="x"), "t"),
    e.Recorded(e.TaskStarted("w"), "t", 0, 1),
    e.Recorded(e.ModelRequested("m", 1, "d"), "t", 1, 1),
    e.Recorded(e.ModelCompleted(assistant("", [ToolCallPart("c", "n")]), Usage(), "tool_calls"), "t", 1, 1),
    e.Recorded(e.ToolStarted("c", "n", "read_only"), "t", 1, 1),
    e.Recorded(e.ToolCompleted("c", "ok"), "t", 1, 1),
]


@pytest.mark.parametrize(
    ("stored", "altered"),
    [
        (0, e.Recorded(e.TaskStarted("w"), "t", 0, 1)),
        (2, e.Recorded(e.TaskStarted("w"), "other", 0, 1)),
        (0, e.Recorded(e.ModelRequested("m", 0, ""), "t", 1, 1)),
        (2, e.Recorded(e.ModelFailed("overloaded", "x"), "t", 1, 1)),
        (3, e.Recorded(e.ModelFailed("overloaded", "x"), "other", 1, 1)),
        (2, e.Recorded(e.ModelCompleted(assistant("x"), Usage(1, 1), "stop"), "t", 1, 1)),
        (4, e.Recorded(e.ModelCompleted(assistant("again"), Usage(1, 1), "stop"), "t", 1, 1)),
        (3, e.Recorded(e.ModelCompleted(assistant("x"), Usage(1, 1), "stop"), "other", 1, 1)),
        (1, e.Recorded(e.TaskCompleted(assistant("x")), "t")),
        (2, e.Recorded(e.TaskCompleted(assistant("x")), "other")),
        (4, e.Recorded(e.ToolCompleted("not-asked", "x"), "t", 1, 1)),
        (6, e.Recorded(e.ToolCompleted("c", "again"), "t", 1, 1)),
        (6, e.Recorded(e.ToolFailed("c", "error", "again"), "t", 1, 1)),
        (6, e.Recorded(e.ToolUnknown("c", "again"), "t", 1, 1)),
    ],
    ids=lambda value: value.event.type if isinstance(value, e.Recorded) else str(value),
)
def test_an_event_that_cannot_follow_is_refused_and_named(stored: int, altered: e.Recorded) -> None:
    state = apply_events(ThreadState(), (), WORKING[:stored])
    with pytest.raises(ChainBroken, match=altered.event.type.replace(".", r"\.")):
        evolve(state, altered)


@pytest.mark.parametrize(
    ("seq", "prev", "problem"), [(3, "aa", "entries are missing"), (1, "aa", "missing"), (2, "bb", "altered")]
)
def test_an_entry_that_does_not_follow_from_the_head_is_refused(seq: int, prev: str, problem: str) -> None:
    with pytest.raises(ChainBroken, match=f"position 9.*{problem}"):
        check_chain(seal(ThreadState(), "aa"), Entry(1, "e", seq, prev), where="position 9")


def test_the_entry_that_follows_from_the_head_is_taken() -> None:
    entry = Entry(1, "e", 2, "aa", events=(to_record(WORKING[0]),))
    check_chain(seal(ThreadState(), "aa"), decode_entry(encode_entry(entry), where="here"), where="here")
