"""The gateway's operations on a bus in memory, with workers in the test's own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from msgspec.structs import replace

from busagents import Agent, Artifact, FilePart, FunctionTask, Graph, Progress, TextPart, agent, tool
from busagents.adapters.memory.bus import MemoryBus
from busagents.adapters.memory.store import MemoryStore
from busagents.adapters.memory.values import MemoryValues
from busagents.domain.function import Function, FunctionContext
from busagents.domain.person import Person
from busagents.domain.subjects import ThreadRef
from busagents.gateway.errors import (
    ContentTypeNotSupported,
    InvalidParams,
    PushNotificationNotSupported,
    TaskNotCancelable,
    TaskNotFound,
    UnsupportedOperation,
)
from busagents.gateway.log_service import LogService
from busagents.gateway.push_store import StoredPush
from busagents.gateway.types import ArtifactUpdate, Caller, ListRequest, Message, Part, PushConfig, StatusUpdate, StreamItem, Task
from busagents.testing import ScriptedModel, call_tools, say
from tests.support.a2a_reader import applied
from tests.support.gateways import asks, gateway, serving
from tests.support.workers import working

ANN, BOB, OPERATOR = Caller("ann"), Caller("bob"), Caller("operator", may_see_all=True)


@agent("echo")
async def echo(task: FunctionTask) -> str:
    """Says it again."""
    return task.text


@tool(read_only=True)
async def double(number: int) -> int:
    """Double a number."""
    return 2 * number


class Gated:
    """A participant that says "one ", waits until the gate opens, and says "two"."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()

    def definition(self) -> Function:
        @agent("gated")
        async def gated(_: FunctionTask) -> AsyncIterator[str]:
            yield "one "
            self.reached.set()
            await self.gate.wait()
            yield "two"

        return gated


async def sent(service: LogService, participant: str, text: str = "hello", *, by: Caller = ANN, **more: object) -> Task:
    task = await service.send(by, participant, asks(text, **more))
    assert isinstance(task, Task)
    return task


async def streamed(service: LogService, participant: str, text: str = "hello", **more: object) -> list[StreamItem]:
    return [item async for item in service.stream(ANN, participant, asks(text, **more))]


def said(task: Task) -> list[str | None]:
    return [part.text for artifact in task.artifacts or () for part in artifact.parts]


# Sending


async def test_a_blocking_send_returns_the_completed_task_with_its_answer_as_artifact() -> None:
    async with serving(echo) as service:
        task = await sent(service, "echo")
    assert task.status.state == "completed"
    assert [(item.artifact_id, item.parts) for item in task.artifacts or ()] == [("answer", (Part(text="hello"),))]
    assert [(item.role, item.message_id, item.parts) for item in task.history or ()] == [("user", "m-1", (Part(text="hello"),))]
    assert task.id.startswith(f"echo.{task.context_id}.")


async def test_get_gives_what_send_gave() -> None:
    async with serving(echo) as service:
        task = await sent(service, "echo")
        assert await service.get(ANN, task.id) == task


async def test_a_send_that_is_in_a_hurry_returns_before_the_task_ends() -> None:
    gated = Gated()
    async with serving(gated.definition()) as service:
        task = await sent(service, "gated", at_once=True)
        assert task.status.state == "submitted"
        await gated.reached.wait()
        assert (await service.get(ANN, task.id)).status.state == "working"
        gated.gate.set()


async def test_a_send_waits_in_the_log_while_nobody_works_there() -> None:
    store = MemoryStore()
    async with working(store, echo):
        pass
    async with gateway(MemoryBus(store)) as service:
        waiting = asyncio.create_task(sent(service, "echo"))
        async with working(store, echo):
            assert (await waiting).status.state == "completed"


async def test_history_is_as_long_as_was_asked_for() -> None:
    async with serving(echo) as service:
        none = await sent(service, "echo", history=0)
        assert none.history is None
        assert len((await service.get(ANN, none.id, history_length=1)).history or ()) == 1
        with pytest.raises(InvalidParams):
            await service.get(ANN, none.id, history_length=-1)


async def test_files_data_and_what_belongs_to_them_come_back_as_they_were_sent() -> None:
    parts = (
        Part(text="see", media_type="text/markdown", metadata={"a": 1}),
        Part(raw="eA==", media_type="image/png", filename="x.png", metadata={"b": [2]}),
        Part(url="https://example.org/y", media_type="text/plain"),
        Part(data=None, has_data=True),
        Part(data={"z": 1}, has_data=True, filename="z.json"),
    )
    async with serving(echo) as service:
        task = await sent(service, "echo", parts=parts)
    assert (task.history or ())[0].parts == parts


async def test_what_a_participant_made_is_an_artifact() -> None:
    @agent("maker")
    async def maker(_: FunctionTask) -> AsyncIterator[object]:
        yield Artifact("x.txt", (FilePart("text/plain", base64="eA=="), TextPart("a letter")), "a file")

    async with serving(maker) as service:
        (made,) = (await sent(service, "maker")).artifacts or ()
    assert (made.name, made.description) == ("x.txt", "a file")
    assert made.parts == (Part(raw="eA==", media_type="text/plain"), Part(text="a letter"))


@pytest.mark.parametrize(("part", "error"), [(Part(), ContentTypeNotSupported), (Part(text=" "), InvalidParams)])
async def test_what_says_nothing_is_refused(part: Part, error: type[Exception]) -> None:
    async with serving(echo) as service:
        with pytest.raises(error):
            await sent(service, "echo", parts=(part,))


async def test_a_participant_that_nobody_knows_is_refused() -> None:
    async with serving(echo) as service:
        with pytest.raises(InvalidParams):
            await sent(service, "nobody")


async def test_a_participant_that_is_not_exposed_is_as_one_that_does_not_exist() -> None:
    store = MemoryStore()
    async with working(store, echo), gateway(MemoryBus(store), only=["other"]) as service:
        with pytest.raises(InvalidParams):
            await sent(service, "echo")


async def test_a_task_that_fails_says_why() -> None:
    @agent("bad")
    async def bad(_: FunctionTask) -> str:
        raise ValueError("no such thing")

    async with serving(bad) as service:
        task = await sent(service, "bad")
    assert task.status.state == "failed"
    assert task.status.message is not None
    assert "no such thing" in str(task.status.message.parts[0].text)


async def test_a_model_that_refuses_rejects_the_task() -> None:
    async with serving(Agent("a", model=ScriptedModel([say("I will not.", stop_reason="refused")]))) as service:
        assert (await sent(service, "a")).status.state == "rejected"


async def test_a_participant_may_answer_with_bare_messages() -> None:
    async with serving(echo, by_message=["echo"]) as service:
        answer = await service.send(ANN, "echo", asks("hello"))
        (only,) = await streamed(service, "echo")
    for message in (answer, only.update):
        assert isinstance(message, Message)
        assert (message.role, message.parts) == ("agent", (Part(text="hello"),))
        assert message.context_id


# Contexts


async def test_a_context_is_a_session_in_which_tasks_follow_each_other() -> None:
    def recall(request: object) -> object:
        return say(" | ".join(message.text for message in request.messages if message.role == "user"))

    async with serving(Agent("a", model=ScriptedModel(recall))) as service:
        first = await sent(service, "a", "one", context="trip-1")
        second = await sent(service, "a", "two", context="trip-1")
    assert (first.context_id, second.context_id) == ("trip-1", "trip-1")
    assert first.id != second.id
    assert said(second) == ["one | two"]


async def test_a_context_belongs_to_the_caller_who_began_it() -> None:
    async with serving(echo) as service:
        await sent(service, "echo", context="trip-1")
        with pytest.raises(InvalidParams):
            await sent(service, "echo", context="trip-1", by=BOB)


async def test_of_two_callers_who_begin_a_context_at_once_one_does() -> None:
    async with serving(echo) as service:
        ends = await asyncio.gather(
            *(sent(service, "echo", context="trip-1", by=by) for by in (ANN, BOB)), return_exceptions=True
        )
    assert sorted(type(end).__name__ for end in ends) == ["InvalidParams", "Task"]


async def test_a_session_of_the_bus_is_no_callers_context() -> None:
    store = MemoryStore()
    async with working(store, echo) as client, gateway(MemoryBus(store)) as service:
        task = await client.send("echo", "hello", session="inside")
        await task.result()
        with pytest.raises(InvalidParams):
            await sent(service, "echo", context="inside")
        with pytest.raises(TaskNotFound):
            await service.get(ANN, task.id)
        assert (await service.get(OPERATOR, task.id)).status.state == "completed"


@pytest.mark.parametrize("context", ["a.b", "a b", "*", "ä", "x" * 65])
async def test_a_context_that_no_session_can_be_named_after_is_refused(context: str) -> None:
    async with serving(echo) as service:
        with pytest.raises(InvalidParams):
            await sent(service, "echo", context=context)


# Scope

Call = Callable[[LogService, str], object]


async def drained(items: AsyncIterator[StreamItem]) -> None:
    async for _ in items:
        pass


CALLS: list[Call] = [
    lambda service, task: service.get(BOB, task),
    lambda service, task: service.cancel(BOB, task),
    lambda service, task: drained(service.subscribe(BOB, task)),
    lambda service, task: service.send(BOB, "", asks("x", task=task)),
    lambda service, task: drained(service.stream(BOB, "person", asks("x", task=task))),
]


@pytest.mark.parametrize("call", CALLS)
async def test_a_task_of_another_caller_is_as_one_that_does_not_exist(call: Call) -> None:
    async with serving(Person("person")) as service:
        task = await sent(service, "person")
        with pytest.raises(TaskNotFound) as foreign:
            await call(service, task.id)
        for missing in ("person.nowhere.nothing", "nothing", "a.b", "a.b.c.d", ". .", "*.*.*"):
            with pytest.raises(TaskNotFound):
                await call(service, missing)
        assert foreign.value.code == -32001
        assert (await service.get(ANN, task.id)).status.state == "input-required"


async def test_push_is_not_there_without_a_store() -> None:
    async with serving(echo) as service:
        task = await sent(service, "echo")
        with pytest.raises(PushNotificationNotSupported):
            await service.create_push(ANN, task.id, PushConfig("https://example.org/"))


async def test_push_configurations_of_a_task_are_its_callers() -> None:
    store, push = MemoryStore(), StoredPush(MemoryValues())
    async with working(store, echo), gateway(MemoryBus(store), push=push) as service:
        request = replace(asks("hello"), push=PushConfig("https://example.org/", "with"))
        task = await service.send(ANN, "echo", request)
        assert isinstance(task, Task)
        later = await service.create_push(ANN, task.id, PushConfig("https://example.org/", "later"))
        assert [item.id for item in await service.list_push(ANN, task.id)] == ["with", "later"]
        assert await service.get_push(ANN, task.id, "later") == later
        await service.delete_push(ANN, task.id, "later")
        with pytest.raises(TaskNotFound):
            await service.get_push(ANN, task.id, "later")
        with pytest.raises(TaskNotFound):
            await service.list_push(BOB, task.id)


# Questions


async def test_a_question_is_answered_by_a_message_to_its_task() -> None:
    async with serving(Person("person")) as service:
        asking = await sent(service, "person", "how much?")
        assert asking.status.state == "input-required"
        assert asking.status.message is not None
        assert asking.status.message.parts == (Part(text="how much?"),)
        done = await sent(service, "", "three", task=asking.id, message_id="m-2")
        assert (done.id, done.context_id, done.status.state) == (asking.id, asking.context_id, "completed")
        assert said(done) == ["three"]
        assert [(item.role, item.message_id) for item in done.history or ()][::2] == [("user", "m-1"), ("user", "m-2")]
        assert await service.get(ANN, asking.id) == done


async def test_a_streamed_answer_begins_with_the_task_that_has_it() -> None:
    async with serving(Person("person")) as service:
        asking = await streamed(service, "person", "how much?")
        assert [item.update.status.state for item in asking] == ["submitted", "working", "input-required"]
        assert asking[-1].update.final
        items = await streamed(service, "person", "three", task=asking[0].update.id)
        assert isinstance(items[0].update, Task)
        assert applied(items).status.state == "completed"


async def test_two_questions_in_a_row_are_two_turns() -> None:
    @agent("asker")
    async def asker(_: FunctionTask, context: FunctionContext) -> str:
        return f"{await context.ask('one?')} {await context.ask('two?')}"

    async with serving(asker) as service:
        first = await sent(service, "asker")
        second = await sent(service, "asker", "a", task=first.id)
        assert second.status.message is not None
        assert second.status.message.parts[0].text == "two?"
        assert said(await sent(service, "asker", "b", task=first.id)) == ["a b"]
        history = (await service.get(ANN, first.id)).history or ()
    assert [item.parts[0].text for item in history] == ["hello", "one?", "a", "two?", "b"]


async def test_an_answer_that_does_not_fit_is_refused_and_the_question_stands() -> None:
    async with serving(Person("person", answer_type=int)) as service:
        task = await sent(service, "person")
        with pytest.raises(InvalidParams):
            await sent(service, "person", "many", task=task.id)
        assert (await service.get(ANN, task.id)).status.state == "input-required"
        done = await sent(service, "person", task=task.id, parts=(Part(data=3, has_data=True),))
    assert (done.artifacts or ())[0].parts[-1] == Part(data=3, has_data=True)


async def test_of_two_answers_at_once_the_first_counts_and_the_other_is_told_so() -> None:
    async with serving(Person("person")) as service:
        task = await sent(service, "person")
        ends = await asyncio.gather(*(sent(service, "person", text, task=task.id) for text in ("a", "b")), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["Task", "UnsupportedOperation"]


async def test_a_message_to_a_task_that_asks_nothing_is_refused() -> None:
    gated = Gated()
    async with serving(echo, gated.definition()) as service:
        done = await sent(service, "echo")
        with pytest.raises(UnsupportedOperation):
            await sent(service, "echo", task=done.id)
        busy = await sent(service, "gated", at_once=True)
        with pytest.raises(UnsupportedOperation):
            await sent(service, "gated", task=busy.id)
        gated.gate.set()


async def test_a_message_with_a_context_that_is_not_the_tasks_is_refused() -> None:
    async with serving(Person("person")) as service:
        task = await sent(service, "person")
        with pytest.raises(InvalidParams):
            await sent(service, "person", task=task.id, context="another")
        assert (await sent(service, "person", task=task.id, context=task.context_id)).status.state == "completed"


async def test_a_message_to_a_task_at_another_participants_address_is_refused() -> None:
    async with serving(Person("person"), echo) as service:
        task = await sent(service, "person")
        with pytest.raises(TaskNotFound):
            await sent(service, "echo", task=task.id)


async def test_a_question_from_deep_inside_reaches_the_caller_and_his_answer_goes_there() -> None:
    boss, builder = Person("boss"), Graph.builder("desk")
    builder.add_edge(builder.add_node(echo), builder.add_node(boss))
    async with serving(builder.build(), echo, boss) as service:
        asking = await sent(service, "desk", "may I?")
        assert asking.status.state == "input-required"
        assert asking.status.message is not None
        assert (asking.status.message.metadata or {})["busagents"]["asker"] == "boss"
        assert said(await sent(service, "desk", "yes", task=asking.id)) == ["yes"]


async def test_participants_are_those_that_are_live_those_that_were_and_those_that_are_named() -> None:
    store = MemoryStore()
    process = MemoryBus(store)
    await process.register("echo", description="Says it again.", version="1", metadata={"kind": "function"})
    async with gateway(MemoryBus(store)) as service, working(store, echo):
        assert [(item.name, item.description, item.kind) for item in await service.participants()] == [
            ("echo", "Says it again.", "function")
        ]
    await process.close()
    async with gateway(MemoryBus(store), only=["echo", "nobody"]) as service:
        assert [item.name for item in await service.participants()] == ["echo"]


# Idempotency


async def test_the_same_key_is_the_same_task_on_every_gateway() -> None:
    store = MemoryStore()
    async with working(store, echo), gateway(MemoryBus(store)) as one, gateway(MemoryBus(store)) as two:
        tasks = await asyncio.gather(
            *(sent(service, "echo", key="order-7", message_id=f"m{n}") for n, service in enumerate([one, two, one, two]))
        )
        assert len({task.id for task in tasks}) == 1
        assert {task.status.state for task in tasks} == {"completed"}
        assert (await sent(two, "echo", key="order-7")).id == tasks[0].id
        assert (await sent(two, "echo", key="order-7", by=BOB)).id != tasks[0].id
        assert (await one.list(ANN, ListRequest())).total_size == 1


async def test_the_same_key_with_another_request_is_refused() -> None:
    async with serving(echo) as service:
        await sent(service, "echo", "one", key="order-7")
        with pytest.raises(InvalidParams):
            await sent(service, "echo", "two", key="order-7")


async def test_of_two_requests_at_once_with_one_key_one_is_refused() -> None:
    async with serving(echo) as service:
        ends = await asyncio.gather(
            *(sent(service, "echo", text, key="order-7") for text in ("one", "two")), return_exceptions=True
        )
    assert sorted(type(end).__name__ for end in ends) == ["InvalidParams", "Task"]


async def test_an_answer_with_a_key_may_be_repeated() -> None:
    async with serving(Person("person")) as service:
        task = await sent(service, "person")
        first = await sent(service, "person", "three", task=task.id, key="k")
        again = await sent(service, "person", "three", task=task.id, key="k")
        assert first == again
        with pytest.raises(InvalidParams):
            await sent(service, "person", "four", task=task.id, key="k")


# Streams


async def test_a_stream_leaves_its_reader_with_the_task_as_it_is() -> None:
    model = ScriptedModel([call_tools(("double", {"number": 3}), text="Let me see."), say("It is six.")], chunk_chars=3)
    async with serving(Agent("a", model=model, tools=[double])) as service:
        items = await streamed(service, "a")
        task = await service.get(ANN, items[0].update.id)
    assert isinstance(items[0].update, Task)
    assert (applied(items).status, applied(items).artifacts) == (task.status, task.artifacts)
    assert said(task) == ["It is six."]
    assert [item.parts[0].text for item in task.history or ()] == ["hello", "Let me see."]
    assert items[-1].update.final
    assert [item.update.final for item in items if isinstance(item.update, StatusUpdate)].count(True) == 1


async def test_text_comes_while_it_is_written_and_without_a_place() -> None:
    gated = Gated()
    async with serving(gated.definition()) as service:
        stream = service.stream(ANN, "gated", asks("go"))
        seen = []
        async for item in stream:
            seen.append(item)
            if isinstance(item.update, ArtifactUpdate):
                gated.gate.set()
    chunks = [item for item in seen if isinstance(item.update, ArtifactUpdate)]
    assert (chunks[0].update.artifact.parts[0].text, chunks[0].place) == ("one ", "")
    assert chunks[-1].update.last_chunk
    assert said(applied(seen)) == ["one two"]


async def test_progress_is_shown_while_it_works() -> None:
    @agent("slow")
    async def slow(_: FunctionTask) -> AsyncIterator[object]:
        yield Progress("half")
        await asyncio.sleep(0.1)  # the feed is told every 30 ms
        yield "done"

    async with serving(slow) as service:
        items = await streamed(service, "slow")
    told = [item.update.status.message for item in items[1:] if isinstance(item.update, StatusUpdate)]
    assert [message.parts[0].text for message in told if message is not None] == ["half"]


async def test_every_reader_sees_the_same_updates_in_the_same_order() -> None:
    gated = Gated()
    async with serving(gated.definition()) as service:
        task = await sent(service, "gated", at_once=True)
        await gated.reached.wait()

        async def subscribed() -> list[StreamItem]:
            return [item async for item in service.subscribe(ANN, task.id)]

        readers = [asyncio.create_task(subscribed()) for _ in range(3)]
        leaver = aiter(service.subscribe(ANN, task.id))
        assert isinstance((await anext(leaver)).update, Task)
        await leaver.aclose()
        gated.gate.set()
        seen = await asyncio.gather(*readers)
        whole = await service.get(ANN, task.id)
    for items in seen:
        assert [item for item in items if item.place] == [item for item in seen[0] if item.place]
        assert (applied(items).status, applied(items).artifacts) == (whole.status, whole.artifacts)


async def test_who_joins_late_gets_the_text_from_its_beginning() -> None:
    gated = Gated()
    async with serving(gated.definition()) as service:
        task = await sent(service, "gated", at_once=True)
        await gated.reached.wait()
        async for item in service.subscribe(ANN, task.id):
            if isinstance(item.update, ArtifactUpdate):
                assert item.update.artifact.parts[0].text == "one "
                break
        gated.gate.set()


async def test_a_reader_goes_on_from_any_place_on_any_gateway() -> None:
    store = MemoryStore()
    model = ScriptedModel([call_tools(("double", {"number": 3}), text="Let me see."), say("It is six.")])
    async with working(store, Agent("a", model=model, tools=[double])), gateway(MemoryBus(store)) as service:
        items = await streamed(service, "a")
        async with gateway(MemoryBus(store)) as other:
            for number, item in enumerate(items[:-1]):
                if item.place:
                    again = [after async for after in other.subscribe(ANN, items[0].update.id, after=item.place)]
                    stored = [after for after in items[number + 1 :] if after.place]
                    assert [after.place for after in again[1:]] == [after.place for after in stored]
                    assert (applied(again).status, applied(again).artifacts) == (applied(items).status, applied(items).artifacts)
            with pytest.raises(UnsupportedOperation):
                await anext(aiter(other.subscribe(ANN, items[0].update.id, after=items[-1].place)))


async def test_a_reader_that_is_far_behind_is_fed_from_the_log() -> None:
    store, gated = MemoryStore(), Gated()
    async with working(store, gated.definition()), gateway(MemoryBus(store)) as service:
        task = await sent(service, "gated", at_once=True)
        await gated.reached.wait()
        stream = aiter(service.subscribe(ANN, task.id))
        items = [await anext(stream)]
        gated.gate.set()
        async for _ in service.subscribe(ANN, task.id):
            pass
        ref = ThreadRef("gated", task.context_id)
        for _ in range(10_000):  # more than anybody keeps: what was told live is lost to who does not read
            await MemoryBus(store).publish_live(ref, b"{}")
            await asyncio.sleep(0)
        items += [item async for item in stream]
        whole = await service.get(ANN, task.id)
    assert (applied(items).status, applied(items).artifacts) == (whole.status, whole.artifacts)
    assert whole.status.state == "completed"


async def test_a_task_that_is_over_cannot_be_subscribed_to() -> None:
    async with serving(echo) as service:
        task = await sent(service, "echo")
        with pytest.raises(UnsupportedOperation):
            await anext(aiter(service.subscribe(ANN, task.id)))
        with pytest.raises(InvalidParams):
            await anext(aiter(service.subscribe(ANN, task.id, after="yesterday")))


async def test_a_subscription_stays_open_while_the_task_asks() -> None:
    async with serving(Person("person")) as service:
        task = await sent(service, "person")
        stream = aiter(service.subscribe(ANN, task.id))
        assert (await anext(stream)).update.status.state == "input-required"
        await sent(service, "person", "three", task=task.id)
        states = [item.update.status.state async for item in stream if isinstance(item.update, StatusUpdate)]
    assert states == ["working", "completed"]


# Cancel


async def test_a_canceled_task_is_returned_canceled() -> None:
    gated = Gated()
    async with serving(gated.definition(), Person("person")) as service:
        task = await sent(service, "gated", at_once=True)
        await gated.reached.wait()
        assert (await service.cancel(ANN, task.id)).status.state == "canceled"
        asking = await sent(service, "person")
        assert (await service.cancel(ANN, asking.id)).status.state == "canceled"


async def test_a_task_that_is_over_cannot_be_canceled() -> None:
    async with serving(echo) as service:
        task = await sent(service, "echo")
        with pytest.raises(TaskNotCancelable):
            await service.cancel(ANN, task.id)
