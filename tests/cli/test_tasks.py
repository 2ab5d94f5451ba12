"""`busagents tasks`: listed, shown, awaited, canceled and sent again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from busagents import Client
from tests.support.command_line import CommandLine

Fresh = Callable[[str], str]


async def ended(client: Client, name: str, prompt: str, session: str) -> str:
    """The id of a task that has ended, one way or another."""
    task = await client.send(name, prompt, session=session)
    async for _ in task.events():
        pass
    return task.id


async def test_lists_are_filtered_by_agent_session_and_state(cli: CommandLine, client: Client, fresh: Fresh) -> None:
    session = fresh("s")
    good, bad = await ended(client, "echo", "hello\nthere", session), await ended(client, "broken", "go", session)
    listed = (await cli("tasks", "list", "--session", session, "--json")).json
    assert listed["next"] is None
    assert [(item["task"], item["state"], item["text"]) for item in listed["items"][:1]] == [(good, "completed", "hello\nthere")]
    assert [(item["task"], item["state"], item["reason"]) for item in listed["items"][1:]] == [(bad, "failed", "error")]
    rows = [line.split("\t") for line in (await cli("tasks", "list", "-s", session)).out.splitlines()]
    assert [row[0] for row in rows] == [good, bad]
    assert rows[0][1:3] == ["echo", "completed"]
    assert rows[0][4] == "hello there"
    assert rows[1][2] == "failed (error)"
    only_echo = await cli("tasks", "list", "-s", session, "--agent", "echo", "--state", "completed")
    assert [line.split("\t")[0] for line in only_echo.out.splitlines()] == [good]
    assert (await cli("tasks", "list", "-s", session, "--state", "canceled")).out == ""
    assert (await cli("tasks", "list", "-s", session, "--limit", "1")).out.startswith(bad)


async def test_a_task_is_shown_with_every_event_of_it(cli: CommandLine, client: Client, fresh: Fresh) -> None:
    session = fresh("s")
    first, second = await ended(client, "counter", "one", session), await ended(client, "counter", "two", session)
    shown = (await cli("tasks", "show", second, "--json")).json
    assert (shown["task"], shown["prompt"], shown["text"]) == (second, "two", "one | two")
    assert shown["usage"] == {"input_tokens": 10, "output_tokens": 5}
    assert [event["type"] for event in shown["events"]] == [
        "task.submitted",
        "task.started",
        "model.requested",
        "model.completed",
        "task.completed",
    ]
    assert {event["task"] for event in shown["events"]} == {second}
    done = await cli("tasks", "show", first[:20])
    assert (done.code, done.err) == (0, "")
    assert f"task         {first}" in done.out
    assert "tokens       15" in done.out
    assert "\ttask.completed\t" in done.out


async def test_wait_prints_the_answer_and_exits_as_send_does(cli: CommandLine, client: Client, fresh: Fresh) -> None:
    session = fresh("s")
    good, bad = await ended(client, "teller", "go", session), await ended(client, "broken", "go", session)
    assert await cli("tasks", "wait", good) == (0, "It is six.\n", "")
    failed = await cli("tasks", "wait", bad, "--json")
    assert (failed.code, failed.json["task"], failed.json["state"], failed.json["reason"]) == (3, bad, "failed", "error")
    assert "out of order" in failed.err


async def test_a_running_task_is_canceled_and_can_be_sent_again(cli: CommandLine, client: Client, fresh: Fresh) -> None:
    session = fresh("s")
    task = (await client.send("slow", "go", session=session)).id
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
    await (await client.task(redriven.out.strip())).cancel()


async def test_what_has_ended_is_neither_canceled_nor_sent_again(cli: CommandLine, client: Client, fresh: Fresh) -> None:
    done = await ended(client, "echo", "hello", fresh("s"))
    canceled = await cli("tasks", "cancel", done)
    assert (canceled.code, canceled.err) == (0, f"busagents: task {done} had ended before: completed\n")
    refused = await cli("tasks", "redrive", done)
    assert (refused.code, refused.out) == (2, "")
    assert "is completed: only a failed or canceled task can be redriven" in refused.err


@pytest.mark.parametrize(
    ("code", "arguments", "said"),
    [
        (7, ["show", "no-such-task"], "busagents tasks list"),
        (7, ["wait", ""], "busagents tasks list"),
        (7, ["cancel", b"\xff"], "busagents tasks list"),
        (2, ["wait", "x", "--timeout", "nan"], "no time"),
        (2, ["list", "--session", "a b"], "a_b"),
        (2, ["list", "--limit", "0"], "--limit"),
        (8, ["list", "--nats", "nats://127.0.0.1:1"], "127.0.0.1:1"),
    ],
    ids=lambda value: None if isinstance(value, int) else repr(value)[-40:],
)
async def test_bad_input_is_one_clear_error(cli: CommandLine, code: int, arguments: list[str | bytes], said: str) -> None:
    done = await cli("tasks", *arguments)
    assert (done.code, done.out) == (code, ""), done.err
    assert said in done.err
    assert "unexpected" not in done.err


async def test_a_cancel_that_cannot_be_written_down_is_refused(cli: CommandLine, client: Client) -> None:
    task = await client.send("slow", "go")
    refused = await cli("tasks", "cancel", task.id, "--reason", b"\xff")
    assert refused.code == 2
    assert "not valid Unicode" in refused.err
    await task.cancel()
