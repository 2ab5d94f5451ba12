"""Messages between processes, runs and failures: none is lost on the way, and none is acted on twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from busagents import Agent
from busagents.adapters.memory.bus import MemoryBus
from busagents.adapters.memory.store import MemoryStore
from busagents.domain import events as e
from busagents.domain.subjects import ThreadRef
from busagents.errors import AppendUnresolved, BusUnreachable, LogFull, TaskCanceled, TaskFailed
from busagents.ports.model import ModelRequest
from busagents.testing import ScriptedModel, say
from busagents.testing.scripted_model import Turn
from tests.support.log_checks import checked_events
from tests.support.workers import SlowBus, a_client, process, working

PATIENCE = 20


def echo(request: ModelRequest) -> Turn:
    """Says what it was told; a defect of its own when it is told `poison`."""
    if request.messages[-1].text == "poison":
        raise ZeroDivisionError("a defect in the model's adapter")
    return say(f"heard: {request.messages[-1].text}")


def an_echo(**options: int) -> Agent:
    return Agent("echo", model=ScriptedModel(echo), **options)


class Question:
    """Hears when a process asks who owns a thread."""

    def __init__(self, store: MemoryStore) -> None:
        self.asked = asyncio.Event()
        store.owners.append(("echo", self._hear))

    def _hear(self, ref: ThreadRef) -> bool:
        self.asked.set()
        return False


@pytest.fixture
def gives_up_early(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The first failure is the last one, and so is the second delivery of a message nobody began on."""
    monkeypatch.setattr("busagents.runtime.worker.MAX_FAILURES", 1)
    monkeypatch.setattr("busagents.runtime.worker.MAX_UNSTARTED", 1)
    return


@pytest.mark.usefixtures("gives_up_early")
async def test_a_task_queued_behind_a_poisonous_one_is_worked_on() -> None:
    bus = SlowBus(store := MemoryStore())
    async with process(bus, an_echo()):
        client = a_client(store)
        started = bus.gate("task.started")
        poison = await client.send("echo", "poison", session="s")
        await started.reached.wait()
        good = await client.send("echo", "good", session="s")
        started.opened.set()
        with pytest.raises(TaskFailed, match="ZeroDivisionError"):
            await poison.result(timeout=PATIENCE)
        assert (await good.result(timeout=PATIENCE)).text == "heard: good"
        await checked_events(client, "s")


@pytest.mark.usefixtures("gives_up_early")
async def test_a_message_that_arrives_while_a_failure_is_recorded_is_worked_on() -> None:
    bus = SlowBus(store := MemoryStore())
    async with process(bus, an_echo()):
        client = a_client(store)
        recording = bus.gate("task.failed")
        poison = await client.send("echo", "poison", session="s")
        await recording.reached.wait()
        good = await client.send("echo", "good", session="s")
        for _ in range(20):  # it is delivered, and finds its thread busy
            await asyncio.sleep(0)
        recording.opened.set()
        with pytest.raises(TaskFailed):
            await poison.result(timeout=PATIENCE)
        assert (await good.result(timeout=PATIENCE)).text == "heard: good"


async def test_a_message_promised_to_be_read_by_a_process_that_stops_is_read() -> None:
    slow = SlowBus(store := MemoryStore())
    question = Question(store)
    client = a_client(store)
    async with process(slow, an_echo()) as first:
        ending = slow.gate("task.completed")
        one = await client.send("echo", "one", session="s")
        await ending.reached.wait()
        async with process(MemoryBus(store, ack_wait=3600), an_echo()):
            first.stop.set()
            await asyncio.sleep(0)
            two = await client.send("echo", "two", session="s")
            await question.asked.wait()
            ending.opened.set()
            assert (await one.result(timeout=PATIENCE)).text == "heard: one"
            assert (await two.result(timeout=PATIENCE)).text == "heard: two"
            await checked_events(client, "s")


async def test_a_cancel_that_overtakes_its_task_on_another_process_cancels_it() -> None:
    slow = SlowBus(store := MemoryStore())
    client = a_client(store)
    async with process(slow, an_echo(max_parallel_tasks=1)):
        starting = slow.gate("task.started")
        task = await client.send("echo", "go", session="s")
        await starting.reached.wait()
        async with process(MemoryBus(store, ack_wait=3600), an_echo()):
            await task.cancel("changed my mind")
            live = await client.bus.watch_session("s")
            async for message in live:
                if message.position:  # the other process has stored something
                    break
            starting.opened.set()
            with pytest.raises(TaskCanceled, match="changed my mind"):
                await task.result(timeout=PATIENCE)
            assert not [event for event in await checked_events(client, "s") if isinstance(event.event, e.ModelRequested)]


async def test_a_cancel_that_overtakes_its_task_in_a_busy_thread_cancels_it() -> None:
    going_on = asyncio.Event()

    class Waits(ScriptedModel):
        async def stream(self, request):  # type: ignore[no-untyped-def]
            await going_on.wait()
            async for chunk in super().stream(request):
                yield chunk

    store = MemoryStore()
    async with working(store, Agent("echo", model=Waits(echo))) as client:
        first = await client.send("echo", "first", session="s")
        async for event in first.events():
            if isinstance(event.event, e.ModelRequested):
                break
        queue = store.queues.pop("echo")  # the second one is delivered to another process, which is slow
        second = await client.send("echo", "second", session="s")
        store.queues["echo"] = queue
        await second.cancel()
        with pytest.raises(TaskCanceled):
            await second.result(timeout=PATIENCE)
        going_on.set()
        assert (await first.result(timeout=PATIENCE)).text == "heard: first"
        await checked_events(client, "s")


@pytest.mark.usefixtures("gives_up_early")
@pytest.mark.parametrize("error", [LogFull("no room"), AppendUnresolved("no answer"), BusUnreachable("gone")], ids=repr)
async def test_a_bus_that_cannot_store_is_no_failure_of_the_task(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("busagents.runtime.job._BACK_OFF", 0.001)
    bus = SlowBus(store := MemoryStore())
    bus.log.refusals = [error] * 8
    async with process(bus, an_echo()):
        client = a_client(store)
        task = await client.send("echo", "go")
        assert (await task.result(timeout=PATIENCE)).text == "heard: go"
        events = await checked_events(client, task.session)
        assert [event.attempt for event in events if isinstance(event.event, e.TaskStarted)] == [1]


async def test_a_worker_that_waits_for_the_bus_stops_at_once_and_gives_the_message_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("busagents.runtime.job._BACK_OFF", 3600.0)
    bus = SlowBus(store := MemoryStore())
    bus.log.refusals = [LogFull("no room")]
    client = a_client(store)
    async with process(bus, an_echo()) as first:
        task = await client.send("echo", "go")
        await bus.failed.wait()
        async with process(MemoryBus(store, ack_wait=3600), an_echo()):
            first.stop.set()
            assert (await task.result(timeout=PATIENCE)).text == "heard: go"


async def test_only_failures_count_as_failures_not_deliveries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("busagents.runtime.worker.MAX_FAILURES", 2)
    calls: list[str] = []

    def fails_once(request: ModelRequest) -> Turn:
        calls.append(request.messages[-1].text)
        if len(calls) == 1:
            raise ZeroDivisionError("once")
        return say("done")

    slow = SlowBus(store := MemoryStore())
    client = a_client(store)
    async with process(slow, Agent("echo", model=ScriptedModel(echo))) as first:
        starting = slow.gate("task.started")
        task = await client.send("echo", "go")
        await starting.reached.wait()
        first.stop.set()
        starting.opened.set()
    async with process(MemoryBus(store, ack_wait=3600), Agent("echo", model=ScriptedModel(fails_once))):
        assert (await task.result(timeout=PATIENCE)).text == "done"
        assert len(calls) == 2


async def test_a_message_whose_payload_cannot_be_read_now_comes_again() -> None:
    bus = SlowBus(store := MemoryStore())
    async with process(bus, an_echo()):
        client = a_client(store)
        started = bus.gate("task.started")
        first = await client.send("echo", "first", session="s")
        await started.reached.wait()
        bus.blob_failures = [BusUnreachable("the object store is away")]
        second = await client.send("echo", "z" * 200_000, session="s")
        await bus.failed.wait()
        started.opened.set()
        assert (await first.result(timeout=PATIENCE)).text == "heard: first"
        assert (await second.result(timeout=PATIENCE)).text == "heard: " + "z" * 200_000


async def test_a_message_that_was_answered_before_is_only_acknowledged() -> None:
    calls: list[str] = []

    def counted(request: ModelRequest) -> Turn:
        calls.append("")
        return say("done")

    store = MemoryStore()
    async with working(store, Agent("echo", model=ScriptedModel(counted))) as client:
        task = await client.send("echo", "go", session="s")
        await task.result(timeout=PATIENCE)
        before = len([stored async for stored in client.bus.log.read_session("s")])
    queue = store.queues["echo"]
    for entry in store.entries(lambda ref: True, 0):
        if entry.kind == "in":
            queue.offer(entry)
    async with working(store, Agent("echo", model=ScriptedModel(counted))) as client:
        other = await client.send("echo", "other")  # behind it in the queue
        await other.result(timeout=PATIENCE)
        assert len([stored async for stored in client.bus.log.read_session("s")]) == before
        assert len(calls) == 2


async def test_two_messages_of_one_id_are_one_and_the_thread_stays_readable_whichever_was_taken() -> None:
    store = MemoryStore()
    ref = ThreadRef("echo", "s", "main")
    async with working(store, an_echo()) as client:
        queue = store.queues.pop("echo")  # the first one is delivered to another process, which is slow
        store.store(ref, "in", b'{"id": "mine", "type": "task.submitted", "data": {"text": "one"}}', "header-1")
        store.queues["echo"] = queue
        store.store(ref, "in", b'{"id": "mine", "type": "task.submitted", "data": {"text": "two"}}', "header-2")
        task = await client.send("echo", "three", session="s")
        assert (await task.result(timeout=PATIENCE)).text == "heard: three"
        messages = (await client.replay("s")).messages()
        assert [message.text for message in messages] == ["two", "heard: two", "three", "heard: three"]
