"""Puts a task's questions to the person at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from busagents.cli.output import note, paint

if TYPE_CHECKING:
    from busagents.cli.answer import Ask
    from busagents.runtime.client.questions import Question


def ask_at_terminal() -> Ask | None:
    """How to ask the person at the terminal; None if there is none."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    from busagents.cli.stdin import Lines

    return asking(Lines().next)


def asking(next_line: Callable[[], Awaitable[str | None]]) -> Ask:
    """How to ask by reading lines. An empty line asks again; the end of the input is no answer."""

    async def ask(question: Question) -> str | None:
        hint = " (yes, or no: why)" if question.purpose == "approval" else ""
        note(f" {question.text}{hint}", head=f"{question.asker} asks:", colour="yellow")
        while True:
            sys.stderr.write(paint("answer> ", "bold", sys.stderr))
            sys.stderr.flush()
            line = await next_line()
            if line is None or line.strip():
                return line

    return ask
