"""`busagents send`: what comes on stdout, what on stderr, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from busagents import Client
from busagents.runtime.client.submission import MAX_PROMPT
from tests.support.command_line import CommandLine

Fresh = Callable[[str], str]


async def test_the_answer_alone_is_on_stdout_and_what_happens_on_stderr(cli: CommandLine) -> None:
    done = await cli("send", "teller", "three", "twice?")
    assert (done.code, done.out) == (0, "Let me see.\n\nIt is six.\n")
    assert 'double {"number":3}' in done.err
    assert "30 tokens" in done.err
    assert "--session" in done.err


async def test_a_prompt_may_be_several_words_or_come_on_stdin(cli: CommandLine) -> None:
    assert (await cli("send", "echo", "--", "hello", "-5 + 3")).out == "hello -5 + 3\n"
    assert (await cli("send", "echo", "-", stdin="zwei\nZeilen: grüße\n".encode())).out == "zwei\nZeilen: grüße\n"


async def test_with_json_it_ends_with_one_object(cli: CommandLine, client: Client, fresh: Fresh) -> None:
    session = fresh("s")
    done = await cli("send", "teller", "three twice?", "--session", session, "--json")
    assert (done.code, done.err) == (0, "")
    assert done.json["state"] == "completed"
    assert done.json["session"] == session
    assert done.json["text"] == "It is six."
    assert done.json["usage"] == {"input_tokens": 20, "output_tokens": 10}
    [info] = await client.tasks(session=session)
    assert (info.task, info.text) == (done.json["task"], "It is six.")


async def test_a_session_goes_on(cli: CommandLine, fresh: Fresh) -> None:
    session = fresh("s")
    assert (await cli("send", "counter", "one", "-s", session)).out == "one\n"
    assert (await cli("send", "counter", "two", "-s", session)).out == "one | two\n"


async def test_a_key_makes_a_repeated_send_the_same_task(cli: CommandLine, fresh: Fresh) -> None:
    key = fresh("order")
    sent = [(await cli("send", "counter", "go", "--idempotency-key", key, "--json")).json for _ in range(2)]
    assert sent[0] == sent[1]
    assert sent[0]["text"] == "go"


async def test_an_answer_that_fits_a_schema(cli: CommandLine) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    (cli.folder / "city.json").write_text(json.dumps(schema))
    done = await cli("send", "weather", "where?", "--output-schema", "city.json", "--json")
    assert done.json["output"] == {"city": "Graz", "degrees": 21}


async def test_detached_it_prints_the_id_and_the_answer_can_be_awaited_later(cli: CommandLine, client: Client) -> None:
    sent = await cli("send", "echo", "later", "--detach")
    assert sent.code == 0
    assert sent.err == f"busagents: sent; busagents tasks wait {sent.out.strip()}\n"
    assert (await (await client.task(sent.out.strip())).result()).text == "later"
    assert (await cli("send", "echo", "later", "-d", "--json")).json["state"] == "submitted"


async def test_a_failed_task_is_exit_code_3_and_its_reason_in_one_line(cli: CommandLine) -> None:
    done = await cli("send", "broken", "go")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("busagents: task failed (")
    assert "out of order" in done.err
    assert done.err.count("\n") == 1
    failed = await cli("send", "broken", "go", "--json")
    assert failed.code == 3
    assert (failed.json["state"], failed.json["text"], failed.json["usage"]) == ("failed", "", None)
    assert failed.json["reason"]
    assert "out of" in failed.json["error"]
    assert {"task", "session"} <= failed.json.keys()


async def test_a_timeout_is_exit_code_5_and_the_task_goes_on(cli: CommandLine, client: Client) -> None:
    done = await cli("send", "slow", "go", "--timeout", "0.5")
    assert (done.code, done.out) == (5, "beginning\n")
    task = done.err.strip().rpartition("busagents tasks wait ")[2].strip("`")
    assert (await client.task_info(task)).state == "working"
    again = await cli("tasks", "wait", task, "--timeout", "0", "--json")
    assert (again.code, again.json["state"], again.json["task"]) == (5, "working", task)
    await (await client.task(task)).cancel()


async def test_a_task_nobody_has_begun_is_told_as_submitted(cli: CommandLine, client: Client) -> None:
    first = await client.send("queue", "go")
    async for _ in first.events():
        break  # it takes the only place
    done = await cli("send", "queue", "go", "--timeout", "0.1", "--json")
    assert (done.code, done.json["state"]) == (5, "submitted")
    for task in (first, await client.task(done.json["task"])):
        await task.cancel()


async def test_a_task_that_is_canceled_meanwhile_is_exit_code_6(cli: CommandLine, client: Client, fresh: Fresh) -> None:
    session = fresh("s")
    async with cli.started("send", "slow", "go", "--session", session) as process:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"beginning\n"
        [info] = await client.tasks(session=session)
        await (await client.task(info.task)).cancel("not needed")
        done = cli.checked(process, *await process.communicate())
    assert (done.code, done.out) == (6, "")
    assert "was canceled: not needed" in done.err


async def test_ctrl_c_detaches_and_says_how_to_go_on(cli: CommandLine, client: Client) -> None:
    async with cli.started("send", "slow", "go") as process:
        done = await cli.interrupted(process, after=b"beginning")
    assert (done.code, done.out) == (130, "beginning\n")
    assert "the task goes on: busagents tasks wait " in done.err
    task = done.err.split()[-1]
    assert (await client.task_info(task)).state == "working"
    await (await client.task(task)).cancel()


async def test_piped_text_is_as_the_model_wrote_it(cli: CommandLine) -> None:
    hostile = "\x1b]0;owned\x07\x1b[31mred\x1b[2J \x9b5n\u202eend"
    done = await cli("send", "hostile", "go")  # no escape sequence on stderr: CommandLine checks that
    assert done.out == f"{hostile}\n\n{hostile}\n"
    as_json = await cli("send", "hostile", "go", "--json")
    assert as_json.json["text"] == hostile
    assert "\x1b" not in as_json.out


async def test_on_a_terminal_a_models_escape_sequences_are_harmless_and_ours_work(cli: CommandLine) -> None:
    code, shown = await cli.on_terminal("send", "hostile", "go")
    assert code == 0
    assert "]0;owned[31mred[2J 5nend" in shown
    assert "\x1b[90m  · probe " in shown
    ours = shown.replace("\x1b[90m", "").replace("\x1b[0m", "")
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(ours)


async def test_a_stdout_that_is_not_utf_8_gets_question_marks(cli: CommandLine) -> None:
    assert (await cli("send", "echo", "grüße", PYTHONIOENCODING="ascii")).out == "gr??e\n"


@pytest.mark.parametrize(
    ("code", "arguments", "said"),
    [
        (7, ["nobody", "hello"], "no participant 'nobody' on this bus"),
        (7, ["ecco", "hello"], "did you mean 'echo'?"),
        (2, ["two words", "hello"], "for example 'two_words'"),
        (2, ["echo"], "prompt"),
        (2, ["echo", "hello", "--nonsense"], "--nonsense"),
        (2, ["echo", b"\xff"], "Unicode"),
        (2, [b"\xff", "hello"], "cannot be part of a subject"),
        (2, ["echo", "hello", "--session", "a.b"], "session 'a.b'"),
        (2, ["echo", "hello", "--idempotency-key", ""], "idempotency key is empty"),
        (2, ["echo", "hello", "--timeout", "soon"], "--timeout"),
        (2, ["echo", "hello", "--timeout", "nan"], "nan is no time"),
        (2, ["echo", "hello", "--output-schema", "missing.json"], "missing.json"),
        (2, ["echo", "hello", "--output-schema", "list.json"], "JSON list"),
        (2, ["echo", "hello", "--output-schema", "nonsense.json"], "no JSON Schema"),
        (8, ["echo", "hello", "--nats", "nats://me:sesame@127.0.0.1:1"], "127.0.0.1:1"),
        (8, ["echo", "hello", "--nats", "nonsense://"], "nonsense://"),
        (8, ["echo", "hello", "--data-dir", "elsewhere"], "elsewhere"),
    ],
    ids=lambda value: None if isinstance(value, int) else repr(value)[-40:],
)
async def test_bad_input_is_one_clear_error(cli: CommandLine, code: int, arguments: list[str | bytes], said: str) -> None:
    (cli.folder / "list.json").write_text("[]")
    (cli.folder / "nonsense.json").write_text('{"type": "nonsense"}')
    done = await cli("send", *arguments)
    assert (done.code, done.out) == (code, ""), done.err
    assert said in done.err
    assert "sesame" not in done.err
    assert "unexpected" not in done.err


@pytest.mark.parametrize(
    ("stdin", "said"), [(b"x" * (MAX_PROMPT + 1), str(MAX_PROMPT)), (b"abc\xff", "not UTF-8 text"), (b"", "empty")]
)
async def test_bad_text_on_stdin_is_one_clear_error(cli: CommandLine, stdin: bytes, said: str) -> None:
    done = await cli("send", "echo", "-", stdin=stdin)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1


async def test_a_prompt_of_300_kilobytes_comes_back_whole(cli: CommandLine) -> None:
    text = "grüße " * 50_000
    assert (await cli("send", "echo", "-", stdin=text.encode())).out.strip() == text.strip()
