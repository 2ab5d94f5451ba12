"""Performs commands: the only place with effects. Each ends in events; a cancellation ends in none."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol

import msgspec

from busagents.domain import events as e
from busagents.domain.agent import Agent
from busagents.domain.codec import derived_id
from busagents.domain.decision import CallModel, Command, RunFunction, RunTool, WaitRetry
from busagents.domain.function import Artifact, Function, FunctionTask, Progress
from busagents.domain.messages import Message, TextPart, assistant
from busagents.domain.state import ThreadState
from busagents.domain.subjects import ThreadRef
from busagents.domain.tool import Tool, encode_result
from busagents.errors import DefinitionError, ModelError, ModelTransient, ToolArgumentsInvalid
from busagents.ports.model import Model, ModelRequest, ReasoningDelta, TextDelta, ToolSpec, TurnCompleted
from busagents.runtime import failpoints
from busagents.runtime.tool_context import RunningToolContext

MAX_MODEL_ATTEMPTS = 6
MAX_RETRY_DELAY = 60.0


class Delta(msgspec.Struct, frozen=True, omit_defaults=True):
    """A live message: a piece of text or progress of one attempt. Never needed for recovery."""

    task: str
    turn: int
    attempt: int
    text: str = ""
    progress: Any = None
    call: str = ""


class Performer(Protocol):
    """Carries out one command for a thread."""

    async def perform(self, ref: ThreadRef, state: ThreadState, command: Command, elapsed: Callable[[], int]) -> list[e.Recorded]:
        """The events the command ends in. `elapsed` gives the task's working time in ms."""
        ...


class AgentPerformer:
    """Calls the model and runs the tools of an agent. `show` sends a Delta to watchers."""

    def __init__(self, agent: Agent, model: Model, show: Callable[[ThreadRef, Delta], None]) -> None:
        self._agent = agent
        self._model = model
        self._show = show
        self._specs = tuple(ToolSpec(t.name, t.description, t.parameters) for t in agent.tools.values())

    async def perform(self, ref: ThreadRef, state: ThreadState, command: Command, elapsed: Callable[[], int]) -> list[e.Recorded]:
        """See Performer."""
        match command:
            case CallModel():
                return [e.Recorded(await self._call(ref, state, command, elapsed), command.task, command.turn, command.attempt)]
            case WaitRetry(task, turn, attempt, seconds):
                await asyncio.sleep(seconds)
                requested = e.ModelRequested(self._model.name, state.seq, state.digest, dict(self._agent.settings))
                return [e.Recorded(requested, task, turn, attempt)]
            case RunTool():
                return await self._tool(ref, state, command, elapsed)
            case RunFunction():
                raise DefinitionError(f"agent {self._agent.name!r} cannot run a function's task")

    async def _call(self, ref: ThreadRef, state: ThreadState, command: CallModel, elapsed: Callable[[], int]) -> e.Event:
        task = state.active
        schema = task.submitted.output_schema if task is not None else None
        request = ModelRequest(
            self._model.name, self._agent.system, state.messages, self._specs, self._agent.settings, schema
        )
        count = 0
        try:
            async for chunk in self._model.stream(request):
                count += 1
                if failpoints.armed():
                    failpoints.hit(f"delta:{count}")
                match chunk:
                    case TextDelta(text):
                        self._show(ref, Delta(command.task, command.turn, command.attempt, text))
                    case ReasoningDelta():
                        continue
                    case TurnCompleted(message, usage, stop_reason, response_id):
                        return e.ModelCompleted(message, usage, stop_reason, response_id, elapsed())
            raise ModelTransient("the model's stream ended without its terminal mark", code="truncated")
        except ModelTransient as error:
            failures = (task.model.failures if task is not None and task.model is not None else 0) + 1
            most = 2 if error.code == "empty_answer" else MAX_MODEL_ATTEMPTS
            too_long = (error.retry_after or 0) > MAX_RETRY_DELAY
            backoff = min(MAX_RETRY_DELAY, 0.5 * 2 ** (failures - 1)) * random.uniform(0.75, 1.25)
            retry_in = None if failures >= most or too_long else (error.retry_after or backoff)
            return e.ModelFailed(error.code, str(error), retry_in, elapsed())
        except ModelError as error:
            return e.ModelFailed(error.code, str(error), None, elapsed())

    async def _tool(self, ref: ThreadRef, state: ThreadState, command: RunTool, elapsed: Callable[[], int]) -> list[e.Recorded]:
        call = command.part.call
        tool = self._agent.tools.get(command.part.name)

        def place(event: e.Event) -> e.Recorded:
            return e.Recorded(event, command.task, command.turn, command.attempt)

        if tool is None:
            known = ", ".join(self._agent.tools) or "none"
            message = f"There is no tool {command.part.name!r}. The tools are: {known}."
            return [place(e.ToolFailed(call, "unknown_tool", message, elapsed()))]
        key = derived_id("call", str(ref), command.task, str(command.turn), call)
        loop = asyncio.get_running_loop()

        def emit(progress: Any) -> None:
            delta = Delta(command.task, command.turn, command.attempt, progress=progress, call=call)
            loop.call_soon_threadsafe(self._show, ref, delta)

        context = RunningToolContext(ref, command.task, call, command.attempt, key, state.values, state.session_values, emit)
        try:
            arguments = tool.arguments(command.part.arguments)
            if failpoints.armed():
                failpoints.hit("tool:before")
            async with asyncio.timeout(tool.timeout):
                content = encode_result(await run_tool(tool, arguments, context))
            if failpoints.armed():
                failpoints.hit("tool:after")
        except ToolArgumentsInvalid as error:
            return [place(e.ToolFailed(call, "invalid_arguments", str(error), elapsed()))]
        except TimeoutError:
            message = f"The tool did not finish within {tool.timeout} seconds and was stopped; it may have taken effect."
            return [place(e.ToolFailed(call, "timeout", message, elapsed()))]
        except asyncio.CancelledError:
            context.cancel()
            raise
        except Exception as error:  # a tool is the user's code: whatever it raises is told to the model, as its result
            return [place(e.ToolFailed(call, "error", f"{type(error).__name__}: {error}", elapsed()))]
        changes = [place(change) for change in context.changes()]
        return [*changes, place(e.ToolCompleted(call, content, elapsed()))]


async def run_tool(tool: Tool, arguments: Mapping[str, Any], context: RunningToolContext) -> Any:
    """Run a tool's function in the form it has: async, sync in a thread, or a generator whose last value is the result."""
    extra = {tool.context_parameter: context} if tool.context_parameter else {}
    if tool.form == "async":
        return await tool.fn(**arguments, **extra)
    if tool.form == "sync":
        return await asyncio.to_thread(tool.fn, **arguments, **extra)
    produced = tool.fn(**arguments, **extra)
    last: Any = None
    first = True
    if inspect.isasyncgen(produced):
        async for value in produced:
            if not first:
                context.emit(last)
            last, first = value, False
        return last
    return await asyncio.to_thread(_drain, produced, context)


def _drain(produced: Any, context: RunningToolContext) -> Any:
    last: Any = None
    for index, value in enumerate(produced):
        if index:
            context.emit(last)
        last = value
    return last


class FunctionPerformer:
    """Runs a function participant."""

    def __init__(self, function: Function, show: Callable[[ThreadRef, Delta], None]) -> None:
        self._function = function
        self._show = show

    async def perform(self, ref: ThreadRef, state: ThreadState, command: Command, elapsed: Callable[[], int]) -> list[e.Recorded]:
        """See Performer."""
        task = state.active
        assert task is not None
        context = RunningToolContext(
            ref,
            task.id,
            "",
            task.attempt,
            derived_id("task", str(ref), task.id),
            state.values,
            state.session_values,
            lambda progress: self._show(ref, Delta(task.id, 0, task.attempt, progress=progress)),
        )
        request = FunctionTask(task.id, ref.session, task.submitted.prompt)
        arguments = (request, context) if self._function.takes_context else (request,)
        try:
            message, artifacts = await self._run(ref, task.id, task.attempt, self._function.fn(*arguments))
            event: e.Event = e.TaskCompleted(message, artifacts=artifacts)
        except Exception as error:  # the participant is the user's code: whatever it raises ends its task, recorded
            event = e.TaskFailed("error", f"{type(error).__name__}: {error}")
        changes = [e.Recorded(change, task.id, 0, task.attempt) for change in context.changes()]
        return [*changes, e.Recorded(event, task.id, 0, task.attempt)]

    async def _run(self, ref: ThreadRef, task: str, attempt: int, produced: Any) -> tuple[Message, tuple[Artifact, ...]]:
        texts: list[str] = []
        artifacts: list[Artifact] = []
        async for item in _items(produced):
            match item:
                case str():
                    texts.append(item)
                    self._show(ref, Delta(task, 0, attempt, item))
                case Progress(text, data):
                    self._show(ref, Delta(task, 0, attempt, progress=data if data is not None else text))
                case Artifact():
                    artifacts.append(item)
                case None:
                    continue
                case _:
                    texts.append(encode_result(item))
        return assistant("".join(texts)) if texts else Message("assistant", (TextPart(""),)), tuple(artifacts)


async def _items(produced: Any) -> AsyncIterator[Any]:
    if inspect.isasyncgen(produced):
        async for item in produced:
            yield item
    else:
        yield await produced
