"""`busagents chat`: one session, line by line, and what Ctrl-C does in it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from busagents import Client
from busagents.runtime.client.submission import MAX_PROMPT
from tests.support.command_line import CommandLine
from tests.support.running_system import PATIENCE

Fresh = Callable[[str], str]


async def test_each_line_is_a_task_of_one_session(cli: CommandLine) -> None:
    done = await cli("chat", "counter", stdin=b"one\n\n  \ntwo")
    assert (done.code, done.out) == (0, "one\none | two\n")
    assert "busagents: go on with: busagents chat counter --session " in done.err
    session = done.err.split()[-1]
    assert (await cli("chat", "counter", "--session", session, stdin=b"three\n")).out == "one | two | three\n"


async def test_what_fails_or_cannot_be_said_does_not_end_the_talk(cli: CommandLine) -> None:
    done = await cli("chat", "broken", stdin=b"one\ntwo\n")
    assert (done.code, done.out) == (0, "")
    assert done.err.count("out of order") == 2
    done = await cli("chat", "echo", stdin=b"\xff\n" + b"x" * (MAX_PROMPT + 1) + b"\nstill here\n")
    assert (done.code, done.out) == (0, "still here\n")
    assert "not valid Unicode" in done.err
    assert str(MAX_PROMPT) in done.err


async def test_ctrl_c_cancels_the_answer_and_the_talk_goes_on_until_ctrl_c_at_the_prompt(
    cli: CommandLine, client: Client, fresh: Fresh
) -> None:
    session = fresh("s")
    async with cli.started("chat", "slow", "--session", session) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            for _ in range(2):
                process.stdin.write(b"go\n")
                assert await process.stdout.readline() == b"beginning\n"
                process.send_signal(signal.SIGINT)
                assert process.stderr is not None
                assert b"was canceled: canceled in the chat" in await process.stderr.readline()
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 130  # although stdin is still open
            rest = await process.stderr.read()
    assert rest == f"busagents: go on with: busagents chat slow --session {session}\n".encode()
    assert [info.state for info in await client.tasks(session=session)] == ["canceled", "canceled"]


async def test_nobody_to_talk_with_is_an_error_and_nothing_to_say_is_none(cli: CommandLine) -> None:
    done = await cli("chat", "ecco", stdin=b"hello\n")
    assert done.code == 7
    assert "did you mean 'echo'?" in done.err
    assert await cli("chat", "echo") == (0, "", "")
    assert (await cli("chat", "echo", "--session", "a.b", stdin=b"hello\n")).code == 2
    assert (await cli("chat", "echo", "--nats", "nats://127.0.0.1:1")).code == 8
