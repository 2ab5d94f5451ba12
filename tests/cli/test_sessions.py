"""`busagents sessions`: listed, shown as of any position, and followed."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from busagents import Client
from tests.support.command_line import CommandLine
from tests.support.running_system import PATIENCE

Fresh = Callable[[str], str]


async def talk(client: Client, name: str, *prompts: str, session: str) -> None:
    for prompt in prompts:
        await (await client.send(name, prompt, session=session)).result()


async def test_the_last_active_session_is_listed_first(cli: CommandLine, client: Client, fresh: Fresh) -> None:
    session = fresh("s")
    await talk(client, "echo", "one", session=session)
    await talk(client, "counter", "two", session=session)
    row = (await cli("sessions", "list", "--limit", "1")).out.rstrip("\n").split("\t")
    assert row[:3] == [session, "echo, counter", "2"]
    [item] = (await cli("sessions", "list", "--limit", "1", "--json")).json["items"]
    assert (item["session"], item["tasks"], item["participants"]) == (session, 2, ["echo", "counter"])


async def test_a_conversation_is_shown_as_it_is_and_as_it_was(cli: CommandLine, client: Client, fresh: Fresh) -> None:
    session = fresh("s")
    await talk(client, "teller", "three twice?", session=session)
    shown = await cli("sessions", "show", session)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines()[1:] == [
        "  user: three twice?",
        "  teller: Let me see.",
        '  teller: calls double {"number":3}',
        "  double says: 6",
        "  teller: It is six.",
    ]
    now = (await cli("sessions", "show", session, "--json")).json
    [thread] = now["threads"]
    assert (thread["participant"], thread["working_on"], list(thread["finished"].values())) == ("teller", None, ["completed"])
    assert [message["role"] for message in thread["messages"]] == ["user", "assistant", "tool", "assistant"]
    first = await anext(client.history(session))
    then = (await cli("sessions", "show", session, "--at", str(first.position), "--json")).json
    assert (then["position"], then["threads"][0]["messages"]) == (first.position, [])


async def test_threads_are_shown_below_who_called_them_with_their_states(
    team: CommandLine, team_client: Client, fresh: Fresh
) -> None:
    session = fresh("s")
    await talk(team_client, "flow", "hello", session=session)
    lines = (await team("sessions", "show", session)).out.splitlines()
    heads = [line.partition(" (")[0] for line in lines if line.endswith(": completed")]
    assert heads == ["flow", "  writer", "  team", "    first", "    second"]
    assert "      first: Not mine." in lines
    threads = (await team("sessions", "show", session, "--json")).json["threads"]
    callers = [(thread["participant"], (thread["called_by"] or {}).get("participant")) for thread in threads]
    assert callers == [("flow", None), ("writer", "flow"), ("team", "flow"), ("first", "team"), ("second", "team")]


async def test_a_question_is_shown_where_it_is_asked(team: CommandLine, team_client: Client, fresh: Fresh) -> None:
    session = fresh("s")
    task = await team_client.send("clerk", "go", session=session)
    async with asyncio.timeout(PATIENCE):
        async for _ in task.events():
            if len(await task.questions()) == 2:
                break
    shown = (await team("sessions", "show", session)).out
    assert shown.count(": input-required\n") == 3
    assert shown.count("    payer asks: May payer call pay") == 1
    assert shown.count("May payer call pay") == 1
    await task.cancel()


async def test_a_tail_says_in_words_what_participants_do_with_each_other(
    team: CommandLine, team_client: Client, fresh: Fresh
) -> None:
    session = fresh("s")
    await talk(team_client, "flow", "hello", session=session)
    out = (await team("sessions", "tail", session, "--no-follow")).out
    for said in ("node.started     team begins", "edges.chosen     writer → team", "handoff.made     first → second: your turn"):
        assert f"{said}\n" in out
    assert "task.submitted   from flow: hello" in out
    assert "task.outcome     second: completed: It is done.\n" in out
    assert "edges.chosen     scout → nobody\n" in out


async def test_on_a_terminal_what_models_and_tools_said_is_harmless(cli: CommandLine, client: Client, fresh: Fresh) -> None:
    session = fresh("s")
    await talk(client, "hostile", "go", session=session)
    code, shown = await cli.on_terminal("sessions", "show", session)
    assert code == 0
    assert "\x1b[36m  hostile:\x1b[0m ]0;owned[31mred[2J 5nend" in shown
    for ours in ("\x1b[36m", "\x1b[1m", "\x1b[0m"):
        shown = shown.replace(ours, "")
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown)


async def test_a_tail_is_json_lines_of_event_envelopes(cli: CommandLine, client: Client, fresh: Fresh) -> None:
    session = fresh("s")
    await talk(client, "counter", "one", session=session)
    done = await cli("sessions", "tail", session, "--no-follow", "--json")
    assert (done.code, done.err) == (0, "")
    assert [event["type"] for event in done.jsonl] == [
        "task.submitted",
        "task.started",
        "model.requested",
        "model.completed",
        "task.completed",
    ]
    assert {(event["session"], event["participant"], event["thread"]) for event in done.jsonl} == {(session, "counter", "main")}
    behind = await cli("sessions", "tail", session, "--no-follow", "--after", str(done.jsonl[2]["position"]))
    assert behind.out.count("\n") == len([event for event in done.jsonl if event["position"] > done.jsonl[2]["position"]])
    assert "task.completed" in behind.out


async def test_a_tail_goes_on_until_ctrl_c(cli: CommandLine, client: Client, fresh: Fresh) -> None:
    session = fresh("s")
    async with cli.started("sessions", "tail", session, "--json") as process:
        assert process.stdout is not None
        await talk(client, "echo", "one", session=session)
        seen: list[dict[str, Any]] = []
        async with asyncio.timeout(PATIENCE):
            while not seen or seen[-1]["type"] != "task.completed":
                seen.append(json.loads(await process.stdout.readline()))
            process.send_signal(signal.SIGINT)
            done = cli.checked(process, *await process.communicate())
    assert (done.code, done.out, done.err) == (130, "", "")
    assert [event["type"] for event in seen] == ["task.submitted", "task.started", "task.completed"]


async def test_a_reader_that_goes_away_ends_it_quietly(cli: CommandLine, client: Client, fresh: Fresh) -> None:
    session = fresh("s")
    await talk(client, "echo", "one", session=session)
    async with cli.started("sessions", "tail", session) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        await process.stdout.readline()
        process.stdout._transport.close()  # type: ignore[attr-defined]  # as `| head -1`
        await talk(client, "echo", "x" * 100, "y" * 100, session=session)
        async with asyncio.timeout(PATIENCE):
            err = await process.stderr.read()
            await process.wait()
        cli.checked(process, b"", err)
    assert err == b""


@pytest.mark.parametrize(
    ("code", "arguments", "said"),
    [
        (7, ["show", "no-such-session"], "busagents sessions list"),
        (7, ["tail", "no-such-session", "--no-follow"], "busagents sessions list"),
        (2, ["show", "a.b"], "a_b"),
        (2, ["tail", b"\xff"], "cannot be part of a subject"),
        (2, ["show", "s", "--at", "0"], "--at"),
        (2, ["show", "s", "--at", "now"], "--at"),
        (2, ["show"], "session"),
        (8, ["show", "s", "--nats", "nats://127.0.0.1:1"], "127.0.0.1:1"),
    ],
    ids=lambda value: None if isinstance(value, int) else repr(value)[-40:],
)
async def test_bad_input_is_one_clear_error(cli: CommandLine, code: int, arguments: list[str | bytes], said: str) -> None:
    done = await cli("sessions", *arguments)
    assert (done.code, done.out) == (code, ""), done.err
    assert said.lower() in done.err.lower()
    assert "unexpected" not in done.err
