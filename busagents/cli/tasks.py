"""`busagents tasks`: the tasks in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from busagents.cli.on_bus import on_bus
from busagents.cli.options import DataDir, Json, Nats, Timeout
from busagents.cli.output import emit_json, emit_list, emit_table, emit_text, note

if TYPE_CHECKING:
    from busagents.runtime.client.client import Client
    from busagents.runtime.client.questions import Question
    from busagents.runtime.client.task_event import TaskEvent
    from busagents.runtime.client.task_index import TaskInfo

TaskId = Annotated[str, typer.Argument(metavar="TASK", help="The task's id, or the beginning of it.")]
_LIMIT = "At most this many, the newest."
_ANSWER = "The answer; to an approval: yes, no: why, or edit: {arguments as JSON}. `-` reads it from stdin."
_DATA = """A JSON value as the answer, such as '{"decision": "edit", "arguments": {}}'."""


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    tasks = typer.Typer(help="The tasks in the log.", no_args_is_help=True)
    for name, command in (
        ("list", list_tasks),
        ("show", show),
        ("wait", wait),
        ("reply", reply),
        ("cancel", cancel),
        ("redrive", redrive),
    ):
        tasks.command(name)(command)
    app.add_typer(tasks, name="tasks")


def list_tasks(
    participant: Annotated[str | None, typer.Option("--agent", help="Only of this participant.")] = None,
    session: Annotated[str | None, typer.Option("--session", "-s", help="Only of this session.")] = None,
    state: Annotated[str | None, typer.Option(help="Only in this state, for example failed.")] = None,
    limit: Annotated[int, typer.Option(min=1, help=_LIMIT)] = 50,
    nats: Nats = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List tasks, the newest last."""
    found = on_bus(lambda client: client.tasks(participant=participant, session=session), nats=nats, data_dir=data_dir)
    chosen = [info for info in found if state in (None, info.state)][-limit:]
    if as_json:
        emit_list([_summary(info) for info in chosen])
        return
    rows = [[i.task, i.ref.participant, _state(i), i.submitted_at[:19], _short(i.submitted.prompt.text)] for i in chosen]
    emit_table(("task", "agent", "state", "submitted", "prompt"), rows)


def show(task: TaskId, nats: Nats = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show a task, what it asks, and every event of it."""
    from busagents.cli.answer import question_json

    async def work(client: Client) -> tuple[TaskInfo, list[Question], list[TaskEvent]]:
        info = await client.task_info(task)
        asked = await (await client.task(info.task)).questions() if info.questions else []
        return (
            info,
            asked,
            [event async for event in client.history(info.ref.session) if event.task == info.task and event.ref == info.ref],
        )

    info, asked, events = on_bus(work, nats=nats, data_dir=data_dir)
    if as_json:
        questions = [question_json(question) for question in asked]
        emit_json({**info.summary(), "questions": questions, "events": [event.envelope() for event in events]})
        return
    for key, value in info.summary().items():
        if value not in ("", 0, None) and key not in ("usage", "questions"):
            emit_text(f"{key.ljust(12)} {value}")
    emit_text(f"{'tokens'.ljust(12)} {info.usage.total_tokens}")
    for question in asked:
        who = f"{question.asker} asks: " if question.asker else ""
        emit_text(f"{'question'.ljust(12)} {who}{question.text}")
        which = f" --request {question.request}" if len(asked) > 1 else ""
        emit_text(f'{"answer it".ljust(12)} busagents tasks reply {info.task}{which} "…"')
    rows = [[e.position, e.time, e.type, e.turn or None, e.attempt or None] for e in events]
    emit_table(("position", "time", "event", "turn", "attempt"), rows)


def wait(
    task: TaskId,
    timeout: Timeout = None,
    nats: Nats = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Wait for a task and print its answer. Exits as `send` does; with 4 and the question if the task asks something."""
    from busagents.cli.answer import as_json as result_json
    from busagents.cli.answer import end_or_question
    from busagents.cli.send import ended
    from busagents.errors import TaskError

    async def work(client: Client) -> None:
        handle = await client.task(task)
        try:
            async with handle.patience(timeout):
                result = await end_or_question(handle)
        except TaskError as error:
            if as_json:
                emit_json(await ended(client, handle, error))
            raise
        if as_json:
            emit_json(result_json(result))
        else:
            emit_text(result.text)

    try:
        on_bus(work, nats=nats, data_dir=data_dir)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def reply(
    task: TaskId,
    answer: Annotated[str | None, typer.Argument(help=_ANSWER)] = None,
    data: Annotated[str | None, typer.Option("--data", metavar="JSON", help=_DATA)] = None,
    request: Annotated[str, typer.Option("--request", metavar="ID", help="Which question, if several are open.")] = "",
    nats: Nats = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Answer a question of a task that waits for one. The first answer counts; a later one is refused."""
    said = _read_answer(answer, data)
    info = on_bus(lambda client: _reply(client, task, said, request), nats=nats, data_dir=data_dir)
    if as_json:
        emit_json(_summary(info))
    else:
        note(f"busagents: answered; busagents tasks wait {info.task}")


async def _reply(client: Client, task: str, answer: Any, request: str) -> TaskInfo:
    handle = await client.task(task)
    await handle.reply(answer, request=request)
    return await client.task_info(handle.id)


def _read_answer(answer: str | None, data: str | None) -> Any:
    """Raises UsageError unless exactly one of them is given."""
    from busagents.errors import UsageError

    if data is not None:
        if answer is not None:
            raise UsageError("both ANSWER and --data are given: a question has one answer")
        return _read_data(data)
    if answer is None:
        raise UsageError("no answer is given: write it behind the task's id, or as JSON with --data")
    if answer == "-":
        from busagents.cli.stdin import read_prompt
        from busagents.runtime.client.submission import MAX_PROMPT

        return read_prompt(MAX_PROMPT)
    return answer


def _read_data(text: str) -> Any:
    import json

    from busagents.domain.messages import DataPart, Message, TextPart
    from busagents.errors import UsageError

    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--data {text[:80]!r} is no JSON ({error}): write text as the answer, or JSON here") from None
    # A string is both: a value for a question with a schema, and words for one without.
    return Message("user", (TextPart(value), DataPart(value))) if isinstance(value, str) else value


def cancel(
    task: TaskId,
    reason: Annotated[str, typer.Option(help="Recorded with the cancel.")] = "canceled from the command line",
    timeout: Timeout = None,
    nats: Nats = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Ask a task to end, and wait until it has."""

    async def work(client: Client) -> TaskInfo:
        info = await client.task_info(task)
        if not info.ended_at:
            handle = await client.task(info.task)
            await handle.cancel(reason)
            async with handle.patience(timeout):
                async for _ in handle.events():
                    pass
        return await client.task_info(info.task)

    info = on_bus(work, nats=nats, data_dir=data_dir)
    if as_json:
        emit_json(_summary(info))
    elif info.state == "canceled":
        note(f"busagents: task {info.task} is canceled")
    else:
        note(f"busagents: task {info.task} had ended before: {_state(info)}")


def redrive(task: TaskId, nats: Nats = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Send the request of a failed or canceled task again, as a new task of its session."""
    again = on_bus(lambda client: client.redrive(task), nats=nats, data_dir=data_dir)
    if as_json:
        emit_json({"task": again.id, "session": again.session, "state": "submitted"})
        return
    emit_text(again.id)
    note(f"busagents: sent again; busagents tasks wait {again.id}")


def _summary(info: TaskInfo) -> dict[str, Any]:
    questions = [{"request": request, "text": text} for request, text in info.questions.items()]
    return {**info.summary(), "questions": questions}


def _state(info: TaskInfo) -> str:
    if info.state == "input-required":
        return f"{info.state} ({'; '.join(map(_short, info.questions.values()))})"
    return f"{info.state} ({info.reason})" if info.state == "failed" and info.reason else info.state


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"
