"""Carries out an agent's commands: model calls, waits, tools, hooks."""

from __future__ import annotations

from busagents.domain.agent import Agent
from busagents.domain.decision import CallModel, CheckApproval, Command, RunHooks, RunTool, WaitRetry
from busagents.domain.events import Recorded
from busagents.errors import DefinitionError
from busagents.ports.model import Model
from busagents.runtime.hook_runner import HookRunner
from busagents.runtime.model_caller import ModelCaller
from busagents.runtime.performer import Feed, Work
from busagents.runtime.session_values import SessionValues
from busagents.runtime.tool_runner import ToolRunner


class AgentPerformer:
    """See Performer."""

    def __init__(self, agent: Agent, model: Model, session_values: SessionValues, feed: Feed) -> None:
        self._name = agent.name
        self._hooks = HookRunner(agent.hooks)
        self._models = ModelCaller(agent, model, feed, self._hooks)
        self._tools = ToolRunner(agent, session_values, feed.add, self._hooks)

    async def perform(self, work: Work, command: Command) -> list[Recorded]:
        """See Performer.perform."""
        match command:
            case CallModel():
                return await self._models.call(work, command)
            case WaitRetry():
                return [await self._models.wait(work, command)]
            case RunTool():
                return await self._tools.run(work, command)
            case CheckApproval():
                return [await self._tools.check_approval(work, command)]
            case RunHooks():
                return await self._hooks.run(work, command)
            case _:
                raise DefinitionError(f"agent {self._name!r} was given another participant's task: its log is not an agent's")
