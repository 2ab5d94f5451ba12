"""`busagents chat`: one session, line by line."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from busagents.cli.on_bus import on_bus
from busagents.cli.options import DataDir, Nats
from busagents.cli.output import note, paint

if TYPE_CHECKING:
    from busagents.runtime.client.client import Client


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("chat")(chat)


def chat(
    participant: Annotated[str, typer.Argument(help="The agent's name.")],
    session: Annotated[str | None, typer.Option("--session", "-s", help="Go on in this session.  [default: a new one]")] = None,
    nats: Nats = None,
    data_dir: DataDir = None,
) -> None:
    """Talk with an agent: each line is a task of one session. Ctrl-C cancels an answer, Ctrl-D ends."""

    async def work(client: Client) -> None:
        await _talk(client, participant, session)

    try:
        on_bus(work, nats=nats, data_dir=data_dir)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


async def _talk(client: Client, participant: str, session: str | None) -> None:
    from busagents.cli.answer import show_answer
    from busagents.errors import TaskError

    while True:
        line = await asyncio.to_thread(_read_line)
        if line is None:
            break
        if not line.strip():
            continue
        task = await client.send(participant, line, session=session)
        session = task.session
        answering = asyncio.ensure_future(show_answer(task))
        try:
            await asyncio.shield(answering)
        except TaskError as error:
            note(f"busagents: {error}")
        except asyncio.CancelledError:  # Ctrl-C: the task is asked to end, and the end is shown
            current = asyncio.current_task()
            if current is not None:
                current.uncancel()
            await task.cancel("canceled in the chat")
            await asyncio.wait({answering})
            note("busagents: canceled")
    if session is not None:
        note(f"busagents: go on with: busagents chat {participant} --session {session}")


def _read_line() -> str | None:
    if sys.stdin.isatty():
        sys.stderr.write(paint("you> ", "bold", sys.stderr))
        sys.stderr.flush()
    line = sys.stdin.readline()
    return line if line else None
