"""Questions to people, as every kind of participant handles them: what is to be recorded of answers, deadlines and children.

A question travels up from the thread that asks to the root of its session, and the answer travels down again. At each step it
is a fact (`input.required`, `input.answered`), so that any replica of any of them can go on.
"""

from __future__ import annotations

from typing import Any

from busagents.domain import events as e
from busagents.domain.messages import DataPart, Message
from busagents.domain.output import check_output, parse_output
from busagents.domain.state import Ask, Task, ThreadState

_YES, _NO = ("yes", "y", "true"), ("no", "n", "false")

TOO_LATE = "the question is not open: it was answered before, its task has ended, or it was never asked"


def settle_questions(state: ThreadState) -> list[e.Recorded]:
    """What is to be recorded now of late answers, answers that came, deadlines, and questions of children."""
    records = [e.Recorded(e.InputRefused(late.request, late.entry, TOO_LATE), late.task) for late in state.late]
    task = state.active
    if task is None or task.cancel is not None:
        return records
    for ask in task.asks.values():
        event = _settled(ask)
        if event is not None:
            records.append(e.Recorded(event, task.id, task.turn, max(1, task.attempt)))
    records += [e.Recorded(required, task.id, task.turn, max(1, task.attempt)) for required in task.heard]
    return records


def _settled(ask: Ask) -> e.Event | None:
    if ask.answered:
        return None
    if ask.by and ask.given is not None:
        problem = answer_problem(ask.required, ask.given)
        if problem is None:
            return e.InputAnswered(ask.required.request, ask.by)
        return e.InputRefused(ask.required.request, ask.by, problem)
    if ask.expired or ask.closed:
        return e.InputAnswered(ask.required.request)
    return None


def answer_problem(required: e.InputRequired, answer: Message) -> str | None:
    """What is wrong with an answer, or None. Only a question with a schema is particular."""
    if required.answer_schema is None or required.purpose == "approval":
        return None
    data = next((part.data for part in answer.parts if isinstance(part, DataPart)), None)
    if data is not None:
        return check_output(data, required.answer_schema)
    return _read(answer.text, required.answer_schema)[1]


def answer_value(required: e.InputRequired, answer: Message) -> Any:
    """The answer as who asked gets it: a JSON value if a schema was given, else its text."""
    data = next((part.data for part in answer.parts if isinstance(part, DataPart)), None)
    if required.answer_schema is None:
        return data if data is not None and not answer.text else answer.text
    return data if data is not None else _read(answer.text, required.answer_schema)[0]


def _read(text: str, schema: dict[str, Any]) -> tuple[Any, str | None]:
    """What a person wrote as a value of the schema: JSON, else the words as they are, else yes or no."""
    value, problem = parse_output(text, schema)
    words = text.strip()
    plain = words.lower().rstrip(".!")
    guesses = [words, *([plain in _YES] if plain in _YES or plain in _NO else [])]
    for guess in guesses if problem is not None else ():
        if check_output(guess, schema) is None:
            return guess, None
    return value, problem


def open_questions(task: Task) -> list[Ask]:
    """The questions that wait for an answer, the oldest first."""
    return [ask for ask in task.asks.values() if ask.open]
