"""Questions on the command line: who is told, how they are answered later, and at the prompt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from busagents import Client, Task
from tests.support.command_line import CommandLine
from tests.support.running_system import PATIENCE

Fresh = Callable[[str], str]


async def asking(client: Client, name: str, *, questions: int = 1) -> Task:
    """A task that waits for so many answers."""
    task = await client.send(name, "go")
    async with asyncio.timeout(PATIENCE):
        async for _ in task.events():
            if len(await task.questions()) == questions:
                return task
    raise AssertionError("it asks nothing")


async def test_with_nobody_at_a_terminal_send_and_wait_say_the_question_and_how_to_answer_it(team: CommandLine) -> None:
    sent = await team("send", "asker", "go")
    assert (sent.code, sent.out) == (4, "")
    line = sent.err.splitlines()[-1]
    assert line.startswith("busagents: task ")
    assert "asker asks: Which [31mcity? — " in line
    task = line.split()[2]
    assert line.endswith(f'busagents tasks reply {task} "…"')
    waited = await team("tasks", "wait", task)
    assert (waited.code, waited.out, waited.err) == (4, "", f"{line}\n")
    assert await team("tasks", "reply", task, "Graz") == (0, "", f"busagents: answered; busagents tasks wait {task}\n")
    assert await team("tasks", "wait", task) == (0, "Graz\n", "")


async def test_with_json_it_is_one_object_with_the_questions(team: CommandLine) -> None:
    sent = await team("send", "payer", "go", "--json")
    assert sent.code == 4
    said = sent.json
    assert (said["state"], said["text"], said["usage"]) == ("input-required", "", None)
    [question] = said["questions"]
    assert (question["asker"], question["purpose"]) == ("payer", "approval")
    assert question["text"] == 'May payer call pay with {"amount":5}?'
    assert question["data"] == {"tool": "pay", "arguments": {"amount": 5}}
    waited = await team("tasks", "wait", said["task"], "--json")
    assert (waited.code, waited.json) == (4, said)
    replied = await team("tasks", "reply", said["task"], "--data", '{"decision": "approve"}', "--json")
    assert (replied.code, replied.json["task"]) == (0, said["task"])
    assert await team("tasks", "wait", said["task"]) == (0, "paid 5\n", "")


async def test_lists_and_a_shown_task_say_what_is_asked(team: CommandLine, team_client: Client) -> None:
    task = await asking(team_client, "clerk", questions=2)
    listed = await team("tasks", "list", "-s", task.session, "--agent", "clerk")
    assert "\tinput-required (" in listed.out
    assert "May payer call pay" in listed.out
    [item] = (await team("tasks", "list", "-s", task.session, "--agent", "clerk", "--json")).json["items"]
    assert {question["request"] for question in item["questions"]} == {q.request for q in await task.questions()}
    shown = (await team("tasks", "show", task.id)).out
    for question in await task.questions():
        assert f"question     {question.asker} asks: {question.text}\n" in shown
        assert f'busagents tasks reply {task.id} --request {question.request} "…"\n' in shown
    as_json = (await team("tasks", "show", task.id, "--json")).json
    assert [question["asker"] for question in as_json["questions"]] == [q.asker for q in await task.questions()]
    await task.cancel()


async def test_of_several_questions_each_is_answered_by_its_name(team: CommandLine, team_client: Client) -> None:
    task = await asking(team_client, "clerk", questions=2)
    requests = {question.asker: question.request for question in await task.questions()}
    assert (await team("tasks", "reply", task.id, "no: too much", "--request", requests["payer"])).code == 0
    assert (await team("tasks", "reply", task.id, "-", "--request", requests["asker"], stdin="Köln".encode())).code == 0
    answer = (await task.result(timeout=PATIENCE)).text
    assert answer.startswith("Köln | ")
    assert "too much" in answer


async def test_the_first_answer_wins_and_a_late_one_is_told_so(team: CommandLine, team_client: Client) -> None:
    task = await asking(team_client, "asker")
    [question] = await task.questions()
    both = await asyncio.gather(
        *(team("tasks", "reply", task.id, city, "--request", question.request) for city in ("Graz", "Linz"))
    )
    assert sorted(done.code for done in both) == [0, 2]
    [late] = [done for done in both if done.code]
    assert "does not count" in late.err
    winner = "Linz" if both[0].code else "Graz"
    assert (await task.result(timeout=PATIENCE)).text == winner
    again = await team("tasks", "reply", task.id, "Wels")
    assert (again.code, again.out) == (2, "")
    assert "waits for no answer" in again.err


async def test_an_answer_that_does_not_fit_is_refused_and_the_next_one_may(team: CommandLine, team_client: Client) -> None:
    task = await asking(team_client, "booker")
    refused = await team("tasks", "reply", task.id, "--data", '"three"')
    assert (refused.code, refused.out) == (2, "")
    assert "integer" in refused.err
    assert (await team("tasks", "reply", task.id, "--data", "3")).code == 0
    assert (await task.result(timeout=PATIENCE)).text == "3 nights"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no answer is given"),
        ([" "], "the answer is empty"),
        (["yes", "--data", "1"], "both ANSWER and --data"),
        (["--data", "{"], "no JSON"),
        (["yes", "--request", "none-such"], "does not count"),
    ],
)
async def test_what_is_no_answer_is_a_usage_error(
    team: CommandLine, team_client: Client, arguments: list[str], said: str
) -> None:
    task = await asking(team_client, "asker")
    done = await team("tasks", "reply", task.id, *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    await task.cancel()


async def test_no_such_task_cannot_be_answered(team: CommandLine) -> None:
    done = await team("tasks", "reply", "no-such-task", "yes")
    assert (done.code, done.out) == (7, "")
    assert "busagents tasks list" in done.err


async def test_at_a_terminal_send_asks_and_goes_on_with_what_is_typed(team: CommandLine) -> None:
    async with team.at_terminal("send", "asker", "go") as terminal:
        await terminal.until("asker asks: Which [31mcity?\nanswer> ")
        terminal.type("")
        await terminal.until("answer> ")
        terminal.type("Graz")
        assert await terminal.ended() == 0
        assert "\nGraz\nbusagents: " in terminal.shown.partition("answer> Graz")[2]


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        (["yes"], "paid 5"),
        (["no: too much"], "too much"),
        (["edit: 7", "edit: {amount}", 'edit: {"amount": 7}'], "paid 7"),
    ],
)
async def test_an_approval_is_a_yes_a_no_with_a_reason_or_an_edit(team: CommandLine, typed: list[str], answer: str) -> None:
    async with team.at_terminal("send", "payer", "go") as terminal:
        await terminal.until('May payer call pay with {"amount":5}?\n  yes / no: why / edit: {arguments as JSON}\n')
        for line in typed:
            await terminal.until("answer> ")
            terminal.type(line)
        await terminal.until(typed[-1])
        await terminal.until(answer)
        assert await terminal.ended() == 0
        assert terminal.shown.count("  · pay\n") == (0 if typed[-1].startswith("no") else 1)  # not with what it was to be


async def test_a_tool_that_asks_is_told_once_and_the_prompt_says_which_form_the_answer_has(team: CommandLine) -> None:
    async with team.at_terminal("send", "booker", "go") as terminal:
        await terminal.until('booker asks: How many nights?\n  JSON that fits {"type": "integer"}\nanswer> ')
        terminal.type("three")
        await terminal.until("does not count: ")
        await terminal.until("answer> ")
        terminal.type("3")
        await terminal.until("\n3 nights\n")
        assert await terminal.ended() == 0
        assert terminal.shown.count("  · book {}\n") == 1


async def test_both_questions_of_a_tree_are_put_one_after_the_other(team: CommandLine) -> None:
    answers = {"asker": "Graz", "payer": "yes"}
    async with team.at_terminal("send", "clerk", "go") as terminal:
        for number in (1, 2):
            await terminal.until("answer> ")
            asker = terminal.shown.rpartition(" asks:")[0].split()[-1]
            terminal.type(answers.pop(asker))
            assert len(answers) == 2 - number
        await terminal.until("Graz | paid 5")
        assert await terminal.ended() == 0


async def test_ctrl_c_at_the_prompt_detaches_and_says_how_to_answer_later(
    team: CommandLine, team_client: Client, fresh: Fresh
) -> None:
    session = fresh("s")
    async with team.at_terminal("send", "asker", "go", "--session", session) as terminal:
        await terminal.until("answer> ")
        terminal.interrupt()
        assert await terminal.ended() == 130
    [info] = await team_client.tasks(session=session)
    assert info.state == "input-required"
    assert terminal.shown.endswith(
        f'\nbusagents: detached; the task waits for your answer: busagents tasks reply {info.task} "…"\n'
    )
    assert (await team("tasks", "reply", info.task, "Graz")).code == 0


async def test_who_is_asked_need_not_answer_once_somebody_else_did(team: CommandLine, team_client: Client, fresh: Fresh) -> None:
    session = fresh("s")
    async with team.at_terminal("send", "asker", "go", "--session", session) as terminal:
        await terminal.until("answer> ")
        [info] = await team_client.tasks(session=session)
        await team_client.reply(info.task, "Linz")
        await terminal.until("no answer is needed any more\n")
        await terminal.until("Linz\n")
        assert await terminal.ended() == 0


async def test_nobody_is_asked_for_a_task_that_was_canceled_meanwhile(
    team: CommandLine, team_client: Client, fresh: Fresh
) -> None:
    session = fresh("s")
    async with team.at_terminal("send", "clerk", "go", "--session", session) as terminal:
        await terminal.until("answer> ")
        [info] = [info for info in await team_client.tasks(session=session) if info.ref.participant == "clerk"]
        task = await team_client.task(info.task)
        async with asyncio.timeout(PATIENCE):
            async for _ in task.events():
                if len(await task.questions()) == 2:
                    break
        await task.cancel("not needed")
        assert await terminal.ended() == 6
    assert terminal.shown.count("answer> ") == 1
    assert "was canceled: not needed" in terminal.shown


async def test_in_a_chat_the_next_line_is_the_answer(team: CommandLine) -> None:
    done = await team("chat", "asker", stdin=b"go\nGraz\n")
    assert (done.code, done.out) == (0, "Graz\n")
    assert "asker asks: Which [31mcity?" in done.err


async def test_ctrl_c_at_a_question_of_a_chat_cancels_its_task_and_loses_no_line(
    team: CommandLine, team_client: Client, fresh: Fresh
) -> None:
    session = fresh("s")
    async with team.at_terminal("chat", "asker", "--session", session) as terminal:
        await terminal.until("you> ")
        terminal.type("go")
        await terminal.until("answer> ")
        terminal.interrupt()
        await terminal.until("was canceled: canceled in the chat")
        await terminal.until("you> ")
        terminal.type("again")
        await terminal.until("answer> ")
        terminal.type("Graz")
        await terminal.until("\nGraz\n")
        await terminal.until("you> ")
        terminal.interrupt()
        assert await terminal.ended() == 130
    assert [info.state for info in await team_client.tasks(session=session)] == ["canceled", "completed"]
    assert [info.submitted.prompt.text for info in await team_client.tasks(session=session)] == ["go", "again"]
