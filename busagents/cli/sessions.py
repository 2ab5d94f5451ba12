"""`busagents sessions`: the conversations in the log."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from busagents.cli.on_bus import on_bus
from busagents.cli.options import DataDir, Json, Nats
from busagents.cli.output import emit_json, emit_list, emit_table, emit_text

if TYPE_CHECKING:
    from busagents.domain.messages import Message
    from busagents.domain.state import ThreadState
    from busagents.domain.subjects import ThreadRef
    from busagents.runtime.client.client import Client
    from busagents.runtime.client.replay import Replay
    from busagents.runtime.client.task_event import TaskEvent

SessionId = Annotated[str, typer.Argument(metavar="SESSION", help="The session's id.")]
_AT = "As it was at this position of the log."


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    sessions = typer.Typer(help="The conversations in the log.", no_args_is_help=True)
    for name, command in (("list", list_sessions), ("show", show), ("tail", tail)):
        sessions.command(name)(command)
    app.add_typer(sessions, name="sessions")


def list_sessions(
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 50,
    nats: Nats = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List sessions, the one that was last active first."""
    found = on_bus(lambda client: client.sessions(), nats=nats, data_dir=data_dir)[:limit]
    if as_json:
        emit_list(found)
        return
    rows = [[i.session, ", ".join(i.participants), i.tasks, i.entries, i.last_at[:19]] for i in found]
    emit_table(("session", "participants", "tasks", "entries", "last active"), rows)


def show(
    session: SessionId,
    at: Annotated[int | None, typer.Option("--at", min=1, metavar="POSITION", help=_AT)] = None,
    nats: Nats = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show a session's conversation, rebuilt from its log."""
    replay = on_bus(lambda client: client.replay(session, at), nats=nats, data_dir=data_dir)
    if as_json:
        emit_json(_replay_json(replay))
        return
    for depth, ref in _tree(replay):
        _print_thread(ref, replay.threads[ref], "  " * depth)


def tail(
    session: SessionId,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", "-f", help="Wait for more.")] = True,
    after: Annotated[int, typer.Option(min=0, metavar="POSITION", help="Begin behind this position of the log.")] = 0,
    nats: Nats = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Print a session's events as they are stored; with `--json` one envelope a line. Ctrl-C ends it."""

    async def work(client: Client) -> None:
        from busagents.errors import NotFound

        found = False
        events = client.tail(session, after=after) if follow else client.history(session, after=after)
        async with contextlib.aclosing(events):
            async for event in events:
                found = True
                if as_json:
                    emit_json(event.envelope())
                else:
                    emit_text(_line(event))
        if not found and not after:
            raise NotFound(f"session {session!r} has no events: `busagents sessions list` shows those there are")

    try:
        on_bus(work, nats=nats, data_dir=data_dir)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _replay_json(replay: Replay) -> dict[str, object]:
    from busagents.domain.questions import open_questions

    threads = [
        {
            "participant": ref.participant,
            "thread": ref.thread,
            "called_by": _caller(state),
            "seq": state.seq,
            "head": state.head,
            "messages": list(state.messages),
            "working_on": state.active.id if state.active is not None else None,
            "questions": [ask.required.message.text for ask in open_questions(state.active)] if state.active is not None else [],
            "queued": [task.id for task in state.queue],
            "finished": {task: outcome.state for task, outcome in state.finished.items()},
            "state": state.values,
            "session_state": state.session_values,
        }
        for ref, state in replay.threads.items()
    ]
    return {"session": replay.session, "position": replay.position, "threads": threads}


def _caller(state: ThreadState) -> ThreadRef | None:
    """The thread whose participant gave this one its tasks."""
    tasks = [*state.queue, *([state.active] if state.active is not None else [])]
    asked = [outcome.submitted for _, outcome in state.finished.items()] + [task.submitted for task in tasks]
    return next((submitted.reply_to for submitted in asked if submitted is not None and submitted.reply_to is not None), None)


def _tree(replay: Replay) -> list[tuple[int, ThreadRef]]:
    """The threads with how deep each is: below its caller, and in the order in which they came."""
    below: dict[ThreadRef | None, list[ThreadRef]] = {}
    for ref, state in replay.threads.items():
        caller = _caller(state)
        below.setdefault(caller if caller in replay.threads and caller != ref else None, []).append(ref)
    found: list[tuple[int, ThreadRef]] = []
    waiting = [(0, ref) for ref in reversed(below.get(None, []))]
    while waiting:
        depth, ref = waiting.pop()
        found.append((depth, ref))
        waiting += [(depth + 1, child) for child in reversed(below.get(ref, []))]
    return found


def _print_thread(ref: ThreadRef, state: ThreadState, indent: str) -> None:
    from busagents.domain.questions import open_questions

    what = _state(state)
    emit_text(f"{indent}{ref.participant} ({ref.thread}, {state.seq} entries){f': {what}' if what else ''}", colour="bold")
    for message in state.messages:
        _print_message(ref.participant, message, indent)
    if state.active is None:
        return
    for ask in open_questions(state.active):
        if ask.required.child is None:  # else it is shown further down, where it is asked
            emit_text(_below(f" {ask.required.message.text}", indent), head=f"{indent}  {ref.participant} asks:", colour="yellow")
    if not state.active.asking:
        emit_text(f"{indent}  … task {state.active.id} is at work, turn {state.active.turn}")


def _state(state: ThreadState) -> str:
    """Where the thread's newest task is that somebody has begun."""
    if state.active is not None:
        return state.task_state(state.active.id) or ""
    ended = [outcome for _, outcome in state.finished.items()]
    last = ended[-1] if ended else None
    if last is None:
        return "submitted" if state.queue else ""
    return f"{last.state} ({last.reason})" if last.state == "failed" and last.reason else last.state


def _print_message(participant: str, message: Message, indent: str) -> None:
    from busagents.domain.messages import ToolCallPart, ToolResultPart

    who = {"user": "user", "assistant": participant, "tool": "tool", "system": "system"}[message.role]
    if message.text:
        emit_text(_below(f" {message.text}", indent), head=f"{indent}  {who}:", colour="cyan")
    for part in message.parts:
        if isinstance(part, ToolCallPart):
            emit_text(_below(f" calls {part.name} {part.arguments}", indent), head=f"{indent}  {who}:", colour="cyan")
        elif isinstance(part, ToolResultPart):
            mark = "fails" if part.is_error else "says"
            emit_text(_below(f" {mark}: {part.content}", indent), head=f"{indent}  {part.name}", colour="cyan")


def _below(text: str, indent: str) -> str:
    """The text with its further lines under the thread it is of."""
    first, *others = text.split("\n")
    return "\n".join([first, *(f"{indent}    {line}" if line.strip() else "" for line in others)])


def _line(event: TaskEvent) -> str:
    import msgspec

    from busagents.cli.remarks import line

    data = line(event.event) or msgspec.json.encode(event.event).decode()
    shown = data if len(data) <= 120 else data[:119] + "…"
    return f"{event.position:>6}  {event.time[11:23]}  {event.ref.participant:<18} {event.type:<16} {shown}"
