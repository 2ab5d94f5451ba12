"""Live text told again to who joins late: the owner keeps it while it is written, and nobody else hears anything new."""

from __future__ import annotations

import asyncio
import itertools

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from busagents.adapters.memory.bus import MemoryBus
from busagents.domain import events as e
from busagents.domain.messages import Usage, assistant
from busagents.domain.subjects import ThreadRef
from busagents.ports.log import LiveSubscription
from busagents.runtime.client.live_text import LiveText, OpenTurn
from busagents.runtime.client.session_stream import SessionDelta
from busagents.runtime.client.session_text import SessionText
from busagents.runtime.client.task_event import TaskEvent
from busagents.runtime.client.text_stream import TextStream
from busagents.runtime.live_feed import LiveFeed, LiveMessageBody
from busagents.runtime.performer import Delta

REF = ThreadRef("a", "s")


def delta(text: str, at: int = 0, *, task: str = "t", turn: int = 1, attempt: int = 1) -> Delta:
    return Delta(task, turn, attempt, text, at)


@st.composite
def told_to_others_too(draw: st.DrawFn) -> tuple[str, list[Delta]]:
    """A text in pieces, between them the text so far, from its beginning, as others asked for it."""
    text = draw(st.text(min_size=1, max_size=30))
    edges = sorted({0, len(text), *draw(st.lists(st.integers(0, len(text)), max_size=5))})
    items: list[Delta] = []
    for start, end in itertools.pairwise(edges):
        items.append(delta(text[start:end], start))
        if draw(st.booleans()):
            items.append(delta(text[: draw(st.integers(end, len(text)))]))  # it may be ahead of the pieces
    return text, items


@settings(deadline=None)
@given(told_to_others_too(), st.data())
def test_text_told_again_for_others_changes_nothing(case: tuple[str, list[Delta]], data: st.DataObject) -> None:
    text, items = case
    stream, asked = TextStream(), []

    async def pieces() -> str:
        bus = MemoryBus()
        await bus.hear_catch_ups("a", asked.append)
        live = LiveText(bus, REF)
        return "".join([piece.text for item in items if (piece := await live.new(item)) is not None])

    assert "".join(stream.delta(item) for item in items) == text
    assert asyncio.run(pieces()) == text
    assert asked == []


@settings(deadline=None)
@given(told_to_others_too(), st.data())
def test_whatever_is_lost_what_comes_is_the_beginning_of_the_text(case: tuple[str, list[Delta]], data: st.DataObject) -> None:
    text, items = case
    heard = [item for item in items if data.draw(st.booleans())]
    stream = TextStream()

    async def pieces() -> str:
        live = LiveText(MemoryBus(), REF)
        return "".join([piece.text for item in heard if (piece := await live.new(item)) is not None])

    said = "".join(stream.delta(item) for item in heard)
    assert text.startswith(said)
    assert asyncio.run(pieces()) == said
    assert said + stream.delta(delta(text)) == text  # told again, it is whole


async def test_a_missing_piece_is_asked_for_once_not_with_every_delta_behind_it() -> None:
    asked: list[ThreadRef] = []
    bus = MemoryBus()
    await bus.hear_catch_ups("a", asked.append)
    live = LiveText(bus, REF)
    for at in range(5, 10):
        assert await live.new(delta("x", at)) is None
    assert asked == [REF]


async def test_what_an_attempt_says_after_a_later_one_began_is_passed_over() -> None:
    live = LiveText(MemoryBus(), REF)
    items = [delta("old "), delta("new ", attempt=2), delta("zombie", 4), delta("old "), delta("text", 4, attempt=2)]
    assert [await live.new(item) for item in items] == [items[0], items[1], None, None, items[4]]


async def test_a_text_that_begins_again_is_not_joined_to_what_waits() -> None:
    bus = MemoryBus()
    feed, live = LiveFeed(bus), await bus.watch_session("s")
    for text, at in (("one ", 0), ("two", 4), ("one ", 0), ("two", 4)):
        feed.add(REF, delta(text, at))
    assert await heard(live, 2) == [delta("one two"), delta("one two")]
    await feed.close()


async def heard(live: LiveSubscription, count: int) -> list[Delta]:
    deltas: list[Delta] = []
    async with asyncio.timeout(10):
        async for message in live:
            deltas.extend(msgspec.json.decode(message.body, type=LiveMessageBody).deltas)
            if len(deltas) >= count:
                break
    return deltas


async def test_the_owner_tells_its_text_from_the_beginning_once_for_all_who_ask_at_once() -> None:
    bus = MemoryBus()
    feed, live, done = LiveFeed(bus), await bus.watch_session("s"), asyncio.Event()
    await feed.open("a")

    async def write() -> None:
        feed.add(REF, delta("one "))
        feed.add(REF, delta("two ", 4))
        await done.wait()

    writing = asyncio.create_task(write())
    assert await heard(live, 1) == [delta("one two ")]
    for _ in range(3):
        await bus.ask_catch_up(REF)
    feed.add(REF, delta("three", 8))
    assert await heard(live, 2) == [delta("three", 8), delta("one two three")]
    done.set()
    await writing
    await feed.close()


async def test_nothing_is_told_of_a_turn_or_an_attempt_that_is_over() -> None:
    bus = MemoryBus()
    feed, live = LiveFeed(bus), await bus.watch_session("s")
    await feed.open("a")

    async def attempt(number: int, text: str) -> None:
        feed.add(REF, delta(text, attempt=number))

    await asyncio.create_task(attempt(1, "broke off"))
    await asyncio.sleep(0)  # its end is told to who waits for it
    await bus.ask_catch_up(REF)
    feed.add(REF, Delta("t", 1, 1, progress="a mark"))
    assert await heard(live, 2) == [delta("broke off"), Delta("t", 1, 1, progress="a mark")]

    async def turn() -> None:
        feed.add(REF, delta("whole", attempt=2))
        feed.turn_ended(REF, "t", 1)
        await bus.ask_catch_up(REF)
        feed.add(REF, Delta("t", 1, 2, progress="a mark"))
        assert await heard(live, 1) == [Delta("t", 1, 2, progress="a mark")]
        feed.add(REF, Delta("t", 1, 2, progress="another"))
        assert await heard(live, 1) == [Delta("t", 1, 2, progress="another")]

    await asyncio.create_task(turn())
    await feed.close()


async def test_a_text_above_one_messages_size_is_told_in_pieces() -> None:
    bus, text = MemoryBus(), "word " * 30_000
    feed, live = LiveFeed(bus), await bus.watch_session("s")
    await feed.open("a")
    feed.add(REF, delta(text))
    await heard(live, 1)
    await bus.ask_catch_up(REF)
    pieces = await heard(live, 3)
    assert "".join(piece.text for piece in pieces) == text
    stream = TextStream()
    assert "".join(map(stream.delta, pieces)) == text
    await feed.close()


def test_a_turn_is_open_from_its_request_to_its_record() -> None:
    turn = OpenTurn()
    assert (turn.writing, turn.place(delta("x"))) == (False, "unknown")
    turn.note("task.started", "t", 0, 1)
    assert turn.place(delta("x", turn=0)) == "now"  # a function writes in turn 0
    turn.note("model.requested", "t", 1, 1)
    turn.note("model.requested", "t", 1, 2)
    assert [turn.place(delta("x", attempt=number)) for number in (1, 2, 3)] == ["past", "now", "now"]
    assert (turn.place(delta("x", turn=0)), turn.place(delta("x", turn=2))) == ("past", "unknown")
    turn.note("model.completed", "t", 1, 2)
    assert (turn.writing, turn.place(delta("x", attempt=2))) == (False, "past")
    assert turn.place(Delta("t", 1, 1, progress="half", call="c")) == "now"  # of a tool of this turn
    turn.note("task.failed", "other", 0, 0)  # one that was queued behind it and canceled
    assert turn.place(Delta("t", 1, 1, progress="half", call="c")) == "now"
    turn.note("task.completed", "t", 1, 2)
    assert turn.place(delta("x", turn=2)) == "unknown"


def test_a_sessions_text_is_told_apart_by_thread_and_task() -> None:
    other, shown = ThreadRef("b", "s"), SessionText()
    said: dict[tuple[str, str], str] = {}
    items: list[TaskEvent | SessionDelta] = [
        SessionDelta(REF, delta("one ")),
        SessionDelta(other, delta("uno ")),
        SessionDelta(REF, delta("two", 4)),
        recorded(REF, "t", e.ModelCompleted(assistant("one two"), Usage(), "stop")),
        recorded(other, "t", e.ModelCompleted(assistant("uno dos"), Usage(), "stop")),
        recorded(REF, "t", e.TaskCompleted(assistant("one two"))),
        SessionDelta(REF, delta("next", task="t2")),
        recorded(other, "t", e.TaskFailed("error", "no")),
    ]
    for item in items:
        task = item.delta.task if isinstance(item, SessionDelta) else item.task
        said[item.ref.participant, task] = said.get((item.ref.participant, task), "") + shown.show(item)
    assert said == {("a", "t"): "one two", ("b", "t"): "uno dos", ("a", "t2"): "next"}


def recorded(ref: ThreadRef, task: str, event: e.Event) -> TaskEvent:
    return TaskEvent(ref, "ev", 1, 1, "id", "", task, 1, 1, event)
