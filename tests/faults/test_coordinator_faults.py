"""FAULTS rows 25, 27, 29, 36 and 37 for work that is shared out: doubled messages, floods, poison, two answers, cancels."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from busagents.adapters.jetstream.api import call
from busagents.adapters.jetstream.bus import JetStreamBus
from busagents.bootstrap.connect import connect
from busagents.domain import events as e
from busagents.domain.codec import decode_entry, encode_entry
from busagents.domain.messages import user
from busagents.domain.subjects import STREAM, inbox_consumer, log_subject
from busagents.errors import AnswerRefused, TaskCanceled
from busagents.ports.log import StoredMessage
from busagents.runtime.client.client import Client
from busagents.runtime.client.task import Task
from busagents.runtime.client.task_event import TaskEvent
from busagents.runtime.outgoing import send_event
from tests.support.boundaries import Team
from tests.support.fault_teams import WIDTH
from tests.support.forked import Place, place
from tests.support.log_checks import checked_events, inbox_empty, types

PATIENCE = 30.0
MIB = 1024 * 1024


@pytest_asyncio.fixture
async def where(tmp_path: Path) -> AsyncIterator[Place]:
    async with place(tmp_path / "place") as opened:
        yield opened


@pytest_asyncio.fixture
async def team(where: Place, tmp_path: Path) -> AsyncIterator[Team]:
    made = Team(where, tmp_path / "team")
    yield made
    await made.forks.end_all()


async def until(right: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds, in other processes or in the log."""
    async with asyncio.timeout(PATIENCE):
        while not await right():  # noqa: ASYNC110 - others' work has no event here
            await asyncio.sleep(0.01)


async def asked(task: Task) -> str:
    """The request of the task's question, once it asks."""
    async with asyncio.timeout(PATIENCE):
        question = await task.question()
    assert question is not None
    return question.request


async def outcomes(client: Client, session: str) -> list[StoredMessage]:
    """The messages that told a parent of a child's end, in the log's order."""
    stored = [item async for item in client.bus.log.read_session(session)]
    return [item for item in stored if item.kind == "in" and b'"task.outcome"' in item.body]


async def tell_again(client: Client, messages: list[StoredMessage]) -> int:
    """Store each message again: under its own id, under another, and under another with other words. How many there were."""
    assert isinstance(client.bus, JetStreamBus)
    for message in reversed(messages):
        subject = log_subject(message.ref, "in")
        await client.bus.client.jetstream().publish(subject, message.body)  # no header: the server takes it for a new one
        for body in (message.body, message.body.replace(b'"text":"', b'"text":"forged ')):
            other = replace(decode_entry(body, where="a test"), id=str(uuid.uuid4()))
            await client.bus.log.send(message.ref, "in", encode_entry(other), entry_id=other.id, types="task.outcome")
    return len(messages)


@pytest.mark.parametrize("root", ["wide", "relay"])
async def test_row_25_an_outcome_that_comes_again_under_its_id_or_another_changes_nothing(team: Team, root: str) -> None:
    await team.start("wide", "relay", "echo", "ann", "bob", "cleo")
    task = await team.client.send(team.name(root), "go 1")
    answer = (await task.result(timeout=PATIENCE)).text
    before = await checked_events(team.client, task.session)
    assert await tell_again(team.client, await outcomes(team.client, task.session)) >= 3
    await inbox_empty(team.client, team.name(root))
    after = await checked_events(team.client, task.session)
    assert types(after) == types(before)
    again = await team.client.send(team.name(root), "go 1", session=task.session)
    assert (await again.result(timeout=PATIENCE)).text == answer


async def test_row_25_outcomes_that_come_again_while_another_is_open_count_once(team: Team) -> None:
    await team.start("mapped", "echo")
    task = await team.client.send(team.name("mapped"), "4 gated")

    async def but_one() -> bool:
        return len(await outcomes(team.client, task.session)) == 3

    await until(but_one)
    await tell_again(team.client, await outcomes(team.client, task.session))
    await inbox_empty(team.client, team.name("mapped"))
    assert "task.completed" not in [event.type for event in await facts_of(team.client, task)]
    (team.folder / "gate").touch()
    assert (await task.result(timeout=PATIENCE)).text == '["<0>","<1>","<2>","<3>"]'
    events = await checked_events(team.client, task.session)
    assert types(events).count("node.completed") == 1


async def facts_of(client: Client, task: Task) -> list[TaskEvent]:
    """The facts of the task's thread."""
    return [event async for event in client.history(task.session) if event.ref == task.ref and event.kind == "ev"]


async def test_row_25_a_cancel_that_overtakes_its_task_cancels_it(team: Team) -> None:
    await team.start("echo")
    name, session, task = team.name("echo"), "early", str(uuid.uuid4())
    ref = (await team.client.send(name, "warm up", session=session)).ref
    await send_event(team.client.bus, ref, e.TaskCancel("too late"), task=task, entry_id=str(uuid.uuid4()))
    await inbox_empty(team.client, name)
    await send_event(team.client.bus, ref, e.TaskSubmitted(message=user("go")), task=task, entry_id=str(uuid.uuid4()))
    await inbox_empty(team.client, name)
    ended = [event.event for event in await checked_events(team.client, session) if event.task == task and event.kind == "ev"]
    assert [type(event) for event in ended] == [e.TaskCanceled]


async def left(client: Client, participant: str) -> int:
    """How many messages to the participant nobody has answered yet."""
    assert isinstance(client.bus, JetStreamBus)
    info = await call(client.bus.client, f"CONSUMER.INFO.{STREAM}.{inbox_consumer(participant)}")
    return int(info["num_pending"]) + int(info["num_ack_pending"])


def memory(pid: int) -> int:
    """The most memory a process ever had, in bytes."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@pytest.mark.timeout(240)
async def test_row_27_ten_thousand_queued_tasks_take_bounded_memory_and_stop_nobody_else(team: Team) -> None:
    await team.start("clerk", "relay", "ann", "bob", "cleo")
    clerk = team.name("clerk")
    await team.client.send(clerk, "warm up")
    pid, before = team.forks.pid(clerk), memory(team.forks.pid(clerk))
    session = (await team.client.send(clerk, "first")).ref
    sent = 0
    for start in range(0, 10_000, 200):
        refs = [type(session)(clerk, f"flood_{number}", "main") for number in range(start, start + 200)]
        await asyncio.gather(*(
            send_event(team.client.bus, ref, e.TaskSubmitted(message=user("go")), task=ref.session, entry_id=str(uuid.uuid4()))
            for ref in refs
        ))  # fmt: skip
        sent += len(refs)
    assert "from bob" in await team.answer("relay")
    assert await left(team.client, clerk) > 1000  # the flood was still there
    async with asyncio.timeout(200):
        await inbox_empty(team.client, clerk)
    assert memory(pid) - before < 64 * MIB
    infos = await team.client.tasks(participant=clerk)
    assert len(infos) == sent + 2
    assert {info.state for info in infos} == {"completed"}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("killed_at", [None, 700, 3000])  # while the tasks are given away, and while their ends come in
async def test_row_27_a_fan_out_of_thousands_takes_bounded_memory_and_all_of_it_counts(team: Team, killed_at: int | None) -> None:
    mapped = team.name("mapped")
    armed = f"pass:{killed_at}={team.folder / 'killed'}" if killed_at else ""
    await team.start("echo", "relay", "ann", "bob", "cleo")
    await team.start("mapped", BUSAGENTS_FAILPOINTS=armed)
    before = memory(team.forks.pid(mapped))
    task = await team.client.send(mapped, "2000")
    assert "from bob" in await team.answer("relay")
    assert (await task.result(timeout=200)).text == "[" + ",".join(f'"<{number}>"' for number in range(2000)) + "]"
    assert memory(team.forks.pid(mapped)) - before < 64 * MIB
    assert team.forks.kills(mapped) == bool(killed_at)
    events = await checked_events(team.client, task.session)
    assert len([event for event in events if isinstance(event.event, e.TaskSubmitted)]) == 2001


async def test_row_29_a_child_that_cannot_be_worked_on_is_dead_lettered_its_parent_told_and_it_can_be_redriven(
    team: Team,
) -> None:
    await team.start("calls_broken", "broken")
    task = await team.client.send(team.name("calls_broken"), "go")
    answer = (await task.result(timeout=60)).text
    assert "ZeroDivisionError: a defect of ours" in answer
    [child] = [info for info in await team.client.tasks(session=task.session) if info.ref.participant == team.name("broken")]
    assert (child.state, child.reason) == ("failed", "dead_letter")
    await checked_events(team.client, task.session)
    (team.folder / "mended").touch()
    again = await team.client.redrive(child.task)
    assert (await again.result(timeout=PATIENCE)).text == "mended"
    await inbox_empty(team.client, team.name("calls_broken"))
    assert (await (await team.client.send(team.name("calls_broken"), "go", session=task.session)).result(timeout=PATIENCE)).text


@pytest.mark.parametrize("root", ["payer", "calls_payer"])
async def test_row_36_of_two_answers_at_once_by_two_clients_the_first_counts_and_the_other_is_told(
    where: Place, team: Team, root: str
) -> None:
    await team.start("payer", "calls_payer")
    async with connect(where.server.url) as one, connect(where.server.url) as two:
        task = await one.send(team.name(root), "go")
        request = await asked(task)
        said = [(await one.task(task.id), "yes"), (await two.task(task.id), "no: too much")]
        ends = await asyncio.gather(*(seen.reply(word, request=request) for seen, word in said), return_exceptions=True)
        refused = [isinstance(end, AnswerRefused) for end in ends]
        assert sorted(refused) == [False, True], ends
        assert "that is settled" in (await task.result(timeout=PATIENCE)).text
        assert team.lines("paid") == ([] if refused[0] else ["10"])
        answered = [event for event in await checked_events(one, task.session) if isinstance(event.event, e.InputAnswered)]
        assert len({event.ref for event in answered}) == len(answered)


@pytest.mark.parametrize("root", ["payer", "calls_payer"])
async def test_row_36_an_approval_after_the_cancel_is_refused_and_nothing_is_paid(team: Team, root: str) -> None:
    await team.start("payer", "calls_payer")
    task = await team.client.send(team.name(root), "go")
    request = await asked(task)
    await task.cancel("not any more")
    with pytest.raises(AnswerRefused):
        await task.reply("yes", request=request)
    with pytest.raises(TaskCanceled):
        await task.result(timeout=PATIENCE)
    await all_ended(team, task)
    assert not team.lines("paid")


async def test_row_36_an_answer_that_arrives_together_with_the_cancel_is_refused(team: Team) -> None:
    await team.start("payer")
    task = await team.client.send(team.name("payer"), "go")
    request = await asked(task)
    await team.forks.end(team.name("payer"))
    await task.cancel("not any more")
    replying = asyncio.create_task(task.reply("yes", request=request))

    async def stored() -> bool:
        return any([event.type == "task.input" async for event in team.client.history(task.session)])

    await until(stored)
    await team.start("payer")
    with pytest.raises(AnswerRefused):
        async with asyncio.timeout(PATIENCE):
            await replying
    await all_ended(team, task)


async def all_ended(team: Team, task: Task) -> float:
    """Wait until every task of the session has ended; how many seconds that took. The log is checked."""
    began = time.monotonic()

    async def ended() -> bool:
        return all(info.ended_at for info in await team.client.tasks(session=task.session))

    await until(ended)
    took = time.monotonic() - began
    for role in team.roles:
        await inbox_empty(team.client, team.name(role))
    await checked_events(team.client, task.session)
    return took


async def test_row_37_a_cancel_stops_a_model_call_a_tool_a_wait_for_a_person_and_a_fan_out_of_children_within_a_second(
    team: Team,
) -> None:
    await team.start("calls_thinker_doer_painters_hopeless", *("thinker", "doer", "painters", "asker", "hopeless", "endless"))
    task = await team.client.send(team.name("calls_thinker_doer_painters_hopeless"), "go")
    await asked(task)

    async def all_at_work() -> bool:
        states = Counter(info.state for info in await team.client.tasks(session=task.session))
        return set(team.lines("began")) == {"model", "tool"} and states == {"working": WIDTH + 3, "input-required": 3}

    await until(all_at_work)
    await task.cancel("enough")
    assert await all_ended(team, task) < 1.0
    infos = await team.client.tasks(session=task.session)
    assert len(infos) == WIDTH + 6
    assert {info.state for info in infos} == {"canceled"}
    events = await checked_events(team.client, task.session)
    assert types(events).count("tool.unknown") == 1  # the tool that must not run twice was at work
