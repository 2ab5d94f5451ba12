"""Runs one tool call. Whatever a tool does, the call ends in one recorded result that the model is told."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from typing import Any

from busagents.domain import events as e
from busagents.domain.agent import Agent
from busagents.domain.codec import derived_id
from busagents.domain.decision import RunTool
from busagents.domain.storable_text import told
from busagents.domain.tool import Tool, encode_result
from busagents.errors import ToolArgumentsInvalid
from busagents.runtime import failpoints
from busagents.runtime.daemon_thread import in_thread
from busagents.runtime.performer import Delta, Show, Work
from busagents.runtime.session_values import SessionValues
from busagents.runtime.tool_context import RunningToolContext
from busagents.runtime.user_code import raised_by_it


class ToolRunner:
    """Runs an agent's tools. `show` sends their progress to watchers."""

    def __init__(self, agent: Agent, session_values: SessionValues, show: Show) -> None:
        self._agent = agent
        self._session_values = session_values
        self._show = show

    async def run(self, work: Work, command: RunTool) -> list[e.Recorded]:
        """Run the tool of a stored `tool.started`; the state it set is recorded with its result."""
        tool = self._agent.tools.get(command.part.name)
        call = command.part.call
        changes: list[e.StateSet] = []
        event: e.Event
        if tool is None:
            known = ", ".join(self._agent.tools) or "none"
            text = f"There is no tool {command.part.name!r}. The tools are: {known}."
            event = e.ToolFailed(call, "unknown_tool", text, work.elapsed())
        else:
            context = await self._context(work, command, tool)
            try:
                content = await self._outcome(tool, command, context)
            except _Failed as failed:
                event = e.ToolFailed(call, failed.code, str(failed), work.elapsed())
            else:
                event = e.ToolCompleted(call, content, work.elapsed())
                changes = context.changes()
        return [e.Recorded(item, command.task, command.turn, command.attempt) for item in (*changes, event)]

    async def _context(self, work: Work, command: RunTool, tool: Tool) -> RunningToolContext:
        call = command.part.call
        loop = asyncio.get_running_loop()

        def emit(progress: Any) -> None:
            delta = Delta(command.task, command.turn, command.attempt, progress=progress, call=call)
            loop.call_soon_threadsafe(self._show, work.ref, delta)

        shared = await self._session_values.load(work.ref.session) if tool.context_parameter else {}
        key = derived_id("call", str(work.ref), command.task, str(command.turn), call)
        return RunningToolContext(work.ref, command.task, call, command.attempt, key, work.state.values, shared, emit)

    async def _outcome(self, tool: Tool, command: RunTool, context: RunningToolContext) -> str:
        try:
            arguments = tool.arguments(command.part.arguments)
        except ToolArgumentsInvalid as error:
            raise _Failed("invalid_arguments", str(error)) from None
        try:
            if failpoints.armed():
                failpoints.hit("tool:before")
            async with asyncio.timeout(tool.timeout) as limit:
                content = encode_result(await run_tool(tool, arguments, context))
            if failpoints.armed():
                failpoints.hit("tool:after")
        except BaseException as error:  # a tool is the user's code: what it raises is its result, told to the model
            context.cancel()
            if isinstance(error, TimeoutError) and limit.expired():
                text = f"The tool did not finish within {tool.timeout:g} seconds and was stopped; it may have taken effect."
                raise _Failed("timeout", text) from None
            if not raised_by_it(error):
                raise
            raise _Failed("error", told(error)) from None
        return content


class _Failed(Exception):
    def __init__(self, code: Any, text: str) -> None:
        super().__init__(text)
        self.code = code


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
