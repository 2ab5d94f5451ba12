"""A task, seen by who sent it or asks for it: its events, its text as it comes, its result; and a way to cancel it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from busagents import errors
from busagents.domain.codec import derived_id
from busagents.domain.events import TERMINAL, InputRequired, TaskCancel, TaskCanceled, TaskCompleted, TaskFailed
from busagents.domain.messages import Artifact, Message, Usage
from busagents.domain.output_type import convert_output
from busagents.domain.subjects import ThreadRef
from busagents.ports.log import Bus
from busagents.runtime.client.follow import follow
from busagents.runtime.client.live_session import LiveQueue, LiveSession, LiveSessions
from busagents.runtime.client.live_text import LiveText, OpenTurn
from busagents.runtime.client.questions import Question, open_questions, send_answer
from busagents.runtime.client.submission import checked_text
from busagents.runtime.client.task_event import TaskEvent, read_events
from busagents.runtime.client.text_stream import TextStream
from busagents.runtime.journal import Journal
from busagents.runtime.live_feed import LiveMessageBody
from busagents.runtime.outgoing import send_event
from busagents.runtime.performer import Delta


class Result(msgspec.Struct, frozen=True):
    """A task's answer. `output` is the structured answer, converted to the type that was asked for (None without one)."""

    task: str
    session: str
    text: str
    message: Message
    usage: Usage
    output: Any = None
    artifacts: tuple[Artifact, ...] = ()


class Task:
    """A handle on a task. Any number of readers may use it at once; the task goes on whether anybody reads or not."""

    def __init__(
        self,
        bus: Bus,
        sessions: LiveSessions,
        journal: Journal,
        ref: ThreadRef,
        task: str,
        *,
        after: int,
        output_type: Any = None,
    ) -> None:
        self.id = task
        self.ref = ref
        self._bus = bus
        self._sessions = sessions
        self._journal = journal
        self._after = after
        self._output_type = output_type
        self._early: tuple[LiveSession, LiveQueue] | None = None
        self._end: TaskEvent | None = None

    @property
    def session(self) -> str:
        """The session's id."""
        return self.ref.session

    def listen(self, live: LiveSession) -> None:
        """Collect the live feed from now on, for the first reader; called before the task is sent."""
        self._early = (live, live.open(self.ref))

    def sent(self, position: int) -> None:
        """The task was stored at this position of the log."""
        self._after = position

    async def stream(self) -> AsyncIterator[TaskEvent | Delta]:
        """Recorded events of the task, each once and in order, and between them live deltas; ends with the task. Who comes late
        to a turn gets its text from the beginning.

        Raises:
            LogError: the thread's log cannot be trusted or understood; the task waits until it is mended.
            BusUnreachable: the log cannot be read now. The task goes on; ask again.
        """
        early, self._early = self._early, None
        if early is None:
            live = await self._sessions.get(self.session)
            queue = live.open(self.ref)
        else:
            live, queue = early
        turn, text = OpenTurn(), LiveText(self._bus, self.ref)
        if early is None:
            await text.ask()  # somebody may be in the middle of it
        try:
            async for item in follow(self._bus, self.ref, queue, after=self._after, fresh=early is not None):
                if isinstance(item, LiveMessageBody):
                    if item.refused is not None:
                        raise item.refused.as_error()
                    for delta in item.deltas:
                        if delta.task == self.id and turn.place(delta) != "past" and (piece := await text.new(delta)):
                            yield piece
                    continue
                for event in await read_events(self._bus, item):
                    if event.task != self.id:
                        continue
                    turn.note(event.type, event.task, event.turn, event.attempt)
                    if not isinstance(event.event, TERMINAL):
                        yield event
                        continue
                    self._end = event
                    yield event
                    return
        finally:
            live.leave(self.ref, queue)

    async def events(self) -> AsyncIterator[TaskEvent]:
        """Recorded events of the task, each once and in order."""
        async for item in self.stream():
            if isinstance(item, TaskEvent):
                yield item

    async def text(self) -> AsyncIterator[str]:
        """The text the model writes, as it comes. When a process or call ends in the middle, the next attempt begins anew: what
        it repeats is not yielded again, and where it differs the whole turn's text follows after a blank line.

        Raises:
            TaskError: see result().
        """
        pieces = TextStream()
        async for item in self.stream():
            piece = pieces.delta(item) if isinstance(item, Delta) else pieces.event(item)
            if piece:
                yield piece
        self._outcome()

    async def result(self, *, timeout: float | None = None) -> Result:
        """Wait for the end, at most `timeout` seconds.

        Raises:
            TaskFailed, TaskCanceled: how it ended instead.
            TaskTimeout: it still goes on.
            InvalidInput: the answer fits the schema asked for but not the type's own further checks.
        """
        async with self.patience(timeout):
            if self._end is None:
                async for _ in self.events():
                    pass
        return self._outcome()

    @asynccontextmanager
    async def patience(self, seconds: float | None) -> AsyncIterator[None]:
        """A block that waits for this task, for at most so many seconds (None: for ever).

        Raises:
            TaskTimeout: the block was left because the time was up.
            InvalidInput: a number that is no time.
        """
        if seconds is not None and not seconds >= 0:
            raise errors.InvalidInput(
                f"timeout={seconds} is no time to wait: use seconds, 0 or more, or None to wait for the end"
            )
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            raise errors.TaskTimeout(
                f"task {self.id} has not ended after {seconds:g} s; it goes on: `busagents tasks wait {self.id}`",
                task=self.id,
                session=self.session,
            ) from None

    async def questions(self) -> list[Question]:
        """What it asks now and nobody has answered, the oldest first.

        Raises:
            LogError, BusUnreachable: see stream().
        """
        return await open_questions(self._journal, self.ref, self.id)

    async def question(self) -> Question | None:
        """Wait until the task asks something; the oldest question without an answer. None: the task ended.

        Raises:
            LogError, BusUnreachable: see stream().
        """
        async for event in self.events():
            if isinstance(event.event, InputRequired):
                asked = await self.questions()
                if asked:
                    return asked[0]
        return None

    async def reply(self, answer: str | Message | Any, *, request: str = "") -> None:
        """Answer a question: text, a JSON value for one with a schema, or a message. Returns when the answer is recorded.

        An approval is answered with "yes", "no: why", or {"decision": "edit", "arguments": {…}}. `request` names the question if
        several are open; default the oldest.

        Raises:
            InvalidInput: the task asks nothing, or the answer is empty or not JSON. Nothing was sent.
            AnswerRefused: another answer was first, the task has ended, or the answer does not fit what was asked for.
        """
        await send_answer(self._bus, self._sessions, self._journal, self.ref, self.id, answer, request)

    async def cancel(self, reason: str = "") -> None:
        """Ask the task to end; returns when that is recorded. It ends within a second if it is at work.

        Raises:
            InvalidInput: a reason that is not Unicode text. Nothing was sent.
        """
        checked_text("reason", reason)
        entry = derived_id("cancel", self.id)
        await send_event(self._bus, self.ref, TaskCancel(reason), task=self.id, entry_id=entry)

    def _outcome(self) -> Result:
        end = self._end
        assert end is not None, "the stream ends with the task"
        match end.event:
            case TaskCompleted(message, usage, output, artifacts):
                converted = convert_output(output, self._output_type)
                return Result(self.id, self.session, message.text, message, usage, converted, artifacts)
            case TaskFailed(reason, text):
                raise errors.TaskFailed(f"task failed ({reason}): {text}", task=self.id, session=self.session, reason=reason)
            case TaskCanceled(reason):
                said = f": {reason}" if reason else ""
                raise errors.TaskCanceled(f"task {self.id} was canceled{said}", task=self.id, session=self.session)
        raise AssertionError(f"{end.type} ends no task")
