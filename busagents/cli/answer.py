"""Shows a task while it runs: its text on stdout; on stderr what else happens, there and below it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from busagents.cli.output import note

if TYPE_CHECKING:
    from busagents.cli.text_lines import Beside
    from busagents.runtime.client.client import Client
    from busagents.runtime.client.questions import Question
    from busagents.runtime.client.session_stream import SessionDelta, SessionStream
    from busagents.runtime.client.task import Result, Task
    from busagents.runtime.client.task_event import TaskEvent

Ask = Callable[["Question"], Awaitable[str | None]]
"""Puts a question to the person at the terminal; None: they do not answer. Canceled when no answer is needed any more."""


async def stream_of(client: Client, task: Task, *, new_session: bool) -> SessionStream:
    """The session's stream from where the task was sent until its end."""
    after = 0
    if not new_session:
        infos = await client.tasks(session=task.session)
        after = next((info.position for info in infos if info.task == task.id and info.ref == task.ref), 0)
    return client.stream(task.session, after=after, until=task.id)


async def show_answer(task: Task, stream: SessionStream, ask: Ask | None = None) -> Result:
    """Print the text as it comes, and return the result. `ask` answers the task's questions.

    Raises:
        InputRequired: the task asks something, and there is nobody to answer.
        TaskError: as Task.result.
    """
    async with contextlib.aclosing(_Items(stream)) as items:
        shown = _Shown(task, items, ask)
        try:
            await shown.run()
        finally:  # also when the wait ends before the task does
            shown.end()
    return await task.result()


async def end_or_question(task: Task) -> Result:
    """The result, without showing anything. Raises as show_answer without `ask`."""
    from busagents.domain.events import InputRequired

    async for event in task.events():
        if isinstance(event.event, InputRequired):
            asked = await task.questions()
            if asked:
                raise _nobody_answers(task, asked)
    return await task.result()


def _nobody_answers(task: Task, asked: list[Question]) -> Exception:
    from busagents.cli.ask import HINT
    from busagents.errors import InputRequired

    first = asked[0]
    who = f"{first.asker} asks: " if first.asker else ""
    how = f" ({HINT})" if first.purpose == "approval" else ""
    more = f" · {len(asked) - 1} more: busagents tasks show {task.id}" if len(asked) > 1 else ""
    text = f'task {task.id} waits for an answer: {who}{first.text}{how} — busagents tasks reply {task.id} "…"{more}'
    return InputRequired(text, task=task.id, session=task.session)


class _Items:
    """A stream whose next item may be waited for beside something else."""

    def __init__(self, stream: SessionStream) -> None:
        self._stream = stream
        self._ahead: asyncio.Future[TaskEvent | SessionDelta | None] | None = None

    def ahead(self) -> asyncio.Future[TaskEvent | SessionDelta | None]:
        """The next item, perhaps not there yet; `take` it then."""
        if self._ahead is None:
            self._ahead = asyncio.ensure_future(self._next())
        return self._ahead

    async def take(self) -> TaskEvent | SessionDelta | None:
        """The next item; None at the end."""
        if self._ahead is None:
            return await self._next()
        item = await self._ahead
        self._ahead = None
        return item

    async def aclose(self) -> None:
        """Stop watching."""
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.wait({self._ahead})
        await self._stream.aclose()

    async def _next(self) -> TaskEvent | SessionDelta | None:
        return await anext(self._stream, None)


class _Settled(Exception):
    """A question needs no answer any more."""


class _Shown:
    """A task and what is below it, on the terminal. With stderr piped, what the others write is left out."""

    def __init__(self, task: Task, items: _Items, ask: Ask | None) -> None:
        from busagents.cli.text_lines import Line
        from busagents.cli.tree import Tree
        from busagents.runtime.client.session_text import SessionText

        self._line = Line()
        self._task = task
        self._items = items
        self._ask = ask
        self._tree = Tree(task.id)
        self._text = SessionText()
        self._beside: dict[str, Beside] = {}
        self._held: list[TaskEvent] = []
        self._others = sys.stderr.isatty()

    async def run(self) -> None:
        """Until the task ends. Raises as show_answer."""
        while (item := self._held.pop(0) if self._held else await self._items.take()) is not None:
            await self._show(item)

    def end(self) -> None:
        """End the lines that are open."""
        self._line.end()
        for beside in self._beside.values():
            beside.end()

    async def _show(self, item: TaskEvent | SessionDelta) -> None:
        from busagents.runtime.client.session_stream import SessionDelta

        depth = self._tree.depth(item)
        if depth is None:
            return
        if isinstance(item, SessionDelta):
            remark = _progress(item.delta.progress) if depth == 0 or self._others else ""
            self._write(item, depth, item.delta.task)
        else:
            remark = self._tree.remark(item)
            self._write(item, depth, item.task)
            if depth == 0:
                await self._of_the_task(item)
        if remark:
            who = f"{item.ref.participant}: " if depth else ""
            self._line.remark(f"{_indent(depth)}· {who}{remark}")

    def _write(self, item: TaskEvent | SessionDelta, depth: int, task: str) -> None:
        """Show the text that the item brings: on stdout if it is the task's own."""
        text = self._text.show(item)
        if depth == 0:
            self._line.write(text)
        elif self._others and self._tree.speaks(item):
            self._write_beside(item, depth, task, text)

    def _write_beside(self, item: TaskEvent | SessionDelta, depth: int, task: str, text: str) -> None:
        from busagents.cli.text_lines import Beside
        from busagents.domain.events import TERMINAL, ModelCompleted
        from busagents.runtime.client.session_stream import SessionDelta

        if text:
            head = f"{_indent(depth)}{item.ref.participant} │ "
            self._beside.setdefault(task, Beside(self._line, head)).write(text)
        if not isinstance(item, SessionDelta) and isinstance(item.event, (ModelCompleted, *TERMINAL)) and task in self._beside:
            self._beside.pop(task).end()

    async def _of_the_task(self, item: TaskEvent) -> None:
        from busagents.domain.events import InputRequired

        match item.event:
            case InputRequired():
                self._line.end()
                await self._answer_questions()

    async def _answer_questions(self) -> None:
        from busagents.errors import AnswerRefused, InvalidInput

        while asked := await self._task.questions():
            try:
                answer = await self._asked(asked[0])
            except _Settled:
                note("busagents: no answer is needed any more")
                continue
            if answer is None:
                raise _nobody_answers(self._task, asked)
            try:
                await self._task.reply(answer, request=asked[0].request)
            except (AnswerRefused, InvalidInput) as error:  # somebody else was first, or it does not fit: then it is asked again
                note(f"busagents: {error}")

    async def _asked(self, question: Question) -> str | None:
        """What the person says. What happens meanwhile is shown afterwards: here it would run into what they type.

        Raises:
            _Settled: somebody else answered, or the task has ended.
        """
        from busagents.runtime.client.session_stream import SessionDelta

        if self._ask is None:
            return None
        prompt = asyncio.ensure_future(self._ask(question))
        try:
            while not prompt.done():
                waiting: set[asyncio.Future[Any]] = {prompt, self._items.ahead()}
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if prompt.done():
                    break
                item = await self._items.take()
                if item is None:
                    raise _Settled
                if not isinstance(item, SessionDelta):  # the text comes with the record
                    self._held.append(item)
                    if self._settles(item, question):
                        raise _Settled
            return prompt.result()
        finally:
            if not prompt.done():
                prompt.cancel()
                await asyncio.wait({prompt})

    def _settles(self, item: TaskEvent, question: Question) -> bool:
        from busagents.domain.events import TERMINAL, InputAnswered

        if item.task != self._task.id:
            return False
        return isinstance(item.event, TERMINAL) or (
            isinstance(item.event, InputAnswered) and item.event.request == question.request
        )


def _indent(depth: int) -> str:
    return "  " * min(depth + 1, 8)


def _progress(progress: Any) -> str:
    from busagents.cli.remarks import short

    return "" if progress is None else short(progress if isinstance(progress, str) else str(progress))


def as_json(result: Result) -> dict[str, Any]:
    """The object that `--json` ends with."""
    return {
        "task": result.task,
        "session": result.session,
        "state": "completed",
        "text": result.text,
        "output": result.output,
        "artifacts": result.artifacts,
        "usage": result.usage,
    }


def question_json(question: Question) -> dict[str, Any]:
    """A question as `--json` has it. `data` is what an approval is about: the tool and its arguments."""
    from busagents.domain.messages import DataPart

    return {
        "request": question.request,
        "asker": question.asker,
        "purpose": question.purpose,
        "text": question.text,
        "data": next((part.data for part in question.message.parts if isinstance(part, DataPart)), None),
        "answer_schema": question.answer_schema,
    }
