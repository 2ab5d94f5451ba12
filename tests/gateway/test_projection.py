"""A task's facts as A2A's task and updates: the same for every reader, from every place."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busagents.domain import events as e
from busagents.domain.messages import Artifact as Made
from busagents.domain.messages import DataPart, FilePart, Message, ReasoningPart, TextPart, ToolCallPart, Usage, assistant, user
from busagents.gateway.bus import Fact, Piece
from busagents.gateway.errors import InvalidParams
from busagents.gateway.place import Place
from busagents.gateway.projection import Projection, stamp
from busagents.gateway.types import ArtifactUpdate, Part, StatusUpdate, StreamItem, Task
from tests.support.a2a_reader import applied

TIME = "2026-01-31T12:00:0{}.000Z"


def line(*entries: Sequence[e.Event] | e.Event) -> list[Fact]:
    """Facts of a task, an entry after the other."""
    facts = []
    for position, entry in enumerate(entries, start=10):
        for event in entry if isinstance(entry, tuple) else (entry,):
            turn = position if isinstance(event, e.ModelRequested | e.ModelCompleted) else 0
            time = TIME.format(position % 10)
            facts.append(Fact(position, event.kind, f"entry{position}", time, "t", turn, 1, event))
    return facts


def view() -> Projection:
    return Projection("t", "s", "p")


def read(facts: Sequence[Fact], upto: Place | None = None) -> list[StreamItem]:
    return view().replay(facts, upto=upto)


ASKED = e.TaskSubmitted(text="go", sender="a2a:ann")
STARTED = e.TaskStarted("me")
QUESTION = e.InputRequired("q1", assistant("how much?"), {"type": "integer"}, asker="boss")
SECOND = e.InputRequired("q2", assistant("and when?"))
ANSWER = e.TaskInput("q1", user("three"))
ANSWERED = e.InputAnswered("q1", "entry13")
COMMENT = e.ModelCompleted(assistant("Let me see.", [ToolCallPart("c", "double")]), Usage(1, 1), "tool_calls")
DONE = e.TaskCompleted(assistant("six"), Usage(10, 5))


def test_a_task_that_is_not_started_is_submitted() -> None:
    task = view().replay(line(ASKED))[0].update
    assert isinstance(task, Task)
    assert (task.status.state, task.status.timestamp) == ("submitted", TIME.format(0))
    assert [(item.role, item.parts) for item in task.history or ()] == [("user", (Part(text="go"),))]


def test_a_task_is_started_once_whoever_takes_it_over() -> None:
    shown = view()
    updates = [item.update for fact in line(ASKED, STARTED, STARTED, (STARTED, DONE)) for item in shown.take(fact)]
    assert [item.status.state for item in updates if isinstance(item, StatusUpdate)] == ["working", "completed"]


def test_the_answer_and_what_else_was_made_are_artifacts_with_ids_of_their_own() -> None:
    made = e.TaskCompleted(assistant("six"), artifacts=(Made("a.txt", (FilePart("text/plain", base64="eA=="),), "a file"),))
    task = applied(read(line(ASKED, STARTED, made)))
    assert [(item.artifact_id, item.name, item.description) for item in task.artifacts or ()] == [
        ("answer", "answer", ""),
        ("artifact-1", "a.txt", "a file"),
    ]
    assert (task.artifacts or ())[1].parts == (Part(raw="eA==", media_type="text/plain"),)


def test_a_structured_answer_is_data_beside_its_text() -> None:
    task = applied(read(line(ASKED, STARTED, e.TaskCompleted(assistant("[1]"), output=[1]))))
    assert (task.artifacts or ())[0].parts == (Part(text="[1]"), Part(data=[1], has_data=True))


def test_an_answer_that_says_nothing_is_no_artifact() -> None:
    assert applied(read(line(ASKED, STARTED, e.TaskCompleted(Message("assistant", ()))))).artifacts == ()


def test_reasoning_and_tool_calls_are_not_shown() -> None:
    done = e.TaskCompleted(Message("assistant", (ReasoningPart("hm"), TextPart("six"), DataPart(None))))
    task = applied(read(line(ASKED, STARTED, done)))
    assert (task.artifacts or ())[0].parts == (Part(text="six"), Part(data=None, has_data=True))


@pytest.mark.parametrize(
    ("end", "state", "said"),
    [
        (e.TaskFailed("limit_turns", "too long"), "failed", "too long"),
        (e.TaskFailed("refused", "I will not"), "rejected", "I will not"),
        (e.TaskFailed("rejected", ""), "rejected", "rejected"),
        (e.TaskCanceled("enough"), "canceled", "enough"),
    ],
)
def test_an_end_without_an_answer_says_why(end: e.Event, state: str, said: str) -> None:
    task = applied(read(line(ASKED, STARTED, end)))
    assert task.status.state == state
    assert task.status.message is not None
    assert (task.status.message.role, task.status.message.parts) == ("agent", (Part(text=said),))


def test_a_question_is_the_message_of_the_status_and_its_answer_goes_into_the_history() -> None:
    shown = view()
    items = shown.replay(line(ASKED, STARTED, QUESTION))
    asking = items[0].update
    assert isinstance(asking, Task)
    assert asking.status.state == "input-required"
    assert asking.status.message is not None
    assert asking.status.message.parts == (Part(text="how much?"),)
    assert asking.status.message.metadata == {
        "busagents": {"request": "q1", "purpose": "question", "asker": "boss", "answerSchema": {"type": "integer"}}
    }
    done = view()
    done.replay(line(ASKED, STARTED, QUESTION, ANSWER, ANSWERED, DONE))
    said = [(item.role, item.parts[0].text) for item in done.task().history or ()]
    assert said == [("user", "go"), ("agent", "how much?"), ("user", "three")]


def test_a_question_for_an_authorization_is_auth_required_and_does_not_end_a_stream() -> None:
    asked = e.InputRequired("q1", assistant("log in at example.org"), purpose="authorization")  # type: ignore[arg-type]
    shown = view()
    items = shown.replay(line(ASKED, STARTED, asked), upto=Place(10))
    assert isinstance(items[-1].update, StatusUpdate)
    assert (items[-1].update.status.state, items[-1].update.final) == ("auth-required", False)
    assert (shown.rests, shown.asks) == (True, False)


def test_a_task_with_two_questions_waits_until_both_have_answers() -> None:
    shown = view()
    shown.replay(line(ASKED, STARTED, (QUESTION, SECOND), ANSWER, ANSWERED))
    assert shown.state == "input-required"
    assert list(shown.questions) == ["q2"]


def test_an_answer_that_was_not_read_is_known_to_lack() -> None:
    shown = view()
    shown.replay(line(ASKED, STARTED, QUESTION, (ANSWERED,), DONE))
    assert shown.lacks_answers


def test_history_keeps_the_newest_messages() -> None:
    shown = view()
    shown.replay(line(ASKED, STARTED, QUESTION, ANSWER, ANSWERED, DONE))
    assert shown.task(0).history is None
    assert [item.parts[0].text for item in shown.task(2).history or ()] == ["how much?", "three"]
    assert len(shown.task(99).history or ()) == 3


def pieces(text: str, *, turn: int = 1, attempt: int = 1, size: int = 2) -> list[Piece]:
    return [Piece(turn, attempt, text[at : at + size], at) for at in range(0, len(text), size)]


def streamed(before: Sequence[Fact], live: Sequence[Piece], behind: Sequence[Fact]) -> list[StreamItem]:
    shown = view()
    items = shown.replay(before)
    for piece in live:
        items += shown.piece(piece)
    for fact in behind:
        items += shown.take(fact)
    return items


def test_text_that_was_streamed_whole_is_not_said_again() -> None:
    facts = line(ASKED, STARTED, DONE)
    items = streamed(facts[:2], pieces("six"), facts[2:])
    chunks = [item for item in items if isinstance(item.update, ArtifactUpdate)]
    assert [(item.update.append, item.update.artifact.parts[0].text, item.place) for item in chunks] == [
        (False, "si", ""),
        (True, "x", ""),
        (True, "", "12.1"),
    ]
    assert [item.update.last_chunk for item in chunks] == [False, False, True]


def test_of_text_that_was_streamed_in_part_the_rest_is_said() -> None:
    facts = line(ASKED, STARTED, DONE)
    last = streamed(facts[:2], pieces("si"), facts[2:])[-2].update
    assert isinstance(last, ArtifactUpdate)
    assert (last.append, last.last_chunk, last.artifact.parts) == (True, True, (Part(text="x"),))


def test_text_that_differs_from_the_record_is_replaced() -> None:
    facts = line(ASKED, STARTED, DONE)
    last = streamed(facts[:2], pieces("seven"), facts[2:])[-2].update
    assert isinstance(last, ArtifactUpdate)
    assert (last.append, last.last_chunk, last.artifact.parts) == (False, True, (Part(text="six"),))


def test_another_attempt_replaces_what_the_first_one_showed() -> None:
    facts = line(ASKED, STARTED, DONE)
    items = streamed(facts[:2], [*pieces("se"), *pieces("six", attempt=2)], facts[2:])
    assert [item.update.append for item in items if isinstance(item.update, ArtifactUpdate)] == [False, False, True, True]
    assert applied(items).artifacts == applied(read(facts)).artifacts


def test_what_an_agent_says_before_it_uses_tools_becomes_a_message() -> None:
    facts = line(ASKED, STARTED, COMMENT, DONE)
    items = streamed(facts[:2], pieces("Let me"), facts[2:])
    assert [type(item.update) for item in items[-4:]] == [ArtifactUpdate, StatusUpdate, ArtifactUpdate, StatusUpdate]
    said = items[-3].update
    assert isinstance(said, StatusUpdate)
    assert (said.status.state, said.status.message and said.status.message.parts) == ("working", (Part(text="Let me see."),))
    assert [item.parts for item in applied(items).artifacts or ()] == [(Part(text="six"),)]


def test_the_text_of_a_task_that_fails_is_taken_back() -> None:
    facts = line(ASKED, STARTED, e.TaskFailed("error", "boom"))
    assert applied(streamed(facts[:2], pieces("six"), facts[2:])).artifacts == ()


def test_progress_is_a_working_status_that_no_record_holds() -> None:
    shown = view()
    shown.replay(line(ASKED, STARTED))
    (item,) = shown.piece(Piece(0, 1, progress={"done": 3}))
    assert isinstance(item.update, StatusUpdate)
    assert item.update.status.message is not None
    assert item.update.status.message.parts == (Part(data={"done": 3}, has_data=True),)
    assert item.place == ""
    assert shown.task().status.message is None


@given(st.lists(st.tuples(st.text("ab", max_size=4), st.integers(1, 3))), st.text("ab", max_size=8), st.booleans())
def test_whatever_was_streamed_the_reader_ends_with_what_is_recorded(
    shown: list[tuple[str, int]], answer: str, fails: bool
) -> None:
    end = e.TaskFailed("error", "boom") if fails else e.TaskCompleted(assistant(answer))
    facts = line(ASKED, STARTED, end)
    live = [Piece(1, attempt, text) for text, attempt in sorted(shown, key=lambda item: item[1])]
    items = streamed(facts[:2], live, facts[2:])
    assert applied(items).artifacts == applied(read(facts)).artifacts
    assert sum(len(item.update.artifact.parts[0].text or "") for item in items if isinstance(item.update, ArtifactUpdate)) <= sum(
        len(piece.text) for piece in live
    ) + len(answer)


STEPS = st.lists(
    st.sampled_from([STARTED, (STARTED, QUESTION), QUESTION, SECOND, COMMENT, ANSWER, ANSWERED, (ANSWERED, COMMENT)]), max_size=6
)
ENDS = st.sampled_from(
    [DONE, (COMMENT, DONE), e.TaskFailed("error", "boom"), e.TaskCanceled(), (STARTED, QUESTION, e.TaskCanceled("no"))]
)


@given(STEPS, ENDS)
def test_who_goes_on_from_any_place_sees_what_follows_and_ends_equal(steps: list[e.Event], end: e.Event) -> None:
    facts = line(ASKED, *steps, end)
    shown = view()
    whole = shown.replay(facts[:1])
    for fact in facts[1:]:
        whole += shown.take(fact)
    for number, item in enumerate(whole):
        again = read(facts, Place.parse(item.place))
        assert again[1:] == whole[number + 1 :]
        assert applied(again).status == shown.task().status
        assert applied(again).artifacts == shown.task().artifacts


@given(STEPS, ENDS)
def test_a_saved_view_goes_on_as_if_it_had_never_been_away(steps: list[e.Event], end: e.Event) -> None:
    facts = line(ASKED, *steps, end)
    whole = view()
    whole.replay(facts)
    for cut in range(1, len(facts)):
        first = view()
        first.replay(facts[:cut])
        second = Projection.load("t", "s", "p", first.save())
        second.replay(facts[cut:])
        assert (second.task(0).status, second.sender) == (whole.task(0).status, "a2a:ann")
        assert second.task(0).metadata == whole.task(0).metadata


@given(st.integers(0, 10**18 - 1), st.integers(0, 10**6))
def test_a_place_survives_being_text(position: int, shown: int) -> None:
    assert Place.parse(str(Place(position, shown))) == Place(position, shown)


@pytest.mark.parametrize("text", ["", "57", "57.", ".2", "-1.2", "a.b", "1.2.3", "9" * 30 + ".1", "٣.١"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(InvalidParams):
        Place.parse(text)


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        ("2026-01-31T12:00:00.123Z", "2026-01-31T12:00:00.123Z"),
        ("2026-01-31T12:00:00.123456789Z", "2026-01-31T12:00:00.123Z"),
        ("2026-01-31T14:00:00+02:00", "2026-01-31T12:00:00.000Z"),
    ],
)
def test_times_are_utc_with_milliseconds(time: str, shown: str) -> None:
    assert stamp(time) == shown
