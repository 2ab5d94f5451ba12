"""People: questions and approvals wait in the log, not in a process; the first answer counts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from busagents import Agent, FunctionContext, FunctionTask, Person, ToolContext, agent, tool
from busagents.adapters.memory.store import MemoryStore
from busagents.domain import events as e
from busagents.errors import AnswerRefused, InvalidInput, TaskCanceled
from busagents.ports.model import ModelRequest
from busagents.runtime.client.client import Client
from busagents.runtime.client.task import Task
from busagents.testing import ScriptedModel, call_tools, say
from busagents.testing.scripted_model import Turn
from busagents.tools import handoff_to_user
from tests.support.workers import working

PATIENCE = 10.0


def results(request: ModelRequest) -> str:
    """The tool results at the end of the conversation."""
    return " | ".join(part.content for part in request.messages[-1].parts if hasattr(part, "content"))


def calling(name: str, **arguments: Any) -> ScriptedModel:
    """A model that calls one tool, then says what it was told."""

    def turn(request: ModelRequest) -> Turn:
        return say(results(request)) if request.messages[-1].role == "tool" else call_tools((name, arguments))

    return ScriptedModel(turn)


@tool
async def pay(amount: int, account: str = "main") -> str:
    """Pay."""
    return f"paid {amount} from {account}"


async def asked(task: Task) -> str:
    """The text of what the task asks next."""
    async with asyncio.timeout(PATIENCE):
        question = await task.question()
    assert question is not None
    return question.text


async def facts(client: Client, session: str, participant: str) -> list[str]:
    """The types of a participant's own facts."""
    return [item.type async for item in client.history(session) if item.ref.participant == participant and item.kind == "ev"]


async def test_a_tool_asks_and_the_answer_is_what_it_goes_on_with() -> None:
    ran: list[str] = []

    @tool
    async def book(ctx: ToolContext) -> str:
        """Book."""
        ran.append("before")
        city = await ctx.ask("Which city?")
        nights = await ctx.ask("How many nights?", schema=int)
        return f"{nights} nights in {city}"

    async with working(MemoryStore(), Agent("a", model=calling("book"), tools=[book])) as client:
        task = await client.send("a", "go")
        assert await asked(task) == "Which city?"
        assert (await client.task_info(task.id)).state == "input-required"
        await task.reply("Portland")
        assert await asked(task) == "How many nights?"
        with pytest.raises(AnswerRefused, match="integer"):
            await task.reply({"nights": 3})
        await task.reply("3")
        assert (await task.result(timeout=PATIENCE)).text == "3 nights in Portland"
        assert ran == ["before"] * 3  # it runs again from its beginning, with the answers there


async def test_a_sync_tool_asks_too() -> None:
    @tool
    def choose(ctx: ToolContext) -> str:
        """Choose."""
        return f"chose {ctx.ask('Tea or coffee?')}"

    async with working(MemoryStore(), Agent("a", model=calling("choose"), tools=[choose])) as client:
        task = await client.send("a", "go")
        assert await asked(task) == "Tea or coffee?"
        await task.reply("tea")
        assert (await task.result(timeout=PATIENCE)).text == "chose tea"


async def test_nothing_runs_and_nothing_is_held_while_a_question_waits_and_everything_may_restart() -> None:
    store = MemoryStore()
    definition = Agent("a", model=calling("handoff_to_user", message="May I?"), tools=[handoff_to_user])
    async with working(store, definition) as client:
        task = await client.send("a", "go", session="s")
        assert await asked(task) == "May I?"
    async with working(store, definition) as client:
        again = await client.task(task.id)
        await again.reply("you may")
        assert (await again.result(timeout=PATIENCE)).text == "you may"
    assert (await facts(client, "s", "a")).count("task.started") == 1  # nobody took over anything: nobody was at work


async def test_the_first_answer_wins_and_a_later_one_is_told_so() -> None:
    definition = Agent("a", model=calling("handoff_to_user", message="Yes or no?"), tools=[handoff_to_user])
    async with working(MemoryStore(), definition) as client:
        task = await client.send("a", "go")
        async with asyncio.timeout(PATIENCE):
            question = await task.question()
        assert question is not None
        both = await asyncio.gather(
            task.reply("yes", request=question.request), task.reply("no", request=question.request), return_exceptions=True
        )
        refused = [isinstance(one, AnswerRefused) for one in both]
        assert sorted(refused) == [False, True]
        assert (await task.result(timeout=PATIENCE)).text == ("no" if refused[0] else "yes")
        with pytest.raises(AnswerRefused, match="not open"):
            await task.reply("maybe", request=question.request)
        with pytest.raises(InvalidInput, match="waits for no answer"):
            await task.reply("maybe")


async def test_an_answer_after_a_cancel_is_told_so() -> None:
    definition = Agent("a", model=calling("handoff_to_user", message="Well?"), tools=[handoff_to_user])
    async with working(MemoryStore(), definition) as client:
        task = await client.send("a", "go")
        async with asyncio.timeout(PATIENCE):
            question = await task.question()
        assert question is not None
        await task.cancel("not any more")
        with pytest.raises(TaskCanceled):
            await task.result(timeout=PATIENCE)
        with pytest.raises(AnswerRefused):
            await task.reply("too late", request=question.request)


async def test_a_person_may_be_left_with_a_message_instead_of_a_question() -> None:
    model = ScriptedModel([call_tools(("handoff_to_user", {"message": "Over to you.", "breakout_of_loop": True})), say("never")])
    async with working(MemoryStore(), Agent("a", model=model, tools=[handoff_to_user])) as client:
        task = await client.send("a", "go")
        assert (await task.result(timeout=PATIENCE)).text == "Over to you."


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("yes", "paid 10 from main"),
        ({"decision": "approve"}, "paid 10 from main"),
        ({"decision": "edit", "arguments": {"amount": 5}}, "paid 5 from main"),
        ("no: too much", "A person rejected this call: too much"),
        ({"decision": "reject", "reason": "not today"}, "A person rejected this call: not today"),
        ("use the other account", "A person rejected this call: use the other account"),
    ],
)
async def test_a_tool_that_needs_approval_runs_as_the_person_says(answer: Any, told: str) -> None:
    guarded = tool(approval=True)(pay.fn)
    async with working(MemoryStore(), Agent("a", model=calling("pay", amount=10), tools=[guarded])) as client:
        task = await client.send("a", "go")
        assert "pay" in await asked(task)
        assert "tool.started" not in await facts(client, task.session, "a")
        await task.reply(answer)
        assert told in (await task.result(timeout=PATIENCE)).text


@pytest.mark.parametrize(("amount", "needed"), [(10, False), (1000, True)])
async def test_a_function_of_the_arguments_says_whether_approval_is_needed_and_that_is_recorded(
    amount: int, needed: bool
) -> None:
    guarded = tool(approval=lambda arguments: arguments["amount"] > 100)(pay.fn)
    async with working(MemoryStore(), Agent("a", model=calling("pay", amount=amount), tools=[guarded])) as client:
        task = await client.send("a", "go")
        if needed:
            await asked(task)
            await task.reply("ok")
        assert (await task.result(timeout=PATIENCE)).text == f"paid {amount} from main"
        decided = [item.event async for item in client.history(task.session) if isinstance(item.event, e.ApprovalDecided)]
        assert [event.required for event in decided] == [needed]


async def test_a_condition_on_approval_that_fails_asks_the_person() -> None:
    guarded = tool(approval=lambda arguments: arguments["nothing"] > 100)(pay.fn)
    async with working(MemoryStore(), Agent("a", model=calling("pay", amount=1), tools=[guarded])) as client:
        task = await client.send("a", "go")
        await asked(task)
        await task.reply("yes")
        await task.result(timeout=PATIENCE)


async def test_a_question_travels_up_to_the_root_and_the_answer_down() -> None:
    low = Agent("low", system="asks", model=calling("handoff_to_user", message="Which colour?"), tools=[handoff_to_user])
    middle = Agent("middle", system="passes on", model=calling("low", input="paint"), tools=[low])
    top = Agent("top", model=calling("middle", input="paint the house"), tools=[middle])
    async with working(MemoryStore(), top, middle, low) as client:
        task = await client.send("top", "go")
        async with asyncio.timeout(PATIENCE):
            question = await task.question()
        assert question is not None
        assert (question.text, question.asker) == ("Which colour?", "low")
        states = [info.state for info in await client.tasks(session=task.session)]
        assert states == ["input-required"] * 3
        await task.reply("green")
        assert (await task.result(timeout=PATIENCE)).text == "green"
        assert [info.state for info in await client.tasks(session=task.session)] == ["completed"] * 3


async def test_an_answer_given_further_down_closes_the_question_above() -> None:
    low = Agent("low", system="asks", model=calling("handoff_to_user", message="Which colour?"), tools=[handoff_to_user])
    top = Agent("top", model=calling("low", input="paint"), tools=[low])
    async with working(MemoryStore(), top, low) as client:
        task = await client.send("top", "go")
        await asked(task)
        child = next(info for info in await client.tasks(session=task.session) if info.ref.participant == "low")
        await client.reply(child.task, "blue")
        assert (await task.result(timeout=PATIENCE)).text == "blue"


async def test_a_person_stands_where_an_agent_can() -> None:
    boss = Person("boss", description="Decides.")
    top = Agent("top", model=calling("boss", input="May we start?"), tools=[boss])
    async with working(MemoryStore(), top, boss) as client:
        task = await client.send("top", "go")
        assert await asked(task) == "May we start?"
        await task.reply("start on Monday")
        assert (await task.result(timeout=PATIENCE)).text == "start on Monday"


async def test_a_question_without_an_answer_in_time_has_its_default() -> None:
    @tool
    async def book(ctx: ToolContext) -> str:
        """Book."""
        return f"seat: {await ctx.ask('Window or aisle?', timeout=0.2, default='window')}"

    top = Agent(
        "top",
        model=calling("low", input="book"),
        tools=[low := Agent("low", system="books", model=calling("book"), tools=[book])],
    )
    async with working(MemoryStore(), top, low) as client:
        task = await client.send("top", "go")
        assert (await task.result(timeout=PATIENCE)).text == "seat: window"
        assert "input.answered" in await facts(client, task.session, "top")  # nobody above waits for it any more


async def test_a_function_asks_a_person_and_calls_participants_side_by_side() -> None:
    begun: list[str] = []

    @agent("worker")
    async def worker(task: FunctionTask) -> str:
        return task.text.upper()

    @agent("chief")
    async def chief(task: FunctionTask, ctx: FunctionContext) -> str:
        begun.append("run")
        one, two = await asyncio.gather(ctx.call(worker, "a"), ctx.call("worker", "b"))
        last = await ctx.ask("And the last?")
        return f"{one}{two}{last}"

    async with working(MemoryStore(), chief, worker) as client:
        task = await client.send("chief", "go")
        assert await asked(task) == "And the last?"
        await task.reply("c")
        assert (await task.result(timeout=PATIENCE)).text == "ABc"
        assert begun == ["run"] * 3  # at first, when both answers were there, and with the person's
        started = [info for info in await client.tasks(session=task.session) if info.ref.participant == "worker"]
        assert len(started) == 2


@pytest.mark.parametrize(
    ("schema", "answer", "value"),
    [
        (str, "Portland", "Portland"),
        (str, '"Portland"', "Portland"),
        (bool, "Yes.", True),
        (bool, "no", False),
        (bool, "true", True),
        (int, "3", 3),
        ({"enum": ["red", "green"]}, "green", "green"),
    ],
)
async def test_an_answer_in_words_is_read_as_what_was_asked_for(schema: Any, answer: str, value: Any) -> None:
    got: list[Any] = []

    @tool
    async def choose(ctx: ToolContext) -> str:
        """Choose."""
        got.append(await ctx.ask("Well?", schema=schema))
        return "chosen"

    async with working(MemoryStore(), Agent("a", model=calling("choose"), tools=[choose])) as client:
        task = await client.send("a", "go")
        await asked(task)
        await task.reply(answer)
        await task.result(timeout=PATIENCE)
        assert got == [value]
