"""Runs one tool call. Whatever a tool does, the call ends in one recorded result that the model is told."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from busagents.domain import events as e
from busagents.domain.agent import Agent
from busagents.domain.codec import derived_id
from busagents.domain.decision import CheckApproval, RunTool
from busagents.domain.messages import ToolCallPart
from busagents.domain.storable_text import told
from busagents.domain.tool import Tool, encode_result
from busagents.errors import ToolArgumentsInvalid
from busagents.runtime import failpoints
from busagents.runtime.daemon_thread import in_thread
from busagents.runtime.hook_runner import HookRunner, context_of
from busagents.runtime.performer import Delta, Show, Work
from busagents.runtime.session_values import SessionValues
from busagents.runtime.suspension import Suspended, Waits, run_to_end_or_wait
from busagents.runtime.tool_context import RunningToolContext
from busagents.runtime.user_code import raised_by_it

_log = logging.getLogger("busagents.tools")


class ToolRunner:
    """Runs an agent's tools. `show` sends their progress to watchers."""

    def __init__(self, agent: Agent, session_values: SessionValues, show: Show, hooks: HookRunner) -> None:
        self._agent = agent
        self._session_values = session_values
        self._show = show
        self._hooks = hooks

    async def run(self, work: Work, command: RunTool) -> list[e.Recorded]:
        """Run the tool of a stored `tool.started`; the state it set, and what hooks decided, is recorded with its result."""
        tool = self._agent.tools.get(command.part.name)
        call = command.part.call
        changes: list[e.StateSet] = []
        decided: list[e.HookDecided] = []
        event: e.Event
        if not isinstance(tool, Tool):
            known = ", ".join(self._agent.tools) or "none"
            text = f"There is no tool {command.part.name!r}. The tools are: {known}."
            event = e.ToolFailed(call, "unknown_tool", text, work.elapsed())
        else:
            task = work.state.active
            assert task is not None, "a tool runs for a task at work"
            waits = Waits(work, task, call, in_thread=tool.form == "sync")
            context = await self._context(work, command, tool, waits)
            try:
                content, ends_task = await self._with_hooks(work, tool, command, context, waits, decided)
            except Suspended:
                return [*_recorded(decided, command), *waits.records(command.attempt)]
            except _Failed as failed:
                event = e.ToolFailed(call, failed.code, str(failed), work.elapsed())
            else:
                event = e.ToolCompleted(call, content, work.elapsed(), ends_task)
                changes = context.changes()
        return _recorded((*decided, *changes, event), command)

    async def check_approval(self, work: Work, command: CheckApproval) -> e.Recorded:
        """Let the tool's own function say whether a person must approve the call. If it cannot, a person must."""
        part = command.part
        required = True
        tool = self._agent.tools.get(part.name)
        try:
            arguments = msgspec.json.decode(part.arguments, type=dict[str, Any])
            if tool is not None and callable(tool.approval):
                said = tool.approval(arguments)
                required = bool(await said if inspect.isawaitable(said) else said)
        except BaseException as error:
            if not raised_by_it(error):
                raise
            _log.warning("approval of %s: %s; a person is asked", part.name, told(error))
        return e.Recorded(e.ApprovalDecided(part.call, required), command.task, command.turn, 1)

    async def _context(self, work: Work, command: RunTool, tool: Tool, waits: Waits) -> RunningToolContext:
        call = command.part.call
        loop = asyncio.get_running_loop()

        def emit(progress: Any) -> None:
            delta = Delta(command.task, command.turn, command.attempt, progress=progress, call=call)
            loop.call_soon_threadsafe(self._show, work.ref, delta)

        shared = await self._session_values.load(work.ref.session) if tool.context_parameter else {}
        key = derived_id("call", str(work.ref), command.task, str(command.turn), call)
        return RunningToolContext(work.ref, command.task, call, command.attempt, key, work.state.values, shared, emit, waits)

    async def _with_hooks(
        self,
        work: Work,
        tool: Tool,
        command: RunTool,
        context: RunningToolContext,
        waits: Waits,
        decided: list[e.HookDecided],
    ) -> tuple[str, bool]:
        """The result and whether it ends the task, as the hooks before and after the tool let it be. Their decisions are added to
        `decided`.
        """
        shown = context_of(work, command.turn, command.attempt)
        asked = await self._hooks.arguments(shown, command.part)
        decided += asked.decided
        if asked.veto is not None:
            raise _Failed("vetoed", f"{asked.veto}\nThe tool was not run.")
        if asked.end is not None:
            return asked.end, True
        part = asked.value
        content = await self._outcome(tool, part, context, waits)
        final = context.answer
        told_result = await self._hooks.result(shown, part, content if final is None else final)
        decided += told_result.decided
        if told_result.veto is not None:
            raise _Failed("vetoed", f"{told_result.veto}\nThe tool has run: it may have taken effect.")
        if told_result.end is not None or final is not None:
            return (told_result.value if told_result.end is None else told_result.end), True
        editors = ["a person"] * command.edited + ["a hook"] * (part != command.part)
        return _with_edit(told_result.value, part, " and ".join(editors)), False

    async def _outcome(self, tool: Tool, part: ToolCallPart, context: RunningToolContext, waits: Waits) -> str:
        try:
            arguments = tool.arguments(part.arguments)
        except ToolArgumentsInvalid as error:
            raise _Failed("invalid_arguments", str(error)) from None
        try:
            if failpoints.armed():
                failpoints.hit("tool:before")
            async with asyncio.timeout(tool.timeout) as limit:
                content = encode_result(await _run(tool, arguments, context, waits))
            if failpoints.armed():
                failpoints.hit("tool:after")
        except Suspended:
            raise
        except BaseException as error:  # a tool is the user's code: what it raises is its result, told to the model
            context.cancel()
            if isinstance(error, TimeoutError) and limit.expired():
                text = f"The tool did not finish within {tool.timeout:g} seconds and was stopped; it may have taken effect."
                raise _Failed("timeout", text) from None
            if not raised_by_it(error):
                raise
            raise _Failed("error", told(error)) from None
        return content


def _with_edit(content: str, part: ToolCallPart, editors: str) -> str:
    """The result, and if the call is not the model's own any more, what it was changed to."""
    if not editors:
        return content
    return f"{editors.capitalize()} changed this call's arguments to {part.arguments}. Its result:\n{content}"


def _recorded(events: Sequence[e.Event], command: RunTool) -> list[e.Recorded]:
    return [e.Recorded(item, command.task, command.turn, command.attempt) for item in events]


class _Failed(Exception):
    def __init__(self, code: Any, text: str) -> None:
        super().__init__(text)
        self.code = code


async def _run(tool: Tool, arguments: Mapping[str, Any], context: RunningToolContext, waits: Waits) -> Any:
    running = run_tool(tool, arguments, context)
    if tool.context_parameter is None:  # it has no way to wait for anybody
        return await running
    return await run_to_end_or_wait(running, waits)


async def run_tool(tool: Tool, arguments: Mapping[str, Any], context: RunningToolContext) -> Any:
    """Run a tool's function in the form it has: async, sync in a thread, or a generator whose last value is the result."""
    extra = {tool.context_parameter: context} if tool.context_parameter else {}
    if tool.form == "async":
        return await tool.fn(**arguments, **extra)
    if tool.form == "sync":
        return await in_thread(lambda: tool.fn(**arguments, **extra))
    produced = tool.fn(**arguments, **extra)
    if not inspect.isasyncgen(produced):
        return await in_thread(lambda: _drain(produced, context))
    last: Any = None
    first = True
    async for value in produced:
        if not first:
            context.emit(last)
        last, first = value, False
    return last


def _drain(produced: Any, context: RunningToolContext) -> Any:
    last: Any = None
    for index, value in enumerate(produced):
        if index:
            context.emit(last)
        last = value
    return last
