"""What was once lost between processes: a message that nobody sent, a question that stayed open, an answer nobody was told of."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from busagents import Agent, FunctionContext, FunctionTask, Limits, ToolContext, agent, tool
from busagents.adapters.memory.bus import MemoryBus
from busagents.adapters.memory.inbox import MemoryInbox
from busagents.adapters.memory.store import MemoryStore
from busagents.domain import events as e
from busagents.domain.codec import VERSION, Entry, encode_entry, to_record
from busagents.domain.function_decider import FunctionPolicy
from busagents.domain.messages import assistant, user
from busagents.domain.questions import TOO_LATE, settle_questions
from busagents.domain.state import ThreadState
from busagents.domain.subjects import ThreadRef
from busagents.domain.thread import apply_events
from busagents.domain.tool import Tool
from busagents.errors import ChainBroken, Fenced, TaskFailed
from busagents.ports.model import ModelRequest
from busagents.runtime import suspension
from busagents.runtime.clock import SystemClock
from busagents.runtime.dead_letter import record_dead_letter
from busagents.runtime.job import consumed_at
from busagents.runtime.journal import Journal, OpenThread
from busagents.runtime.outbox import Outbox
from busagents.runtime.outgoing import send_event
from busagents.runtime.thread_runner import ThreadRunner
from busagents.testing import ScriptedModel, call_tools, say
from busagents.testing.scripted_model import Turn
from busagents.tools import handoff_to_user
from tests.support.mortal import Life, MortalBus, leftovers
from tests.support.workers import Process, SlowBus, a_client, process, working

PATIENCE = 10.0


@agent("kid")
async def kid(task: FunctionTask) -> str:
    """Answer in capitals."""
    return task.text.upper()


class Slow:
    """A tool that may run again, and waits until it is let go."""

    def __init__(self) -> None:
        self.runs = 0
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

        @tool(read_only=True)
        async def slow() -> str:
            """Wait."""
            self.runs += 1
            self.begun.set()
            await self.go.wait()
            return "slept"

        self.tool = slow


def both(request: ModelRequest) -> Turn:
    """Call a slow tool and a participant side by side, then say what they said."""
    if request.messages[-1].role == "tool":
        return say(",".join(part.content for part in request.messages[-1].parts if hasattr(part, "content")))
    return call_tools(("slow", {}), ("kid", {"input": "x"})) if request.messages[-1].text == "one" else say("second")


class OneInbox(MemoryBus):
    """A bus whose only inbox can be closed: what is held stays held, what comes goes to others. `answered`: an owner has."""

    opened: MemoryInbox

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store, ack_wait=3600.0)
        self.answered = asyncio.Event()

    async def ask_owner(self, ref: ThreadRef, *, timeout: float) -> bool:
        """See Bus.ask_owner."""
        if answer := await super().ask_owner(ref, timeout=timeout):
            self.answered.set()
        return answer

    async def inbox(self, participant: str, *, credits: int) -> MemoryInbox:
        """See Bus.inbox."""
        self.opened = await super().inbox(participant, credits=credits)
        return self.opened


@pytest.mark.parametrize("third", [False, True], ids=["to the new owner", "to a third process"])
async def test_what_a_dead_process_had_not_sent_is_sent_although_its_message_comes_back_when_another_owns_the_thread(
    third: bool,
) -> None:
    store, slow = MemoryStore(), Slow()
    definition = Agent("a", model=ScriptedModel(both), tools=[slow.tool, kid])
    client = a_client(store)
    async with process(MemoryBus(store, ack_wait=3600.0), kid):
        dying = MortalBus(store, Life(5))  # two entries are stored: the next point is before the child's task is sent
        first = Process(dying, definition)
        await first.ready()
        task = await client.send("a", "one", session="s")
        await asyncio.wait_for(dying.life.dead.wait(), PATIENCE)
        await MemoryBus.close(dying)  # nobody answers for it, but what it held has not come back yet
        bus = OneInbox(store)
        async with process(bus, definition):
            await client.send("a", "two", session="s")
            await asyncio.wait_for(slow.begun.wait(), PATIENCE)  # the second owner goes on, at the message of another task
            if third:
                await bus.opened.close()
                other = OneInbox(store)
                async with process(other, definition):
                    await dying.bury()
                    await asyncio.wait_for(other.answered.wait(), PATIENCE)
                    slow.go.set()
                    assert (await task.result(timeout=PATIENCE)).text == "slept,X"
            else:
                await dying.bury()
                slow.go.set()
                assert (await task.result(timeout=PATIENCE)).text == "slept,X"
    await _end()


async def _end() -> None:
    """What the dead still hold in this process's memory."""
    for left in (stuck := leftovers()):
        left.cancel()
    await asyncio.gather(*stuck, return_exceptions=True)


def asks_then(text: str) -> ScriptedModel:
    """A model that asks the user `text`, then says what it was told."""

    def turn(request: ModelRequest) -> Turn:
        if request.messages[-1].role != "tool":
            return call_tools(("handoff_to_user", {"message": text}))
        return say(",".join(part.content for part in request.messages[-1].parts if hasattr(part, "content")))

    return ScriptedModel(turn)


async def test_a_question_whose_asker_has_ended_is_open_nowhere_above() -> None:
    slow = Slow()
    low = Agent("kid", system="asks", model=asks_then("Which colour?"), tools=[handoff_to_user])
    middle = Agent("middle", system="passes on", model=ScriptedModel(both), tools=[slow.tool, low])

    def turn(request: ModelRequest) -> Turn:
        return say("done") if request.messages[-1].role == "tool" else call_tools(("middle", {"input": "one"}))

    top = Agent("top", model=ScriptedModel(turn), tools=[middle])
    async with working(MemoryStore(), top, middle, low) as client:
        task = await client.send("top", "go", session="s")
        async with asyncio.timeout(PATIENCE):
            assert await task.question() is not None
            child = next(info for info in await client.tasks(session="s") if info.ref.participant == "kid")
            await (await client.task(child.task)).cancel("not needed")
            async for event in client.tail("s"):
                if event.ref.participant == "top" and event.type == "input.answered":
                    break
        assert {info.state for info in await client.tasks(session="s") if info.ref.participant != "kid"} == {"working"}
        slow.go.set()
        assert (await task.result(timeout=PATIENCE)).text == "done"


def begun(*events: e.Event) -> ThreadState:
    """A thread with a task at work, after these events of it."""
    parent = ThreadRef("top", "s", "main")
    submitted = e.TaskSubmitted(user("go"), reply_to=parent, call="c", parent="p")
    first = [submitted, e.TaskStarted("me", "d"), *events]
    return apply_events(ThreadState(ThreadRef("a", "s", "x")), (), [e.Recorded(event, "t", attempt=1) for event in first])


LOW = ThreadRef("low", "s", "y")
DELEGATED = e.TaskDelegated(" / low.1", LOW, user("do"), child="child")
QUESTION = e.TaskQuestion(LOW, "child", " / low.1", "q", assistant("Which?"), "low")


def test_a_question_that_was_heard_and_whose_asker_has_ended_is_not_asked() -> None:
    state = begun(DELEGATED, QUESTION, e.TaskOutcome(LOW, "canceled", call=" / low.1"))
    assert settle_questions(state) == []


def test_a_question_of_a_child_of_an_earlier_call_of_that_name_is_not_heard() -> None:
    state = begun(DELEGATED, replace(QUESTION, child=ThreadRef("low", "s", "earlier")))
    assert settle_questions(state) == []


def test_two_answers_that_name_no_question_and_arrive_together_go_to_one_question_each() -> None:
    asked = [e.InputRequired(name, assistant(name)) for name in ("q1", "q2")]
    answers = [e.Recorded(e.TaskInput("", user(text)), "t", entry=text) for text in ("one", "two", "three")]
    state = apply_events(begun(*asked), (), answers)
    events = [recorded.event for recorded in settle_questions(state)]
    assert events == [e.InputRefused("", "three", TOO_LATE), e.InputAnswered("q1", "one"), e.InputAnswered("q2", "two")]


def test_an_answer_to_a_question_that_was_closed_just_before_is_late() -> None:
    state = begun(DELEGATED, QUESTION, e.InputRequired("q", assistant("Which?"), call=" / low.1", child=LOW, child_task="child"))
    state = apply_events(state, (), [e.Recorded(e.QuestionClosed(" / low.1", "q"), "t")])
    state = apply_events(state, (), [e.Recorded(e.TaskInput("q", user("red")), "t", entry="late")])
    assert [recorded.event for recorded in settle_questions(state)] == [
        e.InputRefused("q", "late", TOO_LATE),
        e.InputAnswered("q"),
    ]


def test_a_cancel_that_overtook_its_task_is_forgotten_once_the_task_is_there() -> None:
    state = apply_events(ThreadState(), (), [e.Recorded(e.TaskCancel("no"), "t"), e.Recorded(e.TaskSubmitted(user("go")), "t")])
    assert state.queue[0].cancel == "no"
    assert state.canceled_ahead == {}


class Rig:
    """A thread `a.s.x` of a function, and what runs it, without a worker around it."""

    def __init__(self) -> None:
        self.ref = ThreadRef("a", "s", "x")
        self.bus = MemoryBus()
        self.outbox = Outbox(self.bus)
        self.journal = Journal(self.bus, SystemClock())
        self.policy = FunctionPolicy("me", "d", Limits(turns=None))

    async def told(self, event: e.Event, task: str, entry: str) -> None:
        """A message for the thread."""
        await send_event(self.bus, self.ref, event, task=task, entry_id=entry)

    async def stored(self, *events: e.Event) -> OpenThread:
        """The thread once an entry with these facts has consumed all messages."""
        thread = await self.journal.open(self.ref)
        consumed = list(thread.incoming.values())
        records = [e.Recorded(event, "t", attempt=1) for event in events]
        await self.journal.append(thread, consumed, records, state=apply_events(thread.state, consumed, records))
        return thread

    def runner(self, thread: OpenThread) -> ThreadRunner:
        """What works on it. Nothing here has an effect to perform."""
        return ThreadRunner(thread, self.journal, self.outbox, self.policy, None, SystemClock())  # type: ignore[arg-type]


PARENT = ThreadRef("top", "s", "main")
SUBMITTED = e.TaskSubmitted(user("go"), reply_to=PARENT, call="c", parent="p")


async def test_a_late_answer_that_is_taken_in_while_draining_is_left_to_another_process() -> None:
    rig = Rig()
    await rig.told(e.TaskInput("q", user("red")), "t", "late")
    runner = rig.runner(await rig.journal.open(rig.ref))
    runner.drain()
    assert await runner.run(takeover=False) is False


async def test_a_task_that_was_canceled_beside_a_child_that_is_nobody_ends() -> None:
    rig = Rig()
    await rig.told(SUBMITTED, "t", "in")
    await rig.stored(e.TaskStarted("me", "d"), DELEGATED, e.ToolSuspended(""))
    await rig.told(e.TaskCancel("no"), "t", "stop")
    runner = rig.runner(await rig.journal.open(rig.ref))
    assert await runner.run(takeover=False, resend=1) is True
    assert runner.state.task_state("t") == "canceled"


async def test_the_end_of_a_task_is_told_although_its_message_became_a_dead_letter_afterwards() -> None:
    rig = Rig()
    inbox = await rig.bus.inbox("a", credits=1)
    await rig.told(SUBMITTED, "t", "in")
    delivery = await anext(aiter(inbox.deliveries()))
    await rig.stored(e.TaskStarted("me", "d"), e.TaskCompleted(assistant("done")))
    await record_dead_letter(rig.journal, rig.outbox, delivery, "it broke")
    told = [item.kind async for item in rig.bus.log.read_thread(PARENT)]
    assert told == ["in"]


async def test_who_loses_every_race_for_a_thread_before_it_begins_tries_again_at_once() -> None:
    store = MemoryStore()
    bus = SlowBus(store)
    bus.log.refusals = [Fenced("somebody else was faster")] * 3
    async with process(bus, kid):
        assert (await (await a_client(store).send("kid", "x")).result(timeout=PATIENCE)).text == "X"


async def test_who_is_given_no_tokens_calls_no_model() -> None:
    @agent("boss")
    async def boss(task: FunctionTask, ctx: FunctionContext) -> str:
        first = await ctx.call("worker", "one")
        return f"{first} {await ctx.call('worker', 'two')}"

    model = ScriptedModel([say("first"), say("second")])
    async with working(MemoryStore(), boss, Agent("worker", model=model)) as client:
        task = await client.send("boss", "go", limits=Limits(total_tokens=1))
        with pytest.raises(TaskFailed, match="limit_total_tokens"):
            await task.result(timeout=PATIENCE)


def using(one: Tool) -> Agent:
    """An agent that calls its tool once, then says what it was told."""

    def turn(request: ModelRequest) -> Turn:
        if request.messages[-1].role != "tool":
            return call_tools((one.name, {}))
        return say(",".join(part.content for part in request.messages[-1].parts if hasattr(part, "content")))

    return Agent("a", model=ScriptedModel(turn), tools=[one])


async def test_an_answer_never_goes_to_another_question_although_the_tool_comes_to_that_one_first_when_it_runs_again() -> None:
    ran: list[str] = []

    @tool
    async def order(ctx: ToolContext) -> str:
        """Order."""
        ran.append("run")

        async def cached(question: str) -> str:
            if len(ran) == 1:
                await asyncio.sleep(3600)  # slow at first, there at once from then on
            answer: str = await ctx.ask(question)
            return answer

        async def at_once(question: str) -> str:
            answer: str = await ctx.ask(question)
            return answer

        size, colour = await asyncio.gather(cached("Which size?"), at_once("Which colour?"))
        return f"{size} and {colour}"

    async with working(MemoryStore(), using(order)) as client:
        task = await client.send("a", "go")
        answers = {"Which size?": "large", "Which colour?": "red"}
        async with asyncio.timeout(PATIENCE):
            for _ in range(2):
                question = await task.question()
                assert question is not None
                await task.reply(answers[question.text], request=question.request)
        assert (await task.result(timeout=PATIENCE)).text == "large and red"


async def test_results_of_calls_side_by_side_stay_with_their_messages_when_they_are_made_in_another_order() -> None:
    ran: list[str] = []

    @agent("chief")
    async def chief(task: FunctionTask, ctx: FunctionContext) -> str:
        ran.append("run")
        texts = ["a", "b"] if len(ran) == 1 else ["b", "a"]
        answers = await asyncio.gather(*(ctx.call("kid", text) for text in texts))
        return ",".join(f"{text}={answer}" for text, answer in sorted(zip(texts, answers, strict=True)))

    async with working(MemoryStore(), chief, kid) as client:
        assert (await (await client.send("chief", "go")).result(timeout=PATIENCE)).text == "a=A,b=B"


async def test_a_tool_that_catches_its_own_stop_and_asks_again_has_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspension, "_STOP_GRACE", 0.1)

    @tool
    async def stubborn(ctx: ToolContext) -> str:
        """Ask, and ask again when stopped."""
        try:
            return f"heard {await ctx.ask('Well?')}"
        except asyncio.CancelledError:
            return f"heard {await ctx.ask('Really?')}"

    async with working(MemoryStore(), using(stubborn)) as client:
        task = await client.send("a", "go")
        async with asyncio.timeout(PATIENCE):
            assert await task.question() is not None
        assert len(await task.questions()) == 1
        await task.reply("yes")
        assert (await task.result(timeout=PATIENCE)).text == "heard yes"


async def test_a_default_that_cannot_be_stored_is_the_tools_own_error() -> None:
    @tool
    async def wrong(ctx: ToolContext) -> str:
        """Ask wrongly."""
        return str(await ctx.ask("Well?", timeout=1.0, default=object()))

    async with working(MemoryStore(), using(wrong)) as client:
        text = (await (await client.send("a", "go")).result(timeout=PATIENCE)).text
        assert "InvalidInput: the default is a object that cannot be stored" in text


async def test_a_sequential_tool_that_has_its_answer_goes_on_once_no_other_tool_runs() -> None:
    slow = Slow()

    @tool(sequential=True)
    async def ask(ctx: ToolContext) -> str:
        """Ask."""
        return f"{await ctx.ask('Well?')} while {'nothing' if slow.go.is_set() else 'slow'} runs"

    def turn(request: ModelRequest) -> Turn:
        if request.messages[-1].role != "tool":
            return call_tools(("ask", {}), ("slow", {}))
        return say(",".join(part.content for part in request.messages[-1].parts if hasattr(part, "content")))

    async with working(MemoryStore(), Agent("a", model=ScriptedModel(turn), tools=[ask, slow.tool])) as client:
        task = await client.send("a", "go")
        await asyncio.wait_for(slow.begun.wait(), PATIENCE)
        await task.reply("yes")
        started = [item.event async for item in client.history(task.session) if isinstance(item.event, e.ToolStarted)]
        assert [event.name for event in started] == ["ask", "slow"]
        slow.go.set()
        assert (await task.result(timeout=PATIENCE)).text == "yes while nothing runs,slept"


async def test_a_message_that_names_its_id_in_its_body_only_is_known_by_it_when_it_comes_again() -> None:
    rig = Rig()
    inbox = await rig.bus.inbox("a", credits=2)
    await rig.told(SUBMITTED, "t", "in")
    await rig.stored(e.TaskStarted("me", "d"))
    body = encode_entry(Entry(v=VERSION, id="timer", events=(to_record(e.Recorded(e.TimerFired("x"), "t")),)))
    await rig.bus.set_timer(rig.ref, "x", seconds=0, body=body)
    deliveries = aiter(inbox.deliveries())
    await anext(deliveries)
    timer = await anext(deliveries)
    assert timer.message.entry_id is None
    assert consumed_at(await rig.journal.open(rig.ref), timer) is None
    assert consumed_at(await rig.stored(), timer) == 2


def test_an_answer_to_a_question_that_was_not_asked_says_that_the_log_was_altered() -> None:
    with pytest.raises(ChainBroken, match="did not ask"):
        begun(e.InputAnswered("q", "entry"))
