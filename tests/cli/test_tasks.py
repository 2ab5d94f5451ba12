"""`busagents tasks`: listed, shown, awaited, canceled and sent again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.command_line import CommandLine

Fresh = Callable[[str], str]


async def sent(cli: CommandLine, name: str, prompt: str, session: str) -> Any:
    """The object of a `send --json`."""
    return (await cli("send", name, prompt, "--session", session, "--json")).json


async def test_lists_are_filtered_by_agent_session_and_state(cli: CommandLine, fresh: Fresh) -> None:
    session = fresh("s")
    good, bad = await sent(cli, "echo", "hello\nthere", session), await sent(cli, "broken", "go", session)
    listed = (await cli("tasks", "list", "--session", session, "--json")).json
    assert listed["next"] is None
    assert [(item["task"], item["state"], item["text"]) for item in listed["items"][:1]] == [
        (good["task"], "completed", "hello\nthere")
    ]
    assert [(item["task"], item["state"], item["reason"]) for item in listed["items"][1:]] == [
        (bad["task"], "failed", bad["reason"])
    ]
    rows = [line.split("\t") for line in (await cli("tasks", "list", "-s", session)).out.splitlines()]
    assert [row[0] for row in rows] == [good["task"], bad["task"]]
    assert rows[0][1:3] == ["echo", "completed"]
    assert rows[0][4] == "hello there"
    assert rows[1][2] == f"failed ({bad['reason']})"
    only_echo = await cli("tasks", "list", "-s", session, "--agent", "echo", "--state", "completed")
    assert [line.split("\t")[0] for line in only_echo.out.splitlines()] == [good["task"]]
    assert (await cli("tasks", "list", "-s", session, "--state", "canceled")).out == ""
    assert (await cli("tasks", "list", "-s", session, "--limit", "1")).out.startswith(bad["task"])


async def test_a_task_is_shown_with_every_event_of_it(cli: CommandLine, fresh: Fresh) -> None:
    session = fresh("s")
    first, second = await sent(cli, "counter", "one", session), await sent(cli, "counter", "two", session)
    shown = (await cli("tasks", "show", second["task"], "--json")).json
    assert (shown["task"], shown["prompt"], shown["text"]) == (second["task"], "two", "one | two")
    assert shown["usage"] == second["usage"]
    assert [event["type"] for event in shown["events"]] == [
        "task.submitted",
        "task.started",
        "model.requested",
        "model.completed",
        "task.completed",
    ]
    assert {event["task"] for event in shown["events"]} == {second["task"]}
    done = await cli("tasks", "show", first["task"][:20])
    assert (done.code, done.err) == (0, "")
    assert f"task         {first['task']}" in done.out
    assert "tokens       15" in done.out
    assert "\ttask.completed\t" in done.out


async def test_wait_prints_the_answer_and_exits_as_send_does(cli: CommandLine, fresh: Fresh) -> None:
    session = fresh("s")
    good, bad = await sent(cli, "teller", "go", session), await sent(cli, "broken", "go", session)
    assert await cli("tasks", "wait", good["task"]) == (0, "It is six.\n", "")
    assert (await cli("tasks", "wait", good["task"], "--json")).json == good
    failed = await cli("tasks", "wait", bad["task"], "--json")
    assert (failed.code, failed.json) == (3, bad)
    assert "out of order" in failed.err


async def test_a_running_task_is_canceled_and_can_be_sent_again(cli: CommandLine, fresh: Fresh) -> None:
    session = fresh("s")
    task = (await cli("send", "slow", "go", "--session", session, "--detach")).out.strip()
    assert await cli("tasks", "cancel", task) == (0, "", f"busagents: task {task} is canceled\n")
    again = await cli("tasks", "cancel", task, "--json")
    assert (again.code, again.json["state"], again.json["reason"]) == (0, "canceled", "canceled from the command line")
    waited = await cli("tasks", "wait", task)
    assert (waited.code, waited.out) == (6, "")
    assert "was canceled" in waited.err
    redriven = await cli("tasks", "redrive", task)
    assert redriven.code == 0
    assert redriven.out.strip() != task
    assert (await cli("tasks", "redrive", task, "--json")).json == {
        "task": redriven.out.strip(),
        "session": session,
        "state": "submitted",
    }
    assert (await cli("tasks", "cancel", redriven.out.strip())).code == 0


async def test_what_has_ended_is_neither_canceled_nor_sent_again(cli: CommandLine, fresh: Fresh) -> None:
    done = await sent(cli, "echo", "hello", fresh("s"))
    canceled = await cli("tasks", "cancel", done["task"])
    assert (canceled.code, canceled.err) == (0, f"busagents: task {done['task']} had ended before: completed\n")
    refused = await cli("tasks", "redrive", done["task"])
    assert (refused.code, refused.out) == (2, "")
    assert "is completed: only a failed or canceled task can be redriven" in refused.err


@pytest.mark.parametrize(
    ("code", "arguments", "said"),
    [
        (7, ["show", "no-such-task"], "busagents tasks list"),
        (7, ["wait", ""], "busagents tasks list"),
        (7, ["cancel", b"\xff"], "busagents tasks list"),
        (7, ["redrive", "no-such-task"], "busagents tasks list"),
        (2, ["wait", "x", "--timeout", "nan"], "no time"),
        (2, ["list", "--session", "a b"], "a_b"),
        (2, ["list", "--agent", ""], "participant ''"),
        (2, ["list", "--limit", "0"], "--limit"),
        (2, ["nonsense"], "nonsense"),
        (8, ["list", "--nats", "nats://127.0.0.1:1"], "127.0.0.1:1"),
    ],
    ids=lambda value: None if isinstance(value, int) else repr(value)[-40:],
)
async def test_bad_input_is_one_clear_error(cli: CommandLine, code: int, arguments: list[str | bytes], said: str) -> None:
    done = await cli("tasks", *arguments)
    assert (done.code, done.out) == (code, ""), done.err
    assert said in done.err
    assert "unexpected" not in done.err


async def test_a_cancel_that_cannot_be_written_down_is_refused(cli: CommandLine) -> None:
    task = (await cli("send", "slow", "go", "--detach")).out.strip()
    refused = await cli("tasks", "cancel", task, "--reason", b"\xff")
    assert refused.code == 2
    assert "not valid Unicode" in refused.err
    assert (await cli("tasks", "cancel", task)).code == 0
