"""Shows a task while it runs: its text on stdout, what else happens on stderr."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from busagents.cli.output import note, printable

if TYPE_CHECKING:
    from busagents.runtime.client.questions import Question
    from busagents.runtime.client.task import Result, Task
    from busagents.runtime.client.task_event import TaskEvent
    from busagents.runtime.performer import Delta

_SHOWN = 100  # characters of a tool's arguments or result


Ask = Callable[["Question"], Awaitable[str | None]]
"""Puts a question to the person at the terminal; None: they do not answer."""


async def show_answer(task: Task, ask: Ask | None = None) -> Result:
    """Print the text as it comes, and return the result. `ask` answers the task's questions.

    Raises:
        InputRequired: the task asks something, and there is nobody to answer.
        TaskError: as Task.result.
    """
    line = _Line()
    try:
        await _show(task, line, ask)
    finally:  # also when the wait ends before the task does
        line.end()
    return await task.result()


async def end_or_question(task: Task) -> Result:
    """The result, without showing anything. Raises as show_answer without `ask`."""
    from busagents.domain.events import InputRequired

    async for event in task.events():
        if isinstance(event.event, InputRequired):
            await _answer_questions(task, None)
    return await task.result()


async def _answer_questions(task: Task, ask: Ask | None) -> None:
    from busagents.errors import AnswerRefused, InputRequired

    for question in await task.questions():
        answer = await ask(question) if ask is not None else None
        if answer is None:
            raise InputRequired(
                f'task {task.id} waits for an answer: {question.text} — busagents tasks reply {task.id} "…"',
                task=task.id,
                session=task.session,
            )
        try:
            await task.reply(answer, request=question.request)
        except AnswerRefused as error:  # somebody else was first, or it does not fit: then it is asked again
            note(f"busagents: {error}")
            await _answer_questions(task, ask)
            return


async def _show(task: Task, line: _Line, ask: Ask | None) -> None:
    from busagents.domain.events import InputRequired
    from busagents.runtime.client.task_event import TaskEvent
    from busagents.runtime.client.text_stream import TextStream

    pieces = TextStream()
    async for item in task.stream():
        if isinstance(item, TaskEvent):
            line.write(pieces.event(item))
            if isinstance(item.event, InputRequired):
                line.end()
                await _answer_questions(task, ask)
            remark = _remark(item)
        else:
            line.write(pieces.delta(item))
            remark = _progress(item)
        if remark:
            if sys.stdout.isatty():  # else the text is read by a program, and stays as the model wrote it
                line.end()
            note(f"  · {remark}", colour="grey")


class _Line:
    """Text on stdout that knows whether its line has ended."""

    def __init__(self) -> None:
        self._open = False

    def write(self, text: str) -> None:
        if not text:
            return
        sys.stdout.write(printable(text) if sys.stdout.isatty() else text)
        sys.stdout.flush()
        self._open = not text.endswith("\n")

    def end(self) -> None:
        if self._open:
            sys.stdout.write("\n")
            sys.stdout.flush()
            self._open = False


def _remark(item: TaskEvent) -> str:
    from busagents.domain import events as e

    match item.event:
        case e.TaskStarted() if item.attempt > 1:
            return f"another process goes on where the log ends (attempt {item.attempt})"
        case e.ModelCompleted(message) if message.tool_calls:
            return "; ".join(f"{call.name} {_short(call.arguments)}" for call in message.tool_calls)
        case e.TaskDelegated(_, target, message):
            return f"{target.participant} ← {_short(message.text)}"
        case e.HandoffMade(source, target, message):
            return f"{source} → {target}: {_short(message)}"
        case e.NodeCompleted(node, _, state) if state != "completed":
            return f"{node}: {state}"
        case e.EdgesChosen(node, taken) if taken:
            return f"{node} → {', '.join(taken)}"
        case e.ToolFailed(_, _, message):
            return f"the tool failed: {_short(message)}"
        case e.ToolUnknown(_, reason):
            return f"a tool's outcome is unknown: {_short(reason)}"
        case e.ModelFailed(_, message, retry_in) if retry_in is not None:
            return f"the model call failed ({_short(message)}): again in {retry_in:.1f} s"
    return ""


def _progress(delta: Delta) -> str:
    return (
        _short(delta.progress if isinstance(delta.progress, str) else str(delta.progress)) if delta.progress is not None else ""
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


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
