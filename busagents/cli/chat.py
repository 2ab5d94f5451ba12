"""`busagents chat`: one session, line by line."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from busagents.cli.on_bus import on_bus
from busagents.cli.options import DataDir, Nats
from busagents.cli.output import note, paint, render_error

if TYPE_CHECKING:
    from busagents.runtime.client.client import Client
    from busagents.runtime.client.session_stream import Place
    from busagents.runtime.client.task import Task

T = TypeVar("T")


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
        talk = _Talk(client, participant, session)
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, talk.interrupted.set)
        try:
            await talk.run()
        finally:
            if talk.session is not None:
                note(f"busagents: go on with: busagents chat {participant} --session {talk.session}")

    try:
        on_bus(work, nats=nats, data_dir=data_dir)
    except (_Interrupted, KeyboardInterrupt):
        raise typer.Exit(130) from None


class _Interrupted(Exception):
    """Ctrl-C."""


class _Talk:
    """A conversation. `session` is None until something was said; set `interrupted` on Ctrl-C."""

    def __init__(self, client: Client, participant: str, session: str | None) -> None:
        from busagents.cli.stdin import Lines

        self.session = session
        self._seen: Place | None = None
        self.interrupted = asyncio.Event()
        self._client = client
        self._participant = participant
        self._lines = Lines()

    async def run(self) -> None:
        """Until stdin ends. Raises _Interrupted at a Ctrl-C that has nothing to cancel."""
        from busagents.errors import InvalidInput

        while (line := await self._unless_interrupted(self._next_line())) is not None:
            if not line.strip():
                continue
            try:
                task = await self._client.send(self._participant, line, session=self.session)
            except InvalidInput as error:  # say it in another way
                render_error(error)
                continue
            new, self.session = self.session is None, task.session
            await self._answer(task, new_session=new)

    async def _next_line(self) -> str | None:
        if sys.stdin.isatty():
            sys.stderr.write(paint("you> ", "bold", sys.stderr))
            sys.stderr.flush()
        return await self._lines.next()

    async def _answer(self, task: Task, *, new_session: bool) -> None:
        from busagents.cli.answer import show_answer, stream_of
        from busagents.cli.ask import Prompt
        from busagents.errors import TaskError

        if self._seen is None:
            stream = await stream_of(self._client, task, new_session=new_session)
        else:  # from where the last answer ended
            stream = self._client.stream(task.session, after=self._seen, until=task.id)
        answering = asyncio.ensure_future(show_answer(task, stream, Prompt(self._lines.next)))
        try:
            try:
                await self._unless_interrupted(asyncio.shield(answering))
            except _Interrupted:
                await task.cancel("canceled in the chat")
                await self._unless_interrupted(answering)  # the end is shown; a second Ctrl-C does not wait for it
        except TaskError as error:
            render_error(error)
        self._seen = stream.place

    async def _unless_interrupted(self, work: Coroutine[Any, Any, T] | asyncio.Future[T]) -> T:
        """What the work returns. Raises _Interrupted at a Ctrl-C, and cancels it."""
        working, interrupt = asyncio.ensure_future(work), asyncio.ensure_future(self.interrupted.wait())
        try:
            await asyncio.wait({working, interrupt}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            self.interrupted.clear()
            raise _Interrupted
        finally:
            interrupt.cancel()
            working.cancel()
