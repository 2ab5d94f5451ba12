"""The public client of the Synadia protocol against our participants, on a real nats-server."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import nats
import pytest
from nats.aio.client import Client as Nats
from synadia_ai.agents import Agents
from synadia_ai.agents.agent import Agent as Peer
from synadia_ai.agents.agent import Query
from synadia_ai.agents.discovery import DiscoverFilter
from synadia_ai.agents.envelope import Attachment
from synadia_ai.agents.errors import ProtocolError
from synadia_ai.agents.heartbeat import HeartbeatPayload
from synadia_ai.agents.messages import ResponseChunk, StatusChunk

from busagents import Agent, Artifact, DataPart, Edge, FilePart, FunctionContext, FunctionTask, Graph, Person, agent, connect
from busagents.adapters.jetstream.bus import connect_bus
from busagents.adapters.synadia.desk import Listed
from busagents.adapters.synadia.exchange import Patience
from busagents.adapters.synadia.facade import Facade, FacadeOptions
from busagents.adapters.synadia.subjects import address
from busagents.adapters.synadia.wire import ACK, response
from busagents.bootstrap.kinds import Definition
from busagents.bootstrap.synadia import ClientDesk, run_facade
from busagents.domain.synadia_agent import SynadiaAgent
from busagents.domain.synadia_facade import SynadiaFacade
from busagents.runtime.client.client import Client
from busagents.runtime.clock import SystemClock
from busagents.runtime.journal import Journal
from busagents.testing import ScriptedModel, call_tools, say
from tests.support.participants import running

Fresh = Callable[[str], str]


class Stage:
    """A facade, a client of ours, and the public client, each on a connection of its own."""

    def __init__(self, client: Client, facade: Facade, wire: Nats, agents: Agents, owner: str) -> None:
        self.client = client
        self.facade = facade
        self.wire = wire
        self.agents = agents
        self.owner = owner

    async def find(self, name: str, session: str = "main") -> Peer:
        """The listed agent of that name."""
        found = await self.agents.discover(stall=0.3, filter=DiscoverFilter(agent=name, owner=self.owner, session_name=session))
        assert len(found) == 1, f"{name}: {[(item.agent, item.session_name) for item in found]}"
        return found[0]


@asynccontextmanager
async def staged(url: str, *definitions: Definition, **options: Any) -> AsyncIterator[Stage]:
    """The participants behind a facade that lists them and nobody else."""
    owner = "o" + uuid.uuid4().hex[:10]
    options.setdefault("expose", tuple(item.name for item in definitions))
    async with running(url, *definitions) as client, nats_client(url) as wire:
        bus = await connect_bus(url)
        theirs = Client(bus, Journal(bus, SystemClock()))
        desk = ClientDesk(theirs)
        facade = Facade(bus.client, desk, FacadeOptions(owner, **options))
        stop, ready = asyncio.Event(), asyncio.Event()
        serving = asyncio.create_task(facade.run(stop, ready.set))
        agents = Agents(nc=wire)
        try:
            await ready.wait()
            yield Stage(client, facade, wire, agents, owner)
        finally:
            await agents.close()
            stop.set()
            await serving
            await desk.close()
            await theirs.close()


@asynccontextmanager
async def nats_client(url: str) -> AsyncIterator[Nats]:
    """A connection as anybody has it."""
    wire = await nats.connect(url)
    try:
        yield wire
    finally:
        await wire.close()


async def everything(peer: Peer, prompt: str, **more: Any) -> list[Any]:
    return [item async for item in peer.prompt(prompt, **more)]


def text_of(items: Sequence[Any]) -> str:
    return "".join(item.text for item in items if isinstance(item, ResponseChunk))


def echo(name: str) -> Any:
    """A participant that says what it was told."""

    @agent(name, description="Says it again")
    async def echoing(task: FunctionTask) -> str:
        return f"you said: {task.text}"

    return echoing


async def test_a_participant_is_found_with_all_that_the_protocol_wants(bus_url: str, fresh: Fresh) -> None:
    async with staged(bus_url, echo(name := fresh("echo_agent"))) as stage:
        peer = await stage.find(name)
        assert (peer.agent, peer.owner, peer.session_name, peer.protocol_version) == (name, stage.owner, "main", "0.3")
        assert peer.description == "Says it again"
        assert peer.prompt_endpoint.max_payload_bytes == stage.wire.max_payload
        assert peer.prompt_endpoint.attachments_ok is True
        assert {item.name: item.queue_group for item in peer.endpoints} == {"prompt": "agents", "status": "agents"}
        assert await stage.agents.ping(peer.instance_id)


async def test_a_prompt_is_acknowledged_first_and_answered(bus_url: str, fresh: Fresh) -> None:
    async with staged(bus_url, echo(name := fresh("a"))) as stage:
        items = await everything(await stage.find(name), "hello")
        assert items[0] == StatusChunk(status="ack")
        assert text_of(items) == "you said: hello"


async def test_text_comes_in_pieces_while_it_is_written(bus_url: str, fresh: Fresh) -> None:
    go_on = asyncio.Event()

    @agent(name := fresh("a"))
    async def slow(task: FunctionTask) -> AsyncIterator[str]:
        yield "first "
        await go_on.wait()
        yield "second"

    async with staged(bus_url, slow) as stage:
        got: list[str] = []
        async for item in (await stage.find(name)).prompt("go"):
            if isinstance(item, ResponseChunk):
                got.append(item.text)
                go_on.set()
        assert (got[0], "".join(got)) == ("first ", "first second")


async def test_each_prompt_to_main_begins_a_session_and_is_one_task(bus_url: str, fresh: Fresh) -> None:
    async with staged(bus_url, echo(name := fresh("a"))) as stage:
        peer = await stage.find(name)
        await asyncio.gather(*(everything(peer, f"hello {number}") for number in range(20)))
        tasks = await stage.client.tasks(participant=name)
        assert sorted(task.submitted.prompt.text for task in tasks) == sorted(f"hello {number}" for number in range(20))
        assert len({task.ref.session for task in tasks}) == 20
        assert all(task.ref.session.startswith("synadia-") for task in tasks)
        assert all(task.submitted.metadata["synadia"]["owner"] == stage.owner for task in tasks)


async def test_a_named_session_is_a_conversation(bus_url: str, fresh: Fresh) -> None:
    model = ScriptedModel(lambda request: say(" | ".join(m.text for m in request.messages if m.role == "user")))
    async with staged(bus_url, Agent(name := fresh("a"), model=model), sessions=("support",)) as stage:
        peer = await stage.find(name, "support")
        assert text_of(await everything(peer, "one")) == "one"
        assert text_of(await everything(peer, "two")) == "one | two"
        assert {task.ref.session for task in await stage.client.tasks(participant=name)} >= {"synadia-support"}


async def test_what_began_at_main_goes_on_under_the_name_that_the_first_reply_gave(bus_url: str, fresh: Fresh) -> None:
    model = ScriptedModel(lambda request: say(" | ".join(m.text for m in request.messages if m.role == "user")))
    async with staged(bus_url, Agent(name := fresh("a"), model=model)) as stage:
        peer = await stage.find(name)
        first = await stage.wire.request(peer.prompt_subject, b"one", timeout=5)
        assert first.headers is not None
        session = first.headers["Busagents-Session"]
        there = peer.prompt_subject.rpartition(".")[0] + "." + session
        assert text_of([item async for item in peer.prompt("two", subject=there)]) == "one | two"


async def test_an_answer_that_is_another_participants_comes_too(bus_url: str, fresh: Fresh) -> None:
    child = echo(fresh("child"))
    model = ScriptedModel([call_tools((child.name, {"input": "hello"}), text="One moment.")])
    boss = Agent(fresh("boss"), model=model, tools=[child.as_tool(delegate=True)])
    async with staged(bus_url, boss, child) as stage:
        assert text_of(await everything(await stage.find(boss.name), "go")) == "One moment.\n\nyou said: hello"


async def test_an_answer_of_a_graph_comes(bus_url: str, fresh: Fresh) -> None:
    first, second = echo(fresh("first")), echo(fresh("second"))
    graph = Graph(fresh("graph"), entry=first, edges=[Edge(first, second)])
    async with staged(bus_url, graph, first, second) as stage:
        assert "you said: hello" in text_of(await everything(await stage.find(graph.name), "hello"))


async def test_files_travel_both_ways(bus_url: str, fresh: Fresh) -> None:
    seen: list[FilePart] = []

    @agent(name := fresh("a"))
    async def filing(task: FunctionTask) -> AsyncIterator[str | Artifact]:
        seen.extend(part for part in task.message.parts if isinstance(part, FilePart))
        yield "filed"
        yield Artifact("report", (FilePart("text/plain", "report.txt", base64="aGVsbG8="), DataPart({"pages": 1})))

    async with staged(bus_url, filing) as stage:
        peer = await stage.find(name)
        items = await everything(peer, "file it", attachments=[Attachment.from_bytes("in.pdf", b"%PDF")])
        assert [(part.media_type, part.name, part.base64) for part in seen] == [("application/pdf", "in.pdf", "JVBERg==")]
        sent = [file for item in items if isinstance(item, ResponseChunk) for file in item.attachments or ()]
        assert [(file.filename, file.to_bytes()) for file in sent] == [("report.txt", b"hello")]
        assert text_of(items) == 'filed{"pages":1}'


async def test_files_may_be_as_large_as_a_message_and_larger_ones_are_named(bus_url: str, fresh: Fresh) -> None:
    large, too_large = base64.b64encode(b"x" * 700_000).decode(), base64.b64encode(b"y" * 900_000).decode()

    @agent(name := fresh("a"))
    async def copying(task: FunctionTask) -> AsyncIterator[str | Artifact]:
        yield "copied "
        yield Artifact("copies", (*task.message.parts[1:], FilePart("text/plain", "more.txt", base64=too_large)))

    async with staged(bus_url, copying) as stage:
        file = Attachment(filename="a.txt", content=large)
        items = await everything(await stage.find(name), "copy", attachments=[file])
        assert [one for item in items if isinstance(item, ResponseChunk) for one in item.attachments or ()] == [file]
        assert "more.txt is too large for a message of this server (900000 bytes)" in text_of(items)


async def test_a_long_answer_comes_whole_in_messages_that_fit(bus_url: str, fresh: Fresh) -> None:
    long = "ä\u0001" * 700_000

    @agent(name := fresh("a"))
    async def talkative(task: FunctionTask) -> str:
        return long

    async with staged(bus_url, talkative) as stage:
        assert text_of(await everything(await stage.find(name), "talk")) == long


async def test_a_question_is_asked_in_the_stream_and_its_answer_reaches_the_task(bus_url: str, fresh: Fresh) -> None:
    @agent(name := fresh("a"))
    async def asking(task: FunctionTask, context: FunctionContext) -> str:
        where = await context.ask("Where to?")
        how = await context.ask("How?")
        return f"{where} by {how}"

    async with staged(bus_url, asking) as stage:
        asked: list[str] = []
        answers = iter(["Portland", "train"])
        items: list[Any] = []
        async for item in (await stage.find(name)).prompt("travel"):
            items.append(item)
            if isinstance(item, Query):
                asked.append(item.prompt)
                await item.reply(next(answers))
        assert asked == ["Where to?", "How?"]
        assert text_of(items) == "Portland by train"


async def test_an_answer_that_does_not_fit_is_asked_for_again_with_the_reason(bus_url: str, fresh: Fresh) -> None:
    @agent(name := fresh("a"))
    async def asking(task: FunctionTask, context: FunctionContext) -> str:
        return f"{await context.ask('How many?', schema=int) + 1}"

    async with staged(bus_url, asking) as stage:
        asked: list[Query] = []
        answers = iter(["many", "41"])
        items: list[Any] = []
        async for item in (await stage.find(name)).prompt("count"):
            items.append(item)
            if isinstance(item, Query):
                asked.append(item)
                await item.reply(next(answers))
        assert text_of(items) == "42"
        assert "not JSON" in asked[1].prompt
        assert asked[1].prompt.endswith("How many?")
        assert asked[0].reply_subject != asked[1].reply_subject


async def test_a_question_that_somebody_else_answers_is_no_longer_asked(bus_url: str, fresh: Fresh) -> None:
    @agent(name := fresh("a"))
    async def asking(task: FunctionTask, context: FunctionContext) -> str:
        return f"{await context.ask('Yes or no?')} it is"

    async with staged(bus_url, asking) as stage:
        items: list[Any] = []
        async for item in (await stage.find(name)).prompt("decide"):
            items.append(item)
            if isinstance(item, Query):
                [task] = await stage.client.tasks(participant=name)
                await stage.client.reply(task.task, "no")
        assert text_of(items) == "no it is"


async def test_a_question_without_an_answer_ends_the_stream_and_not_the_task(bus_url: str, fresh: Fresh) -> None:
    @agent(name := fresh("a"))
    async def asking(task: FunctionTask, context: FunctionContext) -> str:
        return f"{await context.ask('Yes or no?')} it is"

    async with staged(bus_url, asking, patience=Patience(question=0.2)) as stage:
        with pytest.raises(ProtocolError, match=r"409.*was not answered; task .* goes on"):
            await everything(await stage.find(name), "decide")
        [info] = await stage.client.tasks(participant=name)
        task = await stage.client.task(info.task)
        await task.reply("yes")
        assert (await task.result()).text == "yes it is"


async def test_who_comes_back_to_a_session_that_waits_for_an_answer_is_asked_again(bus_url: str, fresh: Fresh) -> None:
    @agent(name := fresh("a"))
    async def asking(task: FunctionTask, context: FunctionContext) -> str:
        return f"{task.text}: {await context.ask('Yes or no?')} {await context.ask(f'Sure of {task.text}?')}"

    async with staged(bus_url, asking, patience=Patience(question=1.5), sessions=("support",)) as stage:
        peer = await stage.find(name, "support")
        with pytest.raises(ProtocolError, match="409"):
            await everything(peer, "one")
        [waiting] = await stage.client.tasks(participant=name)
        first = await stage.client.task(waiting.task)
        await first.reply("yes")  # somewhere else
        answers = iter(["yes!", "no", "no!"])
        asked: list[str] = []
        items: list[Any] = []
        async for item in peer.prompt("two"):
            items.append(item)
            if isinstance(item, Query):
                asked.append(item.prompt)
                await item.reply(next(answers))
        assert asked == ["Sure of one?", "Yes or no?", "Sure of two?"]
        assert text_of(items) == "two: no no!"
        assert (await first.result()).text == "one: yes yes!"


async def test_a_task_that_fails_is_an_error_with_its_words(bus_url: str, fresh: Fresh) -> None:
    @agent(name := fresh("a"))
    async def failing(task: FunctionTask) -> str:
        raise ValueError("no\r\nluck")

    async with staged(bus_url, failing) as stage:
        with pytest.raises(ProtocolError, match="service error 500: ValueError: no luck"):
            await everything(await stage.find(name), "try")


async def test_a_task_that_is_canceled_is_a_conflict(bus_url: str, fresh: Fresh) -> None:
    started = asyncio.Event()

    @agent(name := fresh("a"))
    async def endless(task: FunctionTask) -> str:
        started.set()
        await asyncio.Event().wait()
        return ""

    async with staged(bus_url, endless) as stage:
        prompting = asyncio.create_task(everything(await stage.find(name), "go"))
        await started.wait()
        [info] = await stage.client.tasks(participant=name)
        await (await stage.client.task(info.task)).cancel("enough")
        with pytest.raises(ProtocolError, match="409: the task was canceled: enough"):
            await prompting


async def raw(wire: Nats, subject: str, payload: bytes) -> list[tuple[dict[str, str], bytes]]:
    """All messages of an answer, the end included."""
    inbox = wire.new_inbox()
    subscription = await wire.subscribe(inbox)
    await wire.publish(subject, payload, reply=inbox)
    got: list[tuple[dict[str, str], bytes]] = []
    while not got or got[-1] != ({}, b""):
        message = await subscription.next_msg(timeout=10)
        got.append((dict(message.headers or {}), message.data))
    with pytest.raises(nats.errors.TimeoutError):  # nothing comes behind the end
        await subscription.next_msg(timeout=0.05)
    return got


@pytest.mark.parametrize("payload", [b"", b"  ", b"{", b"{}", b'{"prompt":""}', b"\xff", b'{"prompt":"x","attachments":[{}]}'])
async def test_a_malformed_prompt_is_400_and_the_end_and_no_task(bus_url: str, fresh: Fresh, payload: bytes) -> None:
    async with staged(bus_url, echo(name := fresh("a"))) as stage:
        got = await raw(stage.wire, (await stage.find(name)).prompt_subject, payload)
        assert [headers.get("Nats-Service-Error-Code") for headers, _ in got] == ["400", None]
        assert json.loads(got[0][1])["error"] == "invalid_input"
        assert await stage.client.tasks(participant=name) == []


async def test_a_session_name_that_no_session_can_have_is_400(bus_url: str, fresh: Fresh) -> None:
    async with staged(bus_url, echo(name := fresh("a"))) as stage:
        base = (await stage.find(name)).prompt_subject.rpartition(".")[0]
        for wrong in ("x" * 100, "a$b"):
            got = await raw(stage.wire, f"{base}.{wrong}", b"hello")
            assert [headers.get("Nats-Service-Error-Code") for headers, _ in got] == ["400", None]


async def test_more_prompts_than_there_may_be_are_429(bus_url: str, fresh: Fresh) -> None:
    go_on = asyncio.Event()

    @agent(name := fresh("a"))
    async def waiting(task: FunctionTask) -> AsyncIterator[str]:
        yield "here"
        await go_on.wait()

    async with staged(bus_url, waiting, max_prompts=1) as stage:
        peer = await stage.find(name)
        first = peer.prompt("one")
        assert await anext(first) == StatusChunk(status="ack")
        got = await raw(stage.wire, peer.prompt_subject, b"two")
        assert [headers.get("Nats-Service-Error-Code") for headers, _ in got] == ["429", None]
        go_on.set()
        assert text_of([item async for item in first]) == "here"
        assert text_of(await everything(peer, "three")) == "here"


async def test_a_participant_that_never_was_on_the_bus_is_404(bus_url: str, fresh: Fresh) -> None:
    class Desk(ClientDesk):
        async def participants(self) -> Sequence[Listed]:
            return [Listed(fresh("nobody"))]

    async with connect(bus_url) as client, nats_client(bus_url) as wire:
        bus = await connect_bus(bus_url)
        owner = "o" + uuid.uuid4().hex[:10]
        facade = Facade(bus.client, Desk(client), FacadeOptions(owner, look_every=3600))
        stop, ready = asyncio.Event(), asyncio.Event()
        serving = asyncio.create_task(facade.run(stop, ready.set))
        await ready.wait()
        [peer] = await Agents(nc=wire).discover(stall=0.3, filter=DiscoverFilter(owner=owner))
        got = await raw(wire, peer.prompt_subject, b"hello")
        stop.set()
        await serving
        await bus.close()
        assert [headers.get("Nats-Service-Error-Code") for headers, _ in got] == [None, "404", None]


async def test_a_silent_answer_is_acknowledged_again_and_again(bus_url: str, fresh: Fresh) -> None:
    go_on = asyncio.Event()

    @agent(name := fresh("a"))
    async def silent(task: FunctionTask) -> str:
        await go_on.wait()
        return "done"

    async with staged(bus_url, silent, patience=Patience(ack=0.05)) as stage:
        acks = 0
        items: list[Any] = []
        async for item in (await stage.find(name)).prompt("go", timeout=2):
            items.append(item)
            acks += isinstance(item, StatusChunk)
            if acks == 5:
                go_on.set()
        assert text_of(items) == "done"


async def test_heartbeats_say_who_lives_and_so_does_the_status_endpoint(bus_url: str, fresh: Fresh) -> None:
    async with staged(bus_url, echo(name := fresh("a_b")), heartbeat_every=1) as stage:
        peer = await stage.find(name)
        heard: asyncio.Queue[HeartbeatPayload] = asyncio.Queue()
        await stage.agents.start_tracking()
        stage.agents.on_heartbeat(peer.instance_id, heard.put_nowait)
        async with asyncio.timeout(10):
            beats = [await heard.get(), await heard.get()]
        status = await peer.status()
        for beat in (*beats, status):
            said = (beat.agent, beat.owner, beat.session, beat.instance_id, beat.interval_s)
            assert said == (name, stage.owner, "main", peer.instance_id, 1)
        live = stage.agents.liveness(peer.instance_id)
        assert live is not None
        assert live.is_online


async def test_a_participant_that_comes_is_listed_and_one_that_goes_is_not(bus_url: str, fresh: Fresh) -> None:
    async with staged(bus_url, expose=(name := fresh("late"),), look_every=0.1) as stage:
        only = DiscoverFilter(owner=stage.owner)
        assert await stage.agents.discover(stall=0.3, filter=only) == []
        async with running(bus_url, echo(name)):
            async with asyncio.timeout(10):
                while not (found := await stage.agents.discover(stall=0.3, filter=only)):
                    pass
            [peer] = found
            assert text_of(await everything(peer, "hello")) == "you said: hello"
        async with asyncio.timeout(10):
            while await stage.agents.discover(stall=0.3, filter=only):
                pass
        # What is sent to it now waits in the log.
        prompting = asyncio.create_task(everything(peer, "still there?"))
        async with asyncio.timeout(10):
            while len(await stage.client.tasks(participant=name)) < 2:
                pass  # each look asks the log
        async with running(bus_url, echo(name)):
            assert text_of(await prompting) == "you said: still there?"


async def test_a_participant_that_does_not_answer_once_keeps_its_instance(bus_url: str, fresh: Fresh) -> None:
    there = [Listed(fresh("a"))]

    class Desk(ClientDesk):
        async def participants(self) -> Sequence[Listed]:
            return list(there)

    async with connect(bus_url) as client, nats_client(bus_url) as wire:
        bus = await connect_bus(bus_url)
        only = DiscoverFilter(owner="o" + uuid.uuid4().hex[:10])
        agents = Agents(nc=wire)
        assert only.owner is not None
        facade = Facade(bus.client, Desk(client), FacadeOptions(only.owner))
        await facade.look()
        [before] = await agents.discover(stall=0.3, filter=only)
        gone = there.pop()
        await facade.look()
        await facade.look()
        there.append(gone)
        await facade.look()
        [after] = await agents.discover(stall=0.3, filter=only)
        assert after.instance_id == before.instance_id
        there.clear()
        for _ in range(3):
            await facade.look()
        assert await agents.discover(stall=0.3, filter=only) == []
        await bus.close()


async def test_a_prompt_whose_answer_nobody_wants_is_a_task_all_the_same(bus_url: str, fresh: Fresh) -> None:
    async with staged(bus_url, echo(name := fresh("a"))) as stage:
        await stage.wire.publish((await stage.find(name)).prompt_subject, b"just do it")
        async with asyncio.timeout(10):
            while [task.state for task in await stage.client.tasks(participant=name)] != ["completed"]:
                pass


async def test_one_that_is_exposed_by_name_is_prompted_before_it_is_back(bus_url: str, fresh: Fresh) -> None:
    name = fresh("away")
    async with running(bus_url, echo(name)):
        pass
    async with staged(bus_url, expose=(name,)) as stage:
        prompting = asyncio.create_task(raw(stage.wire, address(name, stage.owner).subject("prompt"), b"hello"))
        async with asyncio.timeout(10):
            while not await stage.client.tasks(participant=name):
                pass
        async with running(bus_url, echo(name)):
            assert [body for _, body in await prompting] == [ACK, response("you said: hello"), b""]


async def test_several_facades_share_the_prompts_of_an_agent(bus_url: str, fresh: Fresh) -> None:
    definition = SynadiaFacade(fresh("door"), owner="o" + uuid.uuid4().hex[:10], expose=[name := fresh("a")])
    async with running(bus_url, echo(name)) as client, nats_client(bus_url) as wire:
        stop = asyncio.Event()
        ready = [asyncio.Event(), asyncio.Event()]
        serving = [
            asyncio.create_task(run_facade(definition, bus_url, stop=stop, on_ready=lambda _, one=one: one.set()))
            for one in ready
        ]
        for one in ready:
            await one.wait()
        found = await Agents(nc=wire).discover(stall=0.3, filter=DiscoverFilter(owner=definition.owner))
        assert len({peer.instance_id for peer in found}) == 2
        assert len({peer.prompt_subject for peer in found}) == 1
        texts = await asyncio.gather(*(everything(found[0], f"{number}") for number in range(20)))
        assert [text_of(items) for items in texts] == [f"you said: {number}" for number in range(20)]
        assert len(await client.tasks(participant=name)) == 20
        stop.set()
        await asyncio.gather(*serving)


async def test_a_facade_that_stops_says_that_the_task_goes_on(bus_url: str, fresh: Fresh) -> None:
    go_on = asyncio.Event()

    @agent(name := fresh("a"))
    async def waiting(task: FunctionTask) -> AsyncIterator[str]:
        yield "here"
        await go_on.wait()

    async with running(bus_url, waiting) as client, nats_client(bus_url) as wire:
        definition = SynadiaFacade(fresh("door"), owner="o" + uuid.uuid4().hex[:10], expose=[name])
        stop, ready = asyncio.Event(), asyncio.Event()
        serving = asyncio.create_task(run_facade(definition, bus_url, stop=stop, on_ready=lambda _: ready.set()))
        await ready.wait()
        [peer] = await Agents(nc=wire).discover(stall=0.3, filter=DiscoverFilter(owner=definition.owner))
        prompt = peer.prompt("go")
        assert await anext(prompt) == StatusChunk(status="ack")
        assert await anext(prompt) == ResponseChunk(text="here")
        stop.set()
        with pytest.raises(ProtocolError, match=r"500: the facade stops; task .* goes on"):
            await anext(prompt)
        await serving
        go_on.set()
        [info] = await client.tasks(participant=name)
        assert (await (await client.task(info.task)).result()).text == "here"


async def test_agents_of_the_protocol_are_not_listed_a_second_time(bus_url: str, fresh: Fresh) -> None:
    remote = SynadiaAgent(fresh("remote"), agent="somebody")
    async with staged(bus_url, echo(name := fresh("a")), remote, expose=None) as stage:
        found = await stage.agents.discover(stall=0.3, filter=DiscoverFilter(owner=stage.owner))
        assert [peer.agent for peer in found] == [name]


async def test_one_bus_prompts_its_own_participant_through_the_protocol(bus_url: str, fresh: Fresh) -> None:
    async with staged(bus_url, Person(name := fresh("person"))) as stage:
        remote = SynadiaAgent(fresh("remote"), agent=name, owner=stage.owner)
        async with running(bus_url, remote) as client:
            task = await client.send(remote.name, "Shall we?")
            question = await task.question()
            assert question is not None
            assert (question.text, question.asker) == ("Shall we?", remote.name)
            await task.reply("yes")
            assert (await task.result()).text == "yes"
