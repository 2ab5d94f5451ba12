"""Text from best-effort deltas: whatever is lost, doubled or begun again, what the log has was said in the end."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from busagents.domain import events as e
from busagents.domain.messages import Usage, assistant
from busagents.domain.subjects import ThreadRef
from busagents.runtime.client.task_event import TaskEvent
from busagents.runtime.client.text_stream import TextStream
from busagents.runtime.performer import Delta

REF = ThreadRef("a", "s")


def delta(text: str, at: int, *, turn: int = 1, attempt: int = 1) -> Delta:
    return Delta("t", turn, attempt, text, at)


def recorded(text: str, *, turn: int = 1, attempt: int = 1) -> TaskEvent:
    event = e.ModelCompleted(assistant(text), Usage(), "stop")
    return TaskEvent(REF, "ev", 1, 1, "id", "", "t", turn, attempt, event)


def shown(*items: Delta | TaskEvent) -> str:
    stream = TextStream()
    return "".join(stream.delta(item) if isinstance(item, Delta) else stream.event(item) for item in items)


def pieces(text: str, cuts: list[int], *, turn: int = 1, attempt: int = 1) -> list[Delta]:
    edges = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [delta(text[start:end], start, turn=turn, attempt=attempt) for start, end in itertools.pairwise(edges)]


def test_deltas_and_the_record_say_the_text_once() -> None:
    assert shown(delta("one ", 0), delta("two", 4), recorded("one two")) == "one two"


def test_a_delta_that_comes_twice_does_not_end_the_live_text() -> None:
    assert shown(delta("one ", 0), delta("one ", 0), delta("two", 4)) == "one two"


def test_what_a_lost_delta_held_comes_with_the_record() -> None:
    assert shown(delta("one ", 0), delta("three", 8), recorded("one two three")) == "one two three"
    assert shown(delta("two", 4), recorded("one two")) == "one two"


def test_deltas_behind_the_record_say_nothing() -> None:
    assert shown(recorded("one two"), delta("one ", 0), delta("two", 4)) == "one two"


def test_a_second_attempt_that_repeats_the_first_goes_on_where_it_was_cut() -> None:
    first, second = delta("one t", 0), [delta("one ", 0, attempt=2), delta("two", 4, attempt=2)]
    assert shown(first, *second, recorded("one two", attempt=2)) == "one two"


def test_a_second_attempt_that_differs_is_told_whole_after_a_blank_line() -> None:
    second = [delta("uno ", 0, attempt=2), delta("dos", 4, attempt=2)]
    assert shown(delta("one t", 0), *second, recorded("uno dos", attempt=2)) == "one t\n\nuno dos"


def test_deltas_of_a_process_that_was_thought_dead_are_passed_over() -> None:
    items = (delta("one ", 0), delta("one ", 0, attempt=2), delta("zombie", 4, attempt=1), delta("two", 4, attempt=2))
    assert shown(*items, recorded("one two", attempt=2)) == "one two"


def test_turns_are_parted_by_a_blank_line_and_one_without_text_by_nothing() -> None:
    items = (recorded("one"), recorded("", turn=2), delta("thr", 0, turn=3), recorded("three", turn=3))
    assert shown(*items) == "one\n\nthree"


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1), st.lists(st.integers(0, 40))), min_size=1, max_size=4), st.data())
def test_losses_and_doubles_never_change_what_one_attempt_says(turns: list[tuple[str, list[int]]], data: st.DataObject) -> None:
    items: list[Delta | TaskEvent] = []
    for number, (text, cuts) in enumerate(turns, start=1):
        for piece in pieces(text, cuts, turn=number):
            items.extend([piece] * data.draw(st.integers(0, 2)))
        items.append(recorded(text, turn=number))
    assert shown(*items) == "\n\n".join(text for text, _ in turns)


@settings(deadline=None)
@given(
    st.text(min_size=1),
    st.lists(st.tuples(st.text(), st.lists(st.integers(0, 40)), st.integers(0, 5)), max_size=3),
    st.lists(st.integers(0, 40)),
)
def test_whatever_earlier_attempts_said_the_recorded_text_is_said_whole(
    text: str, attempts: list[tuple[str, list[int], int]], cuts: list[int]
) -> None:
    items: list[Delta | TaskEvent] = []
    for number, (cut_off, where, kept) in enumerate(attempts, start=1):
        items.extend(pieces(cut_off, where, attempt=number)[:kept])
    last = len(attempts) + 1
    said = shown(*items, *pieces(text, cuts, attempt=last), recorded(text, attempt=last))
    assert said.endswith(text)
    assert said == text or said.removesuffix(text).endswith("\n\n")


def test_an_answer_that_is_a_calls_or_a_hooks_follows_what_the_model_said() -> None:
    said = e.TaskCompleted(assistant("what the call said"))
    ended = TaskEvent(REF, "ev", 2, 2, "id", "", "t", 1, 1, said)
    assert shown(recorded("let me ask"), ended) == "let me ask\n\nwhat the call said"
    assert shown(recorded(""), ended) == "what the call said"
    assert shown(recorded("what the call said"), ended) == "what the call said"
