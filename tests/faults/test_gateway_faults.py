"""FAULTS rows 14 and 35: gateways and agents are killed while callers wait, read and send the same again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from busagents.bootstrap.connect import connect
from busagents.domain import events as e
from busagents.runtime.client.client import Client
from busagents.runtime.client.task_event import TaskEvent
from busagents.runtime.supervisor.nats_server import NatsServer
from tests.support.fault_agents import TEXT
from tests.support.gateway_agents import SAID
from tests.support.gateway_processes import (
    AGENTS,
    VERSION,
    Event,
    GatewayProcess,
    Reader,
    caller,
    events_of,
    gateway_process,
    saying,
    sent,
)
from tests.support.log_checks import checked_events, inbox_empty
from tests.support.processes import ParticipantProcess, participant

ANN, BOB = "a" * 24, "b" * 24
PLACED = 3 + len(SAID)  # updates of a talker's task: that it works, what it says in between, the answer, that it is completed
READERS = 50
STREAMS = 1000
MEMORY = 150_000_000  # bytes
COMPLETED = "TASK_STATE_COMPLETED"


class Scene:
    """A bus, and the folder in which effects are counted."""

    def __init__(self, url: str, folder: Path, client: Client) -> None:
        self.url, self.folder, self.client = url, folder, client

    def agent(self, name: str) -> contextlib.AbstractAsyncContextManager[ParticipantProcess]:
        """A process of an agent of gateway_agents."""
        return participant(name, self.url, file=AGENTS, env={"FAULT_DIR": str(self.folder)})

    def gateway(self, *, keys: str = "") -> contextlib.AbstractAsyncContextManager[GatewayProcess]:
        """A gateway's process."""
        return gateway_process(self.url, keys=keys)

    def open_gate(self) -> None:
        """Let those go on who wait."""
        (self.folder / "gate").touch()

    async def until_effect(self, what: str, count: int = 1) -> None:
        """Wait until so many have happened."""
        async with asyncio.timeout(60):
            while self.effects(what) < count:  # noqa: ASYNC110 - another process writes the file
                await asyncio.sleep(0.02)

    def effects(self, what: str) -> int:
        """How often something took effect in the outside world."""
        file = self.folder / "effects"
        return sum(line.split()[0] == what for line in file.read_text().splitlines()) if file.exists() else 0

    async def checked(self, agent: str, task: dict[str, Any]) -> list[TaskEvent]:
        """The events of a task's session when the agent is done, after checking that its log holds all that a log must."""
        await inbox_empty(self.client, agent)
        return await checked_events(self.client, task["contextId"])


@pytest_asyncio.fixture
async def scene(own_server: NatsServer, tmp_path: Path) -> AsyncIterator[Scene]:
    folder = tmp_path / "outside"
    folder.mkdir()
    async with connect(own_server.url) as client:
        yield Scene(own_server.url, folder, client)


async def got(http: httpx.AsyncClient, base: str, agent: str, task: str) -> dict[str, Any]:
    """A task as it is."""
    answer = await http.get(f"{base}/agents/{agent}/tasks/{task}", headers=VERSION)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def all_places(http: httpx.AsyncClient, base: str, reader: Reader) -> list[str]:
    """The ids of all updates of the reader's task, as one gets them who asks for everything when it is over."""
    url = f"{base}/agents/talker/tasks/{reader.task['id']}:subscribe"
    async with http.stream("POST", url, headers={**VERSION, "Last-Event-ID": "0.0"}) as answer:
        _, *updates = [event.place async for event in events_of(answer)]
    assert len(set(updates)) == len(updates) == PLACED
    return updates


async def has_it_all(http: httpx.AsyncClient, base: str, reader: Reader) -> None:
    """Check that a reader got every event with an id, in order and once, and knows the task as it is. The first one is the task,
    as it was when its stream began.
    """
    places = await all_places(http, base, reader)
    began = places.index(reader.places[0]) + 1 if reader.places[0] in places else 0
    assert reader.places[1:] == places[began:]
    task = await got(http, base, "talker", reader.task["id"])
    assert (reader.task["status"], reader.text) == (task["status"], TEXT)
    assert reader.state == COMPLETED
    assert [part["text"] for artifact in task["artifacts"] for part in artifact["parts"]] == [TEXT]


def is_live(event: Event) -> bool:
    """It shows what is being written."""
    return not event.place


@pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])
@pytest.mark.parametrize("at", ["between what is stored", "in the middle of a text"])
async def test_row_14_a_reader_of_a_killed_gateway_goes_on_at_another_one_with_no_gap_and_no_repeat(
    scene: Scene, binding: str, at: str
) -> None:
    async with scene.agent("talker"), scene.gateway() as first, scene.gateway() as second, caller() as http:
        reader = Reader(http, "talker", "go", binding=binding)
        async for event in reader.read(first.base):
            if reader.said == 1 and is_live(event) == (at == "in the middle of a text"):
                first.process.signal(signal.SIGKILL)
        await first.process.killed()
        scene.open_gate()
        await reader.finish(second.base)
        assert reader.connections == 2
        await has_it_all(http, second.base, reader)
        await scene.checked("talker", reader.task)
    assert [scene.effects(f"look:{number}") for number in range(len(SAID))] == [1] * len(SAID)


async def test_row_14_fifty_readers_of_a_killed_gateway_go_on_at_another_one_with_each_event_once(scene: Scene) -> None:
    async with scene.agent("talker"), scene.gateway() as first, scene.gateway() as second, caller() as http:
        readers = [
            Reader(http, "talker", f"go {number}", binding=("JSONRPC", "HTTP+JSON")[number % 2]) for number in range(READERS)
        ]
        reading = [asyncio.create_task(reader.finish(first.base)) for reader in readers]
        await scene.until_effect("look:1", READERS // 2)  # some are far, some are not
        first.process.signal(signal.SIGKILL)
        await asyncio.gather(*reading)
        scene.open_gate()
        await asyncio.gather(*(reader.finish(second.base) for reader in readers))
        assert [reader.connections for reader in readers] == [2] * READERS
        for reader in readers:
            await has_it_all(http, second.base, reader)
            await scene.checked("talker", reader.task)
        assert len({reader.task["id"] for reader in readers}) == READERS
    assert [scene.effects(f"look:{number}") for number in range(len(SAID))] == [READERS] * len(SAID)


async def test_row_14_a_reader_whose_gateways_are_killed_one_after_the_other_is_led_to_the_end(scene: Scene) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(scene.agent("talker"))
        last, *mortals = [await stack.enter_async_context(scene.gateway()) for _ in range(4)]
        http = await stack.enter_async_context(caller())
        reader = Reader(http, "talker", "go")
        for count, mortal in zip((1, 2, 4), mortals, strict=True):
            async for _ in reader.read(mortal.base):
                if len(reader.places) >= count:
                    mortal.process.signal(signal.SIGKILL)
        scene.open_gate()
        await reader.finish(last.base)
        await has_it_all(http, last.base, reader)


async def test_row_14_an_agent_killed_in_the_middle_of_its_answer_is_followed_to_the_end_in_the_same_stream(scene: Scene) -> None:
    async with scene.agent("talker") as mortal, scene.gateway() as gateway, caller() as http:
        reader = Reader(http, "talker", "go")
        async with contextlib.AsyncExitStack() as successors:
            async for event in reader.read(gateway.base):
                if reader.said == 2 and is_live(event) and mortal.process.returncode is None:
                    mortal.signal(signal.SIGKILL)
                    await mortal.killed()
                    scene.open_gate()
                    await successors.enter_async_context(scene.agent("talker"))
            assert mortal.process.returncode == -signal.SIGKILL
            assert reader.connections == 1
            await has_it_all(http, gateway.base, reader)
            await scene.checked("talker", reader.task)


async def test_row_14_gateway_and_agent_killed_at_once_leave_a_task_that_ends_whole_at_their_successors(scene: Scene) -> None:
    async with scene.agent("talker") as mortal, scene.gateway() as first, caller() as http:
        reader = Reader(http, "talker", "go")
        async for _ in reader.read(first.base):
            if len(reader.places) == 4:
                mortal.signal(signal.SIGKILL)
                first.process.signal(signal.SIGKILL)
        await mortal.killed()
        scene.open_gate()
        async with scene.gateway() as second, scene.agent("talker"):
            await reader.finish(second.base)
            await has_it_all(http, second.base, reader)
            await scene.checked("talker", reader.task)


async def test_a_call_that_arrives_while_no_replica_of_the_agent_lives_is_answered_when_one_starts(scene: Scene) -> None:
    async with scene.agent("echo") as mortal:
        mortal.signal(signal.SIGKILL)
        await mortal.killed()
    async with scene.gateway() as first, scene.gateway() as second, caller() as http:
        key = uuid.uuid4().hex
        kept = asyncio.create_task(sent(http, second.base, "echo", "kept"))
        lost = asyncio.create_task(sent(http, first.base, "echo", "again", key=key))
        task = await sent(http, first.base, "echo", "at once", configuration={"returnImmediately": True})
        assert task["status"]["state"] == "TASK_STATE_SUBMITTED"
        await stored(scene, "echo", 3)
        first.process.signal(signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            await lost
        async with scene.agent("echo"):
            again = await sent(http, second.base, "echo", "again", key=key)
            for answer, text in ((await kept, "kept"), (again, "again")):
                assert answer["status"]["state"] == COMPLETED
                assert answer["artifacts"][0]["parts"][0]["text"] == f"you said {text}"
            await inbox_empty(scene.client, "echo")
            assert (await got(http, second.base, "echo", task["id"]))["status"]["state"] == COMPLETED
            for one in (task, await kept, again):
                events = await scene.checked("echo", one)
                assert sum(isinstance(event.event, e.TaskSubmitted) for event in events) == 1


async def stored(scene: Scene, agent: str, count: int) -> None:
    """Wait until so many tasks are in the log for an agent."""
    async with asyncio.timeout(60):
        while len([event async for event in scene.client.bus.log.read_participant(agent)]) < count:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.02)


async def test_row_35_the_same_send_at_once_on_two_replicas_is_one_task_and_another_callers_is_another(scene: Scene) -> None:
    keys = f"ann={ANN},bob={BOB}"
    scene.open_gate()
    async with (
        scene.agent("talker"),
        scene.gateway(keys=keys) as one,
        scene.gateway(keys=keys) as two,
        caller(ANN) as ann,
        caller(BOB) as bob,
    ):

        async def round_of(number: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
            key = f"order {number}"
            calls = [sent(ann, gateway.base, "talker", "go", key=key) for gateway in (one, two, two, one)]
            *same, other = await asyncio.gather(*calls, sent(bob, one.base, "talker", "go", key=key))
            return same, other

        rounds = await asyncio.gather(*map(round_of, range(10)))
        for same, other in rounds:
            assert {task["id"] for task in same} == {same[0]["id"]}
            assert other["id"] != same[0]["id"]
            assert other["contextId"] != same[0]["contextId"]
            hidden = await bob.get(f"{two.base}/agents/talker/tasks/{same[0]['id']}", headers=VERSION)
            assert hidden.status_code == 404
            for task in (*same, other):
                assert task["status"]["state"] == COMPLETED
                assert task["artifacts"][0]["parts"][0]["text"] == TEXT
            for task in (same[0], other):
                events = await scene.checked("talker", task)
                assert sum(isinstance(event.event, e.TaskSubmitted) for event in events) == 1
    assert scene.effects("look:0") == 2 * len(rounds)


async def test_row_35_the_same_send_over_other_wires_and_as_a_stream_is_the_same_task(scene: Scene) -> None:
    async with scene.agent("echo"), scene.gateway() as one, scene.gateway() as two, caller() as http:
        key = {"Idempotency-Key": uuid.uuid4().hex}
        old = {"kind": "message", "messageId": "m", "role": "user", "parts": [{"kind": "text", "text": "hi"}]}

        async def rpc(gateway: GatewayProcess, method: str, params: Any, version: str) -> Any:
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            answer = await http.post(f"{gateway.base}/agents/echo", json=body, headers={**key, "A2A-Version": version})
            return answer.json()["result"]

        async def streamed(gateway: GatewayProcess) -> str:
            url = f"{gateway.base}/agents/echo/message:stream"
            async with http.stream("POST", url, json=saying("hi"), headers={**VERSION, **key}) as answer:
                first, *_ = [event async for event in events_of(answer)]
                return str(first.value["id"])

        rest, new, older, stream = await asyncio.gather(
            sent(http, one.base, "echo", "hi", key=key["Idempotency-Key"]),
            rpc(two, "SendMessage", saying("hi"), "1.0"),
            rpc(one, "message/send", {"message": old}, "0.3"),
            streamed(two),
        )
        assert {rest["id"], new["task"]["id"], older["id"], stream} == {rest["id"]}
        refused = await http.post(f"{two.base}/agents/echo/message:send", json=saying("ho"), headers={**VERSION, **key})
        assert refused.status_code == 400


async def test_row_35_a_send_whose_gateway_is_killed_and_that_is_repeated_gets_the_same_tasks_result(scene: Scene) -> None:
    async with scene.agent("gated"), scene.gateway() as one, scene.gateway() as two, caller() as http:
        key = uuid.uuid4().hex
        lost = asyncio.create_task(sent(http, one.base, "gated", "go", key=key))
        await scene.until_effect("wait:open")
        one.process.signal(signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            await lost
        again = asyncio.create_task(sent(http, two.base, "gated", "go", key=key))
        known = await sent(http, two.base, "gated", "go", key=key, configuration={"returnImmediately": True})
        assert known["status"]["state"] == "TASK_STATE_WORKING"
        scene.open_gate()
        task = await again
        assert (task["id"], task["status"]["state"]) == (known["id"], COMPLETED)
        assert task["artifacts"][0]["parts"][0]["text"] == "paid"
        assert await sent(http, two.base, "gated", "go", key=key) == task
        events = await scene.checked("gated", task)
        assert sum(isinstance(event.event, e.TaskSubmitted) for event in events) == 1
    assert (scene.effects("wait:open"), scene.effects("pay:gated")) == (1, 1)


async def test_row_27_a_thousand_idle_streams_of_one_gateway_stay_below_150_megabytes_and_all_get_their_answer(
    scene: Scene,
) -> None:
    async with scene.agent("echo"):
        pass  # it is known, and nobody serves its inbox
    async with scene.gateway() as gateway, contextlib.AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(caller()) for _ in range(20)]  # httpx gets slow with many connections each
        readers = [Reader(callers[number % 20], "echo", f"hi {number}") for number in range(STREAMS)]
        begun = [asyncio.Event() for _ in readers]

        async def read(reader: Reader, first: asyncio.Event) -> None:
            async for _ in reader.read(gateway.base):
                first.set()

        before = gateway.bytes
        reading = [asyncio.create_task(read(*pair)) for pair in zip(readers, begun, strict=True)]
        await asyncio.gather(*(first.wait() for first in begun))
        held = gateway.bytes
        print(f"{STREAMS} idle streams: {held:,} bytes, {(held - before) / STREAMS:,.0f} each")
        assert held < MEMORY
        async with scene.agent("echo"):
            await asyncio.gather(*reading)
        assert {(reader.state, reader.connections) for reader in readers} == {(COMPLETED, 1)}
        assert [reader.text for reader in readers] == [f"you said hi {number}" for number in range(STREAMS)]
