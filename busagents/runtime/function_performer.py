"""Runs a function participant, with recorded steps: a step that has a result in the log is never run again."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from busagents.domain import events as e
from busagents.domain.codec import derived_id
from busagents.domain.decision import Command
from busagents.domain.function import Function, FunctionTask, Progress
from busagents.domain.messages import Artifact, Message, TextPart, assistant
from busagents.domain.state import Call, Task
from busagents.domain.storable_text import told
from busagents.domain.tool import encode_result
from busagents.errors import InvalidInput, StepFailed, StepUnknown
from busagents.runtime import failpoints
from busagents.runtime.performer import Delta, Show, Work
from busagents.runtime.session_values import SessionValues
from busagents.runtime.suspension import Suspended, Waits, run_to_end_or_wait
from busagents.runtime.tool_context import RunningToolContext
from busagents.runtime.user_code import plain_progress, raised_by_it

T = TypeVar("T")


class FunctionPerformer:
    """See Performer. `show` sends text and progress to watchers."""

    def __init__(self, function: Function, session_values: SessionValues, show: Show) -> None:
        self._function = function
        self._session_values = session_values
        self._show = show

    async def perform(self, work: Work, command: Command) -> list[e.Recorded]:
        """Run the function for the task at work; what it raises ends the task as failed."""
        task = work.state.active
        assert task is not None, "a function runs for a started task"
        shared = await self._session_values.load(work.ref.session) if self._function.takes_context else {}
        waits = Waits(work, task, "", in_thread=False)
        context = RunningFunctionContext(work, task, shared, self._show, waits)
        request = FunctionTask(task.id, work.ref.session, task.submitted.prompt)
        arguments = (request, context) if self._function.takes_context else (request,)
        try:
            body = self._collect(work, task, self._function.fn(*arguments))
            message, artifacts = await (run_to_end_or_wait(body, waits) if self._function.takes_context else body)
            event: e.Event = e.TaskCompleted(message, task.usage, artifacts=artifacts, elapsed_ms=work.elapsed())
        except Suspended:
            return waits.records(task.attempt)
        except BaseException as error:  # the participant is the user's code: what it raises ends its task, recorded
            if not raised_by_it(error):
                raise
            event = e.TaskFailed("error", told(error), task.usage, work.elapsed())
        return [e.Recorded(item, task.id, 0, task.attempt) for item in (*context.changes(), event)]

    async def _collect(self, work: Work, task: Task, produced: Any) -> tuple[Message, tuple[Artifact, ...]]:
        texts: list[str] = []
        artifacts: list[Artifact] = []
        at = 0
        async for item in _items(produced):
            match item:
                case None:
                    continue
                case Progress(text, data):
                    self._show(work.ref, Delta(task.id, 0, task.attempt, progress=plain_progress(text if data is None else data)))
                case Artifact():
                    artifacts.append(item)
                case _:
                    text = encode_result(item)
                    texts.append(text)
                    self._show(work.ref, Delta(task.id, 0, task.attempt, text, at))
                    at += len(text)
        return assistant("".join(texts)) if texts else Message("assistant", (TextPart(""),)), tuple(artifacts)


async def _items(produced: Any) -> AsyncIterator[Any]:
    if inspect.isasyncgen(produced):
        async for item in produced:
            yield item
    else:
        yield await produced


class RunningFunctionContext(RunningToolContext):
    """domain.function.FunctionContext of one run."""

    def __init__(self, work: Work, task: Task, session_values: dict[str, Any], show: Show, waits: Waits) -> None:
        key = derived_id("task", str(work.ref), task.id)
        super().__init__(
            work.ref,
            task.id,
            "",
            task.attempt,
            key,
            work.state.values,
            session_values,
            lambda progress: show(work.ref, Delta(task.id, 0, task.attempt, progress=progress)),
            waits,
        )
        self._work = work
        self._task = task

    async def step(self, name: str, call: Callable[[], Awaitable[T]], *, recovery: e.RecoveryClass = "at_most_once") -> T:
        """See FunctionContext.step."""
        with self._waits.step():  # what waits beside it is not stopped before it is recorded
            return await self._step(name, call, recovery)

    async def _step(self, name: str, call: Callable[[], Awaitable[T]], recovery: e.RecoveryClass) -> T:
        known = next((item for item in self._calls() if item.part.call == name), None)
        if known is not None and known.status == "done":
            result: T = _replayed(name, known)
            return result
        attempt = known.attempt if known is not None else 1
        if known is None:  # else the taking over recorded the next attempt
            await self._record(e.ToolStarted(name, name, recovery), attempt)
        try:
            if failpoints.armed():
                failpoints.hit("tool:before")
            result = await call()
            if failpoints.armed():
                failpoints.hit("tool:after")
        except BaseException as error:
            if raised_by_it(error):
                await self._record(e.ToolFailed(name, "error", told(error), self._work.elapsed()), attempt)
            raise
        try:
            content = msgspec.json.encode(result).decode()
        except (TypeError, msgspec.EncodeError) as error:
            text = f"the result of step {name!r} is a {type(result).__name__}, not JSON ({error}): return plain data from it"
            await self._record(e.ToolFailed(name, "result_invalid", text, self._work.elapsed()), attempt)
            raise InvalidInput(text) from None
        await self._record(e.ToolCompleted(name, content, self._work.elapsed()), attempt)
        return result

    def _calls(self) -> tuple[Call, ...]:
        task = self._work.state.active
        return task.calls if task is not None else ()

    async def _record(self, event: e.Event, attempt: int) -> None:
        await self._work.record([e.Recorded(event, self._task.id, 0, attempt)])


def _replayed(name: str, call: Call) -> Any:
    if call.unknown:
        raise StepUnknown(
            f"step {name!r} was started before a crash and its outcome is unknown: it may have taken effect and was not run "
            "again. Check the outside, or declare the step with recovery='idempotent' if it may run twice"
        )
    if call.is_error:
        raise StepFailed(f"step {name!r} failed before a crash: {call.content}")
    return msgspec.json.decode(call.content)
