"""`busagents send`: give a participant a task and watch the answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from busagents.cli.ask import ask_at_terminal
from busagents.cli.on_bus import on_bus
from busagents.cli.options import DataDir, Json, Nats, Timeout
from busagents.cli.output import emit_json, emit_text, note

if TYPE_CHECKING:
    from busagents.cli.ask import Prompt
    from busagents.errors import TaskError
    from busagents.runtime.client.client import Client
    from busagents.runtime.client.task import Task

_PROMPT = "What to do; `-` reads it from stdin."
_KEY = "Makes it safe to repeat: the same key, participant and session is the same task."
_SCHEMA = "A file with the JSON Schema that the answer must fit."


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("send")(send)


def send(
    participant: Annotated[str, typer.Argument(help="The agent's name.")],
    prompt: Annotated[list[str], typer.Argument(help=_PROMPT)],
    session: Annotated[str | None, typer.Option("--session", "-s", help="Go on in this session.  [default: a new one]")] = None,
    timeout: Timeout = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Print the task's id and return.")] = False,
    key: Annotated[str | None, typer.Option("--idempotency-key", metavar="KEY", help=_KEY)] = None,
    schema: Annotated[Path | None, typer.Option("--output-schema", metavar="FILE", help=_SCHEMA)] = None,
    nats: Nats = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Send a task; its text comes on stdout as it is written. Ctrl-C detaches: the task goes on."""
    text = _read_stdin() if prompt == ["-"] else " ".join(prompt)
    output_type = _read_schema(schema)
    sent: list[Task] = []
    at_terminal = ask_at_terminal()

    async def work(client: Client) -> None:
        task = await client.send(participant, text, session=session, idempotency_key=key, output_type=output_type)
        sent.append(task)
        if detach:
            _print_sent(task, as_json=as_json)
        else:
            new = session is None and key is None
            await _follow(client, task, at_terminal, timeout=timeout, as_json=as_json, new_session=new)

    try:
        on_bus(work, nats=nats, data_dir=data_dir)
    except KeyboardInterrupt:
        if sent and at_terminal is not None and at_terminal.open is not None:
            note(f'busagents: detached; the task waits for your answer: busagents tasks reply {sent[0].id} "…"')
        elif sent:
            note(f"busagents: detached; the task goes on: busagents tasks wait {sent[0].id}")
        raise typer.Exit(130) from None


def _print_sent(task: Task, *, as_json: bool) -> None:
    if as_json:
        emit_json({"task": task.id, "session": task.session, "state": "submitted"})
    else:
        emit_text(task.id)
        note(f"busagents: sent; busagents tasks wait {task.id}")


async def _follow(
    client: Client, task: Task, at_terminal: Prompt | None, *, timeout: float | None, as_json: bool, new_session: bool
) -> None:
    """Wait for the end. With `--json` print one object, however it ended."""
    from busagents.cli.answer import as_json as result_json
    from busagents.cli.answer import end_or_question, show_answer, stream_of
    from busagents.errors import TaskError

    try:
        async with task.patience(timeout):
            if as_json:
                emit_json(result_json(await end_or_question(task)))
                return
            stream = await stream_of(client, task, new_session=new_session)
            result = await show_answer(task, stream, at_terminal)
        note(f"busagents: {result.usage.total_tokens} tokens · go on with --session {result.session}")
    except TaskError as error:
        if as_json:
            emit_json(await ended(client, task, error))
        raise


async def ended(client: Client, task: Task, error: TaskError) -> dict[str, Any]:
    """The object for a task that has no answer."""
    from busagents.cli.answer import question_json

    state: str | None = {3: "failed", 4: "input-required", 6: "canceled"}.get(error.exit_code)
    if state is None:  # the time was up: perhaps nobody has begun
        state = next(info.state for info in await client.tasks(session=error.session) if info.task == error.task)
    said = {
        "task": error.task,
        "session": error.session,
        "state": state,
        "text": "",
        "reason": getattr(error, "reason", ""),
        "error": str(error),
        "usage": None,
    }
    if state == "input-required":
        said["questions"] = [question_json(question) for question in await task.questions()]
    return said


def _read_stdin() -> str:
    from busagents.cli.stdin import read_prompt
    from busagents.runtime.client.submission import MAX_PROMPT

    return read_prompt(MAX_PROMPT)


def _read_schema(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    import json

    from busagents.errors import UsageError

    try:
        schema = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"--output-schema {path}: {error}: name a file with a JSON Schema object") from None
    if not isinstance(schema, dict):
        raise UsageError(f"--output-schema {path} holds a JSON {type(schema).__name__}: a schema is an object")
    return schema
