"""Puts a task's questions to the person at the terminal."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from busagents.cli.output import note, paint

if TYPE_CHECKING:
    from busagents.runtime.client.questions import Question

HINT = "yes / no: why / edit: {arguments as JSON}"


class Prompt:
    """Asks by writing to stderr and reading lines. `open` is the question that stands there without an answer."""

    def __init__(self, next_line: Callable[[], Awaitable[str | None]]) -> None:
        self._next_line = next_line
        self.open: Question | None = None

    async def __call__(self, question: Question) -> str | None:
        """The answer, or None at the end of the input. An empty line, or one that cannot be meant, is asked for again."""
        self.open = question
        who = f"{question.asker} asks:" if question.asker else "Question:"
        note(f" {question.text}", head=who, colour="yellow")
        if question.purpose == "approval":
            note(f"  {HINT}", colour="grey")
        elif question.answer_schema is not None:
            note(f"  JSON that fits {json.dumps(question.answer_schema)}", colour="grey")
        answer = await self._answer(question)
        self.open = None
        return answer

    async def _answer(self, question: Question) -> str | None:
        while True:
            sys.stderr.write(paint("answer> ", "bold", sys.stderr))
            sys.stderr.flush()
            try:
                line = await self._next_line()
            except asyncio.CancelledError:
                sys.stderr.write("\n")
                raise
            if line is None:
                return None
            problem = _problem(question, line)
            if problem is None:
                return line
            if problem:
                note(problem)


def ask_at_terminal() -> Prompt | None:
    """How to ask the person at the terminal; None if there is none."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    from busagents.cli.stdin import Lines

    return Prompt(Lines().next)


def _problem(question: Question, line: str) -> str | None:
    """Why the line is no answer ("": nothing was said), or None."""
    if not line.strip():
        return ""
    word, colon, rest = line.partition(":")
    if question.purpose != "approval" or word.strip().lower() != "edit" or not colon:
        return None
    try:
        arguments = json.loads(rest)
    except ValueError as error:
        return f"these arguments are no JSON ({error}): edit: {{…}}"
    return None if isinstance(arguments, dict) else "the arguments are a JSON object: edit: {…}"
