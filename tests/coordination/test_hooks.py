"""Hooks: each point with each decision, on a bus; what they decide is in the log, which folds without them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from busagents import Agent, FunctionTask, ToolContext, agent, tool
from busagents.adapters.memory.store import MemoryStore
from busagents.domain import events as e
from busagents.domain.hooks import POINTS, Edit, End, HookContext, Hooks, Veto
from busagents.domain.messages import FilePart, Message, TextPart, ToolCallPart, Usage, assistant, user
from busagents.domain.state import ThreadState
from busagents.errors import DefinitionError, InvalidInput, TaskFailed
from busagents.ports.model import ModelRequest
from busagents.runtime.performer import Delta
from busagents.testing import ScriptedModel, call_tools, fail, say
from busagents.testing.scripted_model import Turn
from tests.support.workers import working


class Ended(NamedTuple):
    """A task's end, as the log has it."""

    text: str
    failed: str
    facts: list[str]
    decided: list[e.HookDecided]
    state: ThreadState
    usage: Usage
    events: list[Any]


def guard(name: str = "Guard", **said: Any) -> Hooks:
    """A hook that says at each point what it is told to: a decision, or a function of what it is shown."""

    def method(answer: Any) -> Callable[..., Any]:
        return lambda self, ctx, *shown: answer(*shown) if callable(answer) else answer

    made: Hooks = type(name, (Hooks,), {point: method(answer) for point, answer in said.items()})()
    return made


def raises(*shown: object) -> None:
    raise ValueError("the rules are not there")


@tool(idempotent=True)
def shout(text: str) -> str:
    """Answer in capitals."""
    return text.upper()


class Echo:
    """Models that keep what they were asked."""

    def __init__(self, *turns: Turn) -> None:
        self.asked: list[ModelRequest] = []
        self._script = turns
        self.model = ScriptedModel(self._turn)

    def _turn(self, request: ModelRequest) -> Turn:
        self.asked.append(request)
        return self._script[min(len(self.asked), len(self._script)) - 1]

    @property
    def told(self) -> str:
        """The last thing that was said to it."""
        return "".join(getattr(part, "text", "") or getattr(part, "content", "") for part in self.asked[-1].messages[-1].parts)


async def ended(echo: Echo, *hooks: Hooks, text: str | Message = "go", **send: Any) -> Ended:
    """Run a task to its end. What the log folds to is the same in a process whose agent has no hooks."""
    store = MemoryStore()
    async with working(store, Agent("a", model=echo.model, tools=[shout], hooks=hooks)) as client:
        task = await client.send("a", text, **send)
        try:
            said, failed = (await task.result(timeout=10)).text, ""
        except TaskFailed as error:
            said, failed = str(error), error.reason
        events = [item.event async for item in client.history(task.session)]
        state = next(iter((await client.replay(task.session)).threads.values()))
    outcome = state.finished.get(task.id)
    assert outcome is not None
    async with working(store, Agent("a", model=ScriptedModel([say("without hooks")]))) as client:
        again = await client.send("a", "and now?", session=task.session)
        assert (await again.result(timeout=10)).text == "without hooks"
        later = next(iter((await client.replay(task.session)).threads.values()))
        assert later.finished.get(task.id) == outcome
        assert list(later.messages)[: len(state.messages)] == list(state.messages)
    decided = [event for event in events if isinstance(event, e.HookDecided)]
    return Ended(said, failed, [event.type for event in events], decided, state, outcome.usage, events)


# Tasks


async def test_an_edit_before_the_task_is_what_the_model_reads() -> None:
    echo = Echo(say("done"))
    end = await ended(echo, guard(before_task=Edit("go, politely", reason="manners")))
    assert (end.text, echo.told) == ("done", "go, politely")
    assert end.decided == [e.HookDecided("before_task", "Guard", "edit", reason="manners", message=user("go, politely"))]
    assert end.facts[:4] == ["task.submitted", "task.started", "hook.decided", "model.requested"]
    assert end.state.messages[0] == user("go, politely")


async def test_an_edit_to_a_text_leaves_the_files_beside_it_and_an_edit_to_a_message_replaces_all() -> None:
    file = FilePart("text/plain", "a.txt", base64="YQ==")
    request = Message("user", (TextPart("one "), file, TextPart("two")))
    await ended(echo := Echo(say("x")), guard(before_task=Edit("three")), text=request)
    assert echo.asked[0].messages[0] == Message("user", (TextPart("three"), file))
    await ended(echo := Echo(say("x")), guard(before_task=Edit(user("four"))), text=request)
    assert echo.asked[0].messages[0] == user("four")


async def test_a_veto_before_the_task_fails_it_and_no_model_is_called() -> None:
    echo = Echo(say("done"))
    end = await ended(echo, guard(before_task=Veto("not on Sundays")))
    assert (end.failed, echo.asked) == ("vetoed", [])
    assert "Guard vetoed the task: not on Sundays" in end.text
    assert end.facts == ["task.submitted", "task.started", "hook.decided", "task.failed"]


async def test_an_end_before_the_task_is_its_answer_and_no_model_is_called() -> None:
    echo = Echo(say("done"))
    end = await ended(echo, guard(before_task=End("from the cache")))
    assert (end.text, echo.asked, end.usage) == ("from the cache", [], Usage())
    assert list(end.state.messages) == [user("go"), assistant("from the cache")]


async def test_an_end_before_the_task_must_fit_the_schema_asked_for() -> None:
    end = await ended(Echo(say("1")), guard(before_task=End("3")), output_type=int)
    assert end.text == "3"
    end = await ended(Echo(say("1")), guard(before_task=End("three")), output_type=int)
    assert end.failed == "output_invalid"
    assert "Guard" in end.text


async def test_a_hook_that_lets_a_task_pass_is_recorded_so_that_it_is_not_asked_again() -> None:
    end = await ended(Echo(say("done")), guard(before_task=None, after_task=None))
    assert end.decided == [e.HookDecided("before_task", "", "pass"), e.HookDecided("after_task", "", "pass")]
    assert end.facts[-2:] == ["hook.decided", "task.completed"]


async def test_an_edit_after_the_task_is_the_answer_and_what_the_conversation_keeps() -> None:
    end = await ended(Echo(say("secret 42")), guard(after_task=lambda message: Edit(message.text.replace("42", "…"))))
    assert end.text == "secret …"
    assert end.state.messages[-1] == assistant("secret …")


async def test_an_end_after_the_task_is_the_answer_and_no_further_hook_is_asked() -> None:
    end = await ended(Echo(say("x")), guard("First", after_task=Edit("never")), guard("Last", after_task=End("enough")))
    assert end.text == "enough"
    assert [decided.hook for decided in end.decided] == ["Last"]


async def test_a_veto_after_the_task_fails_it_with_the_tokens_it_took() -> None:
    end = await ended(Echo(say("rude words")), guard(after_task=Veto("rude")))
    assert (end.failed, end.usage) == ("vetoed", Usage(10, 5))
    assert "Guard vetoed the answer: rude" in end.text
    assert end.facts[-2:] == ["hook.decided", "task.failed"]


async def test_hooks_after_the_task_see_an_answer_only_once_it_fits_the_schema_and_their_edit_is_checked_too() -> None:
    seen: list[str] = []
    echo = Echo(say("no"), say("2"), say("4"))
    end = await ended(
        echo,
        guard(after_task=lambda message: seen.append(message.text) or (Edit("two") if message.text == "2" else None)),
        output_type=int,
    )
    assert (end.text, seen) == ("4", ["2", "4"])
    assert "does not fit the JSON Schema asked for" in echo.told
    assert end.state.messages[-3] == assistant("two")


async def test_an_answer_that_a_tool_gave_does_not_pass_the_hooks_after_the_task() -> None:
    echo = Echo(call_tools(("shout", {"text": "a"})))
    end = await ended(echo, guard(before_tool=End("by the hook"), after_task=Veto("never asked")))
    assert end.text == "by the hook"


# Model calls


async def test_an_edit_before_the_model_is_a_note_for_this_call_that_the_conversation_does_not_keep() -> None:
    echo = Echo(call_tools(("shout", {"text": "a"})), say("done"))
    end = await ended(echo, guard("One", before_model=Edit("be brief")), guard("Two", before_model=Edit("be kind")))
    assert [message.text for message in echo.asked[0].messages] == ["go", "be brief", "be kind"]
    assert [message.text for message in echo.asked[1].messages[-2:]] == ["be brief", "be kind"]
    assert len(echo.asked[1].messages) == 5
    assert end.decided[:2] == [
        e.HookDecided("before_model", "One", "edit", data={"note": "be brief"}),
        e.HookDecided("before_model", "Two", "edit", data={"note": "be kind"}),
    ]
    assert [message.role for message in end.state.messages] == ["user", "assistant", "tool", "assistant"]


async def test_a_veto_before_the_model_fails_the_task_without_a_call_or_a_retry() -> None:
    echo = Echo(say("done"))
    end = await ended(echo, guard(before_model=Veto("the budget is spent")))
    assert (end.failed, echo.asked) == ("vetoed", [])
    assert "Guard vetoed the model call: the budget is spent" in end.text
    assert end.facts == ["task.submitted", "task.started", "model.requested", "hook.decided", "model.failed", "task.failed"]


async def test_an_end_before_the_model_is_its_answer_and_no_call_is_made() -> None:
    echo = Echo(say("done"))
    end = await ended(echo, guard(before_model=End("cached"), after_model=Veto("never asked"), after_task=Edit("cached!")))
    assert (end.text, echo.asked, end.usage) == ("cached!", [], Usage())
    completed = next(event for event in end.events if isinstance(event, e.ModelCompleted))
    assert (completed.message, completed.usage, completed.stop_reason) == (assistant("cached"), Usage(), "stop")


async def test_each_attempt_of_a_model_call_passes_the_hooks() -> None:
    attempts: list[int] = []

    class Counting(Hooks):
        async def before_model(self, ctx: HookContext, request: ModelRequest) -> Edit:
            attempts.append(ctx.attempt)
            return Edit("try")

    end = await ended(Echo(fail("overloaded", retry_after=0.01), say("done")), Counting())
    assert (end.text, attempts) == ("done", [1, 2])
    assert end.facts[3:5] == ["hook.decided", "model.failed"]


async def test_an_edit_after_the_model_is_all_that_the_log_has() -> None:
    end = await ended(Echo(say("password 1234")), guard(after_model=Edit("password ****", reason="secret")))
    assert end.text == "password ****"
    assert end.decided == [e.HookDecided("after_model", "Guard", "edit", reason="secret")]
    assert "1234" not in repr(end.events)


async def test_an_edit_after_the_model_to_a_text_keeps_its_tool_calls_and_to_a_message_those_it_has() -> None:
    asks = call_tools(("shout", {"text": "a"}), text="Now")
    end = await ended(Echo(asks, say("done")), guard(after_model=lambda message: Edit("Well") if message.tool_calls else None))
    assert [part.content for part in end.state.messages[2].parts if hasattr(part, "content")] == ["A"]
    assert end.state.messages[1].text == "Well"
    end = await ended(Echo(asks), guard(after_model=Edit(assistant("No tools today"))))
    assert end.text == "No tools today"
    other = assistant("", [ToolCallPart("mine", "shout", '{"text": "b"}')])
    end = await ended(Echo(say("hm"), say("done")), guard(after_model=lambda m: Edit(other) if m.text == "hm" else None))
    assert [part.content for part in end.state.messages[2].parts if hasattr(part, "content")] == ["B"]


async def test_an_end_after_the_model_is_what_it_said_and_no_tool_runs() -> None:
    end = await ended(Echo(call_tools(("shout", {"text": "a"}))), guard(after_model=End("that is all")))
    assert end.text == "that is all"
    assert "tool.started" not in end.facts


async def test_a_veto_after_the_model_fails_the_task_without_a_retry_and_its_tokens_are_counted() -> None:
    echo = Echo(say("rude"))
    end = await ended(echo, guard(after_model=Veto("rude")))
    assert (end.failed, len(echo.asked), end.usage) == ("vetoed", 1, Usage(10, 5))
    assert "Guard vetoed the model's message: rude" in end.text
    assert end.facts[-3:] == ["hook.decided", "model.failed", "task.failed"]


@pytest.mark.parametrize(("hooks", "shown"), [((), True), ((guard(after_model=None),), False)], ids=["without", "with"])
async def test_text_is_not_shown_while_the_model_speaks_if_a_hook_may_still_change_it(
    hooks: tuple[Hooks, ...], shown: bool
) -> None:
    model = ScriptedModel([say("abcdefgh")], chunk_chars=1, chunk_delay=0.03)
    async with working(MemoryStore(), Agent("a", model=model, hooks=hooks)) as client:
        task = await client.send("a", "go")
        deltas = [item.text async for item in task.stream() if isinstance(item, Delta)]
        assert any(deltas) is shown
        assert (await task.result(timeout=10)).text == "abcdefgh"


# Tool calls


SHOUTS = (call_tools(("shout", {"text": "a"})), say("done"))


async def test_an_edit_before_a_tool_changes_what_it_gets_and_the_model_is_told() -> None:
    echo = Echo(*SHOUTS)
    end = await ended(echo, guard(before_tool=lambda name, arguments: Edit(arguments={"text": arguments["text"] + "b"})))
    assert echo.told == 'A hook changed this call\'s arguments to {"text":"ab"}. Its result:\nAB'
    assert end.decided == [e.HookDecided("before_tool", "Guard", "edit", "call_0_0", data={"arguments": {"text": "ab"}})]
    assert end.facts[4:7] == ["tool.started", "hook.decided", "tool.completed"]


async def test_a_veto_before_a_tool_is_told_to_the_model_and_the_tool_does_not_run() -> None:
    ran: list[str] = []

    @tool(name="shout")
    def never(text: str) -> str:
        """Never."""
        ran.append(text)
        return text

    echo = Echo(*SHOUTS)
    boss = Agent("a", model=echo.model, tools=[never], hooks=[guard(before_tool=Veto("quiet hours"))])
    async with working(MemoryStore(), boss) as client:
        task = await client.send("a", "go")
        assert (await task.result(timeout=10)).text == "done"
        failed = [item.event async for item in client.history(task.session) if isinstance(item.event, e.ToolFailed)]
    assert (ran, [event.code for event in failed]) == ([], ["vetoed"])
    assert echo.told == "Guard vetoed this call: quiet hours\nThe tool was not run."


async def test_an_end_before_a_tool_is_the_tasks_answer() -> None:
    echo = Echo(*SHOUTS)
    end = await ended(echo, guard(before_tool=End("known already")))
    assert (end.text, len(echo.asked)) == ("known already", 1)
    completed = next(event for event in end.events if isinstance(event, e.ToolCompleted))
    assert completed.ends_task
    assert completed.content == "known already"


async def test_an_edit_after_a_tool_is_what_the_model_is_told() -> None:
    echo = Echo(*SHOUTS)
    end = await ended(echo, guard(after_tool=lambda name, arguments, result: Edit(f"{name}{arguments}={result}")))
    assert echo.told == "shout{'text': 'a'}=A"
    assert end.decided == [e.HookDecided("after_tool", "Guard", "edit", "call_0_0")]


async def test_a_veto_after_a_tool_tells_the_model_that_it_ran() -> None:
    echo = Echo(*SHOUTS)
    end = await ended(echo, guard(after_tool=Veto("too loud")))
    assert echo.told == "Guard vetoed this call's result: too loud\nThe tool has run: it may have taken effect."
    assert next(event for event in end.events if isinstance(event, e.ToolFailed)).code == "vetoed"


async def test_an_end_after_a_tool_is_the_tasks_answer() -> None:
    end = await ended(Echo(*SHOUTS), guard(after_tool=lambda name, arguments, result: End(result)))
    assert end.text == "A"


async def test_arguments_that_no_tool_accepts_and_calls_that_fail_do_not_pass_the_hooks() -> None:
    for arguments in ("[1]", "{", '{"txt": 1}'):
        hook = guard(before_tool=None, after_tool=Veto("never asked"))
        end = await ended(Echo(call_tools(("shout", arguments)), say("done")), hook)
        assert next(event for event in end.events if isinstance(event, e.ToolFailed)).code == "invalid_arguments"


async def test_a_hook_may_mend_arguments_before_they_are_checked() -> None:
    echo = Echo(call_tools(("shout", {"txt": "a"})), say("done"))
    await ended(echo, guard(before_tool=lambda name, arguments: Edit(arguments={"text": arguments["txt"]})))
    assert echo.told.endswith("\nA")


async def test_what_a_hook_does_to_the_arguments_it_is_shown_changes_nothing() -> None:
    seen: list[Any] = []

    def spoil(name: str, arguments: dict[str, Any]) -> None:
        seen.append(dict(arguments))
        arguments.clear()

    echo = Echo(*SHOUTS)
    await ended(echo, guard(before_tool=spoil), guard(before_tool=spoil))
    assert (seen, echo.told) == ([{"text": "a"}] * 2, "A")


async def test_a_tool_that_stops_to_ask_passes_the_hooks_again_when_it_runs_again() -> None:
    attempts: list[int] = []

    class Counting(Hooks):
        def before_tool(self, ctx: HookContext, name: str, arguments: dict[str, Any]) -> Edit:
            attempts.append(ctx.attempt)
            return Edit(arguments={"text": arguments["text"] + "!"})

    @tool(name="shout", approval=True)
    async def ask(text: str, ctx: ToolContext) -> str:
        """Ask."""
        return f"{text} {await ctx.ask('Really?')}"

    echo = Echo(*SHOUTS)
    async with working(MemoryStore(), Agent("a", model=echo.model, tools=[ask], hooks=[Counting()])) as client:
        task = await client.send("a", "go")
        async for event in task.events():
            if isinstance(event.event, e.InputRequired):
                approval = event.event.purpose == "approval"
                await task.reply({"decision": "edit", "arguments": {"text": "b"}} if approval else "yes")
        assert (await task.result(timeout=10)).text == "done"
        entries = [item async for item in client.history(task.session) if isinstance(item.event, e.HookDecided | e.ToolSuspended)]
    assert attempts == [1, 2]
    assert [item.type for item in entries] == ["hook.decided", "tool.suspended", "hook.decided"]
    assert entries[0].position == entries[1].position
    assert echo.told == 'A person and a hook changed this call\'s arguments to {"text":"b!"}. Its result:\nb! yes'


# Calls of participants


@agent("helper")
async def helper(task: FunctionTask) -> str:
    """Say it again."""
    return f"helped with {task.text}"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (None, "helped with a"),
        (Edit(arguments={"input": "b"}), "helped with b"),
        (Veto("alone"), "Guard vetoed this call: alone\nNobody was called."),
        (End("never mind"), None),
    ],
    ids=["pass", "edit", "veto", "end"],
)
async def test_a_call_of_a_participant_passes_the_hooks_before_its_task_is_given(said: Any, told: str | None) -> None:
    echo = Echo(call_tools(("helper", {"input": "a"})), say("done"))
    boss = Agent("a", model=echo.model, tools=[helper], hooks=[guard(before_tool=said)])
    async with working(MemoryStore(), boss, helper) as client:
        task = await client.send("a", "go")
        assert (await task.result(timeout=10)).text == ("done" if told else "never mind")
        events = [item.event async for item in client.history(task.session)]
    assert echo.told == (told or "go")
    assert [event.action for event in events if isinstance(event, e.HookDecided)] == [
        type(said).__name__.lower() if said else "pass"
    ]
    assert any(isinstance(event, e.TaskDelegated) for event in events) is (said is None or isinstance(said, Edit))


async def test_hooks_have_the_last_word_on_a_call_that_a_person_changed() -> None:
    echo = Echo(call_tools(("helper", {"input": "a"})), say("done"))
    hook = guard(before_tool=lambda name, arguments: Edit(arguments={"input": arguments["input"] + "!"}))
    boss = Agent("a", model=echo.model, tools=[helper.as_tool(approval=True)], hooks=[hook])
    async with working(MemoryStore(), boss, helper) as client:
        task = await client.send("a", "go")
        async for event in task.events():
            if isinstance(event.event, e.InputRequired):
                await task.reply({"decision": "edit", "arguments": {"input": "b"}})
        assert (await task.result(timeout=10)).text == "done"
    assert echo.told == "helped with b!"


# All of them


async def test_before_hooks_run_in_the_order_given_and_after_hooks_in_reverse_each_on_what_the_last_made_of_it() -> None:
    order: list[str] = []

    def noting(name: str) -> Hooks:
        def note(point: str) -> Callable[..., None]:
            return lambda *shown: order.append(f"{point} {name}")

        return guard(name, **{point: note(point) for point in POINTS})

    await ended(Echo(*SHOUTS), noting("1"), noting("2"))
    model = ["before_model 1", "before_model 2", "after_model 2", "after_model 1"]
    tools = ["before_tool 1", "before_tool 2", "after_tool 2", "after_tool 1"]
    task = ["before_task 1", "before_task 2"], ["after_task 2", "after_task 1"]
    assert order == [*task[0], *model, *tools, *model, *task[1]]
    echo = Echo(say("-"))
    adding = [
        guard(name, before_task=lambda m, n=name: Edit(m.text + n), after_task=lambda m, n=name: Edit(m.text + n))
        for name in "12"
    ]
    end = await ended(echo, *adding)
    assert (echo.told, end.text) == ("go12", "-21")


@pytest.mark.parametrize("point", POINTS)
async def test_a_hook_that_raises_has_vetoed(point: str) -> None:
    echo = Echo(*SHOUTS)
    end = await ended(echo, guard(**{point: raises}), guard("Other", before_task=None))
    why = "it raised ValueError: the rules are not there"
    assert end.decided[-1 if not point.endswith("_tool") else 1].reason == why
    if point.endswith("_tool"):
        assert (end.text, why in echo.told) == ("done", True)
    else:
        assert (end.failed, why in end.text) == ("vetoed", True)


@pytest.mark.parametrize(
    ("point", "said", "why"),
    [
        ("before_task", "no", "a hook returns None, Edit, Veto or End"),
        ("before_task", Edit(assistant("x")), "keep the role"),
        ("before_task", Edit(arguments={}), "is for before_tool"),
        ("after_task", Edit(assistant("", [ToolCallPart("c", "shout")])), "nothing would run them"),
        ("after_task", Edit(Message("assistant", (5,))), "ValidationError"),  # type: ignore[arg-type]
        ("before_model", Edit(user("x")), "needs a text"),
        ("after_model", Edit(assistant("", [ToolCallPart("c", "shout")] * 2)), "an id of its own"),
        ("before_tool", Edit("x"), "needs arguments=dict"),
        ("before_tool", Edit(arguments={"text": object()}), "TypeError"),
        ("after_tool", Edit(arguments={}), "needs a text"),
    ],
)
async def test_a_decision_that_cannot_be_carried_out_is_a_veto_that_says_why(point: str, said: Any, why: str) -> None:
    end = await ended(Echo(*SHOUTS), guard(**{point: said}))
    assert end.decided[-1].action == "veto"
    assert why in end.decided[-1].reason


async def test_text_that_no_encoding_takes_is_stored_as_far_as_it_can_be() -> None:
    lone = "a\ud800"
    for said in ({"before_task": Edit(lone)}, {"after_model": Edit(lone, reason=lone)}, {"before_model": End(lone)}):
        await ended(Echo(say("x")), guard(**said))
    assert (await ended(Echo(say("x")), guard(before_task=Veto(lone)))).failed == "vetoed"


async def test_hooks_may_be_async_and_are_told_for_whom_they_are_called() -> None:
    seen: list[HookContext] = []

    class Watch(Hooks):
        async def before_task(self, ctx: HookContext, message: Message) -> None:
            seen.append(ctx)

        async def after_tool(self, ctx: HookContext, name: str, arguments: dict[str, Any], result: str) -> None:
            seen.append(ctx)

    end = await ended(Echo(*SHOUTS), Watch())
    (task,) = [key for key, _ in end.state.finished.items()]
    session = end.state.ref.session
    assert seen == [HookContext("a", session, task, 0, 1), HookContext("a", session, task, 1, 1)]


def test_what_is_no_hook_or_would_never_be_called_is_refused_where_it_is_declared() -> None:
    class Guard(Hooks):
        pass

    class Misspelled(Hooks):
        def before_tools(self) -> None: ...

    with pytest.raises(DefinitionError, match=r"give Guard\(\)"):
        Agent("a", hooks=[Guard])  # type: ignore[list-item]
    with pytest.raises(DefinitionError, match=r"nothing would call Misspelled\.before_tools: the points are before_task"):
        Agent("a", hooks=[Misspelled()])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Edit(),
        lambda: Edit("x", arguments={}),
        lambda: Edit(5),
        lambda: Edit("x", reason=5),
        lambda: Veto(5),
        lambda: End(None),
    ],
)
def test_a_decision_that_says_nothing_is_refused(wrong: Callable[[], Any]) -> None:
    with pytest.raises(InvalidInput):
        wrong()


def test_a_definition_with_other_hooks_has_another_hash() -> None:
    assert Agent("a", hooks=[guard()]).definition_hash("m") != Agent("a").definition_hash("m")
