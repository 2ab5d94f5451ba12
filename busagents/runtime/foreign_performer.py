"""Prompts an agent of another system for a task: shows what it says, passes its questions on, and records how it ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import msgspec

from busagents.domain import events as e
from busagents.domain.codec import derived_id
from busagents.domain.decision import Command, RunTool
from busagents.domain.messages import FilePart, Message, TextPart
from busagents.domain.output import parse_output
from busagents.domain.state import Ask, Task
from busagents.domain.storable_text import storable
from busagents.domain.synadia_decider import PROMPT
from busagents.errors import DefinitionError
from busagents.ports.foreign import Alive, Asked, ForeignAgent, ForeignItem, Refused, Said
from busagents.runtime import failpoints
from busagents.runtime.performer import Delta, Show, Work

_LOOK = 0.1  # seconds between looks whether an open question has its answer


class _Answer(msgspec.Struct, frozen=True):
    text: str
    files: tuple[FilePart, ...]


class ForeignPerformer:
    """See Performer. `silence` is the seconds without a word after which the other side is given up; `show` sends text to
    watchers.
    """

    def __init__(self, name: str, agent: ForeignAgent, silence: float, show: Show) -> None:
        self._name = name
        self._agent = agent
        self._silence = silence
        self._show = show

    async def perform(self, work: Work, command: Command) -> list[e.Recorded]:
        """Send the prompt, and follow its answer to the end. A cancellation hangs up."""
        task = work.state.active
        assert task is not None, "it is prompted for a started task"
        if not isinstance(command, RunTool):
            raise DefinitionError(
                f"{self._name!r} was given a {type(command).__name__}: its log is another kind of participant's"
            )
        if failpoints.armed():
            failpoints.hit("tool:before")
        answering: set[asyncio.Task[None]] = set()
        try:
            said = await self._follow(work, task, answering)
        finally:
            for each in answering:
                each.cancel()
        events = _ended(said, work, task)
        return [e.Recorded(event, task.id, 0, task.attempt) for event in events]

    async def _follow(self, work: Work, task: Task, answering: set[asyncio.Task[None]]) -> _Answer | Refused:
        texts: list[str] = []
        files: list[FilePart] = []
        at = asked = 0
        silence = None  # until it is sent: to look for the other side takes what it takes
        async with contextlib.aclosing(self._agent.prompt(_prompt(task))) as items:
            while True:
                item = await self._next(items, answering, silence)
                silence = self._silence
                match item:
                    case None:
                        return _Answer("".join(texts), tuple(files))
                    case Alive():
                        continue
                    case Refused():
                        return item
                    case Asked():
                        asked += 1
                        request = derived_id("foreign", str(work.ref), task.id, str(task.attempt), str(asked))
                        required = e.InputRequired(request, item.message, call=PROMPT, asker=work.ref.participant)
                        await work.record([e.Recorded(required, task.id, 0, task.attempt)])
                        waiting = asyncio.create_task(self._answer(work, task.id, request, item))
                        answering.add(waiting)
                        waiting.add_done_callback(answering.discard)
                    case Said(text, more):
                        files.extend(more)
                        if text := storable(text):
                            texts.append(text)
                            self._show(work.ref, Delta(task.id, 0, task.attempt, text, at))
                            at += len(text)

    async def _next(
        self, items: AsyncGenerator[ForeignItem, None], answering: set[asyncio.Task[None]], silence: float | None
    ) -> ForeignItem | None:
        """The next item; None at the end. While a question is open the other side may be silent."""
        coming = asyncio.ensure_future(anext(items, None))
        try:
            while not coming.done():
                waited = {coming, *answering}
                done, _ = await asyncio.wait(waited, timeout=silence, return_when=asyncio.FIRST_COMPLETED)
                if not done and not answering:
                    text = f"{self._name} said nothing for {self._silence:g} s; it may have done the work"
                    return Refused("outcome_unknown", text, unknown=True)
            return coming.result()
        finally:
            if not coming.done():
                coming.cancel()
                await asyncio.wait({coming})

    async def _answer(self, work: Work, task: str, request: str, question: Asked) -> None:
        """Wait until the question has its recorded answer, and pass it on."""
        while True:
            ask = _ask(work, task, request)
            if ask is None:
                return
            if ask.answered:
                if ask.given is not None:
                    await self._agent.answer(question, ask.given)
                return
            await asyncio.sleep(_LOOK)


def _ask(work: Work, task: str, request: str) -> Ask | None:
    active = work.state.active
    return active.asks.get(request) if active is not None and active.id == task else None


def _prompt(task: Task) -> Message:
    """What the task says, and the form its answer must have."""
    schema, prompt = task.submitted.output_schema, task.submitted.prompt
    if schema is None:
        return prompt
    wanted = f"\n\nAnswer with JSON that fits this JSON Schema, and nothing else: {msgspec.json.encode(schema).decode()}"
    return Message(prompt.role, (*prompt.parts, TextPart(wanted)))


def _ended(said: _Answer | Refused, work: Work, task: Task) -> list[e.Event]:
    elapsed = work.elapsed()
    match said:
        case _Answer(text, files):
            done = e.ToolCompleted(PROMPT, f"{len(text)} characters, {len(files)} files", elapsed)
            return [done, _completed(Message("assistant", (TextPart(text), *files)), task, elapsed)]
        case Refused(reason, words, unknown):
            text = storable(words)
            end: e.Event = e.ToolUnknown(PROMPT, text) if unknown else e.ToolFailed(PROMPT, "error", text, elapsed)
            return [end, e.TaskFailed(reason, text, task.usage, elapsed)]


def _completed(message: Message, task: Task, elapsed: int) -> e.Event:
    schema = task.submitted.output_schema
    if schema is None:
        return e.TaskCompleted(message, task.usage, elapsed_ms=elapsed)
    output, problem = parse_output(message.text, schema)
    if problem is not None:
        text = f"the agent's answer does not fit the schema asked for: {problem}"
        return e.TaskFailed("output_invalid", storable(text), task.usage, elapsed)
    return e.TaskCompleted(message, task.usage, output, elapsed_ms=elapsed)
