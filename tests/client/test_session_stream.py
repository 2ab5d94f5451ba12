"""A session's stream: each fact once and in the log's order for whoever reads, whenever it joins, however often it is cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import msgspec
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from busagents import Agent, FunctionTask, agent, tool
from busagents.adapters.jetstream.bus import connect_bus
from busagents.adapters.memory.bus import MemoryBus
from busagents.adapters.memory.store import MemoryStore
from busagents.bootstrap.services import Definition
from busagents.domain import events as e
from busagents.domain.codec import Entry, encode_entry, to_record
from busagents.domain.messages import Usage, assistant
from busagents.domain.subjects import ThreadRef
from busagents.errors import ChainBroken, InvalidInput, InvalidName
from busagents.ports.log import Bus
from busagents.runtime.client.client import Client
from busagents.runtime.client.session_stream import Place, SessionDelta, SessionStream
from busagents.runtime.client.session_text import SessionText
from busagents.runtime.client.task_event import TaskEvent
from busagents.runtime.clock import SystemClock
from busagents.runtime.journal import Journal
from busagents.runtime.live_feed import LiveMessageBody, Refusal
from busagents.runtime.performer import Delta
from busagents.testing import ScriptedModel, call_tools, say
from tests.support.participants import running
from tests.support.workers import Process, a_client, working

Fresh = Callable[[str], str]
Connect = Callable[[], Awaitable[Bus]]
REF = ThreadRef("a", "s")
LIMIT = 30.0  # seconds until a test gives up


@tool
def double(number: int) -> int:
    """Twice the number."""
    return 2 * number


class Paused(ScriptedModel):
    """Writes the first `chunks` pieces of its answer and then waits until it is let go on."""

    def __init__(self, text: str, chunks: int) -> None:
        super().__init__([say(text)], chunk_chars=4)
        self.chunks = chunks
        self.go_on = asyncio.Event()

    async def stream(self, request):  # type: ignore[no-untyped-def]
        count = 0
        async for chunk in super().stream(request):
            if count == self.chunks:
                await self.go_on.wait()
            count += 1
            yield chunk


class Writer:
    """Records a thread's facts by hand, as its owner would, and shows deltas."""

    def __init__(self, bus: Bus, ref: ThreadRef = REF) -> None:
        self.bus, self.ref = bus, ref
        self.head = self.seq = 0

    async def record(self, *events: e.Event, task: str = "t", turn: int = 0, attempt: int = 1) -> int:
        self.seq += 1
        records = tuple(to_record(e.Recorded(event, task, turn, attempt)) for event in events)
        body = encode_entry(Entry(1, f"{self.ref}-{self.seq}", self.seq, events=records))
        self.head = await self.bus.log.append(self.ref, body, entry_id=f"{self.ref}-{self.seq}", head=self.head, types="")
        return self.head

    async def show(self, *texts: tuple[int, str], task: str = "t", turn: int = 1, attempt: int = 1) -> None:
        deltas = tuple(Delta(task, turn, attempt, text, at) for at, text in texts)
        await self.bus.publish_live(self.ref, _body(deltas))


def requested() -> e.ModelRequested:
    return e.ModelRequested("m", 0, "")


def completed(text: str) -> e.ModelCompleted:
    return e.ModelCompleted(assistant(text), Usage(), "stop")


def _body(deltas: tuple[Delta, ...]) -> bytes:
    return msgspec.json.encode(LiveMessageBody(1, deltas))


def facts(items: list[TaskEvent | SessionDelta]) -> list[TaskEvent]:
    return [item for item in items if isinstance(item, TaskEvent)]


def text_of(items: list[TaskEvent | SessionDelta]) -> str:
    shown = SessionText()
    return "".join(shown.show(item) for item in items)


async def all_of(stream: SessionStream) -> list[TaskEvent | SessionDelta]:
    async with asyncio.timeout(LIMIT):
        return [item async for item in stream]


async def some_of(
    stream: SessionStream, enough: Callable[[list[TaskEvent | SessionDelta]], bool]
) -> list[TaskEvent | SessionDelta]:
    """Read until there is enough, and leave the stream open."""
    items: list[TaskEvent | SessionDelta] = []
    async with asyncio.timeout(LIMIT):
        while not enough(items):
            items.append(await anext(stream))
    return items


@pytest.fixture(params=["memory", "jetstream"])
def server_url(request: pytest.FixtureRequest) -> str:
    """The real server's address, or none for a bus in memory. Not async: a fixture of another loop is asked for by name."""
    return str(request.getfixturevalue("bus_url")) if request.param == "jetstream" else ""


@pytest_asyncio.fixture
async def connect(server_url: str) -> AsyncIterator[Connect]:
    """Connections to one bus, each as a process of its own has it."""
    store, url = MemoryStore(), server_url
    buses: list[Bus] = []

    async def connected() -> Bus:
        buses.append(await connect_bus(url) if url else MemoryBus(store))
        return buses[-1]

    yield connected
    for bus in buses:
        await bus.close()


async def start(stack: AsyncExitStack, bus: Bus, definition: Definition) -> None:
    """Run a process of the participant until the stack ends."""
    process = Process(bus, definition)
    await process.feed.open(definition.name)
    await process.ready()
    stack.push_async_callback(process.end)


def client_on(bus: Bus) -> Client:
    return Client(bus, Journal(bus, SystemClock()))


async def test_two_agents_in_one_session_come_in_one_stream_in_the_order_of_the_log(bus_url: str, fresh: Fresh) -> None:
    one, two, session = fresh("a"), fresh("b"), fresh("s")
    agents = [Agent(name, model=ScriptedModel([say(f"I am {name}")], chunk_chars=3, chunk_delay=0.02)) for name in (one, two)]
    async with running(bus_url, *agents) as client:
        stream = client.stream(session)
        reading = asyncio.create_task(
            some_of(stream, lambda items: sum(isinstance(i.event, e.TERMINAL) for i in facts(items)) == 2)
        )
        await client.send(one, "go", session=session)
        await client.send(two, "go", session=session)
        items = await reading
        stored = [event async for event in client.history(session)]
        await stream.aclose()
    assert facts(items) == stored
    assert [event.position for event in stored] == sorted(event.position for event in stored)
    assert {(event.ref.participant, event.type) for event in stored} >= {(one, "task.submitted"), (two, "task.submitted")}
    live = {item.ref.participant for item in items if isinstance(item, SessionDelta)}
    assert live == {one, two}
    shown, said = SessionText(), {one: "", two: ""}
    for item in items:
        said[item.ref.participant] += shown.show(item)
    assert said == {one: f"I am {one}", two: f"I am {two}"}


async def recorded_session(store: MemoryStore) -> list[str]:
    """A session of two agents with tools, three tasks; returns the tasks' ids."""
    agents = [
        Agent(name, model=ScriptedModel([call_tools(("double", {"number": 2}), text="wait"), say("four")]), tools=[double])
        for name in ("x", "y")
    ]
    async with working(store, *agents) as client:
        tasks = [await client.send(name, "twice two?", session="s") for name in ("x", "y", "x")]
        for task in tasks:
            await task.result()
    return [task.id for task in tasks]


async def last_to_end(store: MemoryStore, tasks: list[str]) -> str:
    ends = [event.task async for event in a_client(store).history("s") if isinstance(event.event, e.TERMINAL)]
    assert sorted(ends) == sorted(tasks)
    return ends[-1]


async def test_a_reader_that_is_cut_anywhere_goes_on_with_no_gap_and_no_repeat() -> None:
    tasks = await recorded_session(store := MemoryStore())
    client, last = a_client(store), await last_to_end(store, tasks)
    whole = await all_of(client.stream("s", until=last))
    assert whole == [event async for event in client.history("s")]
    assert len({event.position for event in facts(whole)}) < len(whole)  # some entries hold several events
    for cut in range(len(whole)):
        first = client.stream("s", until=last)
        items = await some_of(first, lambda items, cut=cut: len(items) == cut)  # type: ignore[misc]
        await first.aclose()
        place = Place.parse(str(first.place))
        assert items + await all_of(client.stream("s", after=place, until=last)) == whole


async def test_a_position_as_after_means_all_of_its_entry() -> None:
    tasks = await recorded_session(store := MemoryStore())
    client, last = a_client(store), await last_to_end(store, tasks)
    whole = facts(await all_of(client.stream("s", until=last)))
    for position in range(max(event.position for event in whole)):
        behind = await all_of(client.stream("s", after=position, until=last))
        assert behind == [event for event in whole if event.position > position]


async def test_a_stream_behind_the_end_of_its_task_is_over_at_once() -> None:
    first, *_ = await recorded_session(store := MemoryStore())
    client = a_client(store)
    whole = client.stream("s", until=first)
    items = facts(await all_of(whole))
    assert (items[-1].task, items[-1].type) == (first, "task.completed")
    for after in (whole.place, items[-1].position, items[-1].position + 1, 10_000):
        assert await all_of(client.stream("s", after=after, until=first)) == []


async def test_who_joins_in_the_middle_of_a_call_gets_the_whole_text_once(connect: Connect, fresh: Fresh) -> None:
    name, model = fresh("a"), Paused("one two three four", chunks=2)
    async with AsyncExitStack() as stack:
        await start(stack, await connect(), Agent(name, model=model))
        client, late = client_on(await connect()), client_on(await connect())
        task = await client.send(name, "count")
        early_stream = client.stream(task.session, until=task.id)
        early = await some_of(early_stream, lambda items: text_of(items) == "one two ")
        late_stream = late.stream(task.session, until=task.id)
        joined = await some_of(late_stream, lambda items: text_of(items) == "one two ")
        model.go_on.set()
        early, joined = early + await all_of(early_stream), joined + await all_of(late_stream)
    assert facts(early) == facts(joined)
    for items in (early, joined):
        assert text_of(items) == "one two three four"
        pieces = [item.delta for item in items if isinstance(item, SessionDelta)]
        assert "one two three four".startswith("".join(piece.text for piece in pieces))  # nothing was told twice


async def test_who_comes_back_in_the_middle_of_a_call_is_told_nothing_twice(connect: Connect, fresh: Fresh) -> None:
    name, model = fresh("a"), Paused("one two three four", chunks=2)
    async with AsyncExitStack() as stack:
        await start(stack, await connect(), Agent(name, model=model))
        client = client_on(await connect())
        task = await client.send(name, "count")
        cut = client.stream(task.session, until=task.id)
        before = await some_of(cut, lambda items: text_of(items) == "one two ")
        await cut.aclose()
        again = client.stream(task.session, after=cut.place, until=task.id)
        after = await some_of(again, lambda items: any(isinstance(item, SessionDelta) for item in items))
        model.go_on.set()
        after += await all_of(again)
        stored = [event async for event in client.history(task.session)]
    assert facts(before + after) == stored
    assert text_of(before + after) == "one two three four"


async def test_who_joins_while_a_function_tells_its_answer_gets_what_it_told(connect: Connect, fresh: Fresh) -> None:
    go_on = asyncio.Event()

    @agent(name := fresh("f"))
    async def report(task: FunctionTask):  # type: ignore[no-untyped-def]
        yield "first this, "
        yield "then that"
        await go_on.wait()
        yield ", and done"

    async with AsyncExitStack() as stack:
        await start(stack, await connect(), report)
        client, late = client_on(await connect()), client_on(await connect())
        task = await client.send(name, "go")
        await some_of(early := client.stream(task.session), lambda items: text_of(items) == "first this, then that")
        stream = late.stream(task.session, until=task.id)
        items = await some_of(stream, lambda items: text_of(items) == "first this, then that")
        go_on.set()
        items += await all_of(stream)
        await early.aclose()
    assert text_of(items) == "first this, then that, and done"


async def test_a_late_handle_on_a_task_shows_what_is_written_already(connect: Connect, fresh: Fresh) -> None:
    name, model = fresh("a"), Paused("one two three four", chunks=2)
    async with AsyncExitStack() as stack:
        await start(stack, await connect(), Agent(name, model=model))
        client, late = client_on(await connect()), client_on(await connect())
        sent = await client.send(name, "count")
        await some_of(stream := client.stream(sent.session), lambda items: text_of(items) == "one two ")
        text = (await late.task(sent.id)).text()
        async with asyncio.timeout(LIMIT):
            first = await anext(text)
            model.go_on.set()
            rest = [piece async for piece in text]
        await stream.aclose()
    assert first == "one two "
    assert "".join([first, *rest]) == "one two three four"


async def test_a_voided_attempt_is_not_mixed_with_the_next() -> None:
    writer = Writer(bus := MemoryBus())
    stream = client_on(bus).stream("s", until="t")
    await writer.record(e.TaskStarted("w1"), requested(), turn=1)
    items = await some_of(stream, lambda items: len(items) == 2)
    await writer.show((0, "the old "))
    items += await some_of(stream, lambda items: len(items) == 1)
    await writer.record(e.TaskStarted("w2"), attempt=2)
    await writer.record(requested(), turn=1, attempt=2)
    await writer.show((8, "text"))  # of the process that was thought dead
    await writer.show((0, "a new "), attempt=2)
    await writer.show((8, "text goes on"))
    await writer.show((6, "text"), attempt=2)
    items += await some_of(stream, lambda items: len(items) == 4)
    await writer.record(completed("a new text"), e.TaskCompleted(assistant("a new text")), turn=1, attempt=2)
    items += await all_of(stream)
    deltas = [(item.delta.attempt, item.delta.text) for item in items if isinstance(item, SessionDelta)]
    assert deltas == [(1, "the old "), (2, "a new "), (2, "text")]
    assert text_of(items) == "the old \n\na new text"


async def test_deltas_of_a_turn_that_is_recorded_are_dropped() -> None:
    writer = Writer(bus := MemoryBus())
    client = client_on(bus)
    await writer.record(e.TaskStarted("w"), requested(), turn=1)
    position = await writer.record(completed("all of it"), turn=1)
    streams = [client.stream("s", until="t"), client.stream("s", after=position, until="t")]
    reading = [asyncio.create_task(all_of(stream)) for stream in streams]
    await asyncio.sleep(0)
    await writer.show((0, "all "), (4, "of it"))
    await writer.show((0, "of another task"), task="before")
    await writer.record(e.TaskCompleted(assistant("all of it")), turn=1)
    whole, behind = await asyncio.gather(*reading)
    assert [event.type for event in whole] == ["task.started", "model.requested", "model.completed", "task.completed"]  # type: ignore[union-attr]
    assert [event.type for event in behind] == ["task.completed"]  # type: ignore[union-attr]


async def test_a_reader_that_falls_behind_the_queue_loses_nothing_that_is_stored() -> None:
    writer, other = Writer(bus := MemoryBus()), Writer(bus, ThreadRef("b", "s", "side"))
    stream = client_on(bus).stream("s", until="t")
    await writer.record(e.TaskStarted("w"))
    items = await some_of(stream, lambda items: len(items) == 1)
    for number in range(2500):
        await (writer if number % 2 else other).record(e.StateSet("number", number))
        await writer.show((number, "x"), turn=0)
    await writer.record(e.TaskFailed("error", "enough"))
    items += await all_of(stream)
    numbers = [event.event.value for event in facts(items) if isinstance(event.event, e.StateSet)]
    assert numbers == list(range(2500))


async def test_text_that_a_slow_reader_lost_is_told_again() -> None:
    writer, whole = Writer(bus := MemoryBus()), "".join(chr(97 + number % 26) for number in range(3000))
    asked: list[asyncio.Task[None]] = []
    await bus.hear_catch_ups("a", lambda ref: asked.append(asyncio.create_task(writer.show((0, whole)))))
    stream = client_on(bus).stream("s", until="t")
    await writer.record(e.TaskStarted("w"), requested(), turn=1)
    items = await some_of(stream, lambda items: len(items) == 2)
    await asyncio.gather(*asked)
    for at, letter in enumerate(whole):
        await writer.show((at, letter))
        if at % 100 == 0:
            await asyncio.sleep(0)
    items += await some_of(stream, lambda items: text_of(items) == whole)
    assert "".join(item.delta.text for item in items if isinstance(item, SessionDelta)) == whole
    await stream.aclose()


async def test_a_message_that_nobody_works_on_is_seen_although_it_is_not_announced() -> None:
    store = MemoryStore()
    stream = a_client(store).stream("s")
    reading = asyncio.create_task(some_of(stream, lambda items: len(items) == 1))
    await asyncio.sleep(0)
    await MemoryBus(store).log.send(REF, "in", b'{"type": "task.submitted", "data": {"text": "hi"}}', entry_id="1", types="")
    assert [(event.kind, event.type) for event in facts(await reading)] == [("in", "task.submitted")]
    await stream.aclose()


async def test_a_thread_that_cannot_go_on_is_told_to_who_waits_for_its_task_only() -> None:
    writer = Writer(bus := MemoryBus())
    client = client_on(bus)
    await writer.record(e.TaskStarted("w"))
    waits, watches = client.stream("s", until="t"), client.stream("s")
    for stream in (waits, watches):
        await some_of(stream, lambda items: len(items) == 1)
    await bus.publish_live(REF, msgspec.json.encode(LiveMessageBody(refused=Refusal("ChainBroken", "entries are missing"))))
    with pytest.raises(ChainBroken, match="entries are missing"):
        await all_of(waits)
    await writer.record(e.StateSet("k", 1))
    assert [event.type for event in facts(await some_of(watches, lambda items: len(items) == 1))] == ["state.set"]
    await watches.aclose()


def test_a_name_that_no_session_has_and_a_negative_position_are_refused_before_anything_is_read() -> None:
    client = a_client(MemoryStore())
    with pytest.raises(InvalidName):
        client.stream("no session")
    with pytest.raises(InvalidInput, match="positions begin at 1"):
        client.stream("s", after=-1)


@given(st.integers(0, 2**63), st.none() | st.integers(0, 1000))
def test_a_place_reads_back_from_its_text(position: int, events: int | None) -> None:
    place = Place(position, events)
    assert Place.parse(str(place)) == place


@settings(max_examples=50)
@given(st.text(max_size=8))
def test_a_text_that_is_no_place_is_refused(text: str) -> None:
    try:
        place = Place.parse(text)
    except InvalidInput:
        return
    assert text.replace(".", "", 1).isdigit()
    assert place.position >= 0
