"""A thread in the making, for tests of deciders: tell it what happened, see what it records and wants done."""

from __future__ import annotations

from typing import Any

import msgspec
from simulated_shell import message_to, policy, submitted

from busagents.domain import events as e
from busagents.domain.agent_decider import AgentPolicy
from busagents.domain.decision import Command, RunTool
from busagents.domain.function_decider import FunctionPolicy
from busagents.domain.messages import ToolCallPart, Usage, assistant
from busagents.domain.state import ThreadState
from busagents.domain.thread import apply_events


class Line:
    """A thread in the making: `tell` it facts, `go` decides until it rests and keeps what was recorded and is to be done."""

    def __init__(self, agent: AgentPolicy | FunctionPolicy | None = None, **task: Any) -> None:
        self.agent = agent or policy()
        self.state = ThreadState()
        self.recorded: list[e.Recorded] = []
        self.todo: tuple[Command, ...] = ()
        self.takeovers = 0
        self.send(**task)

    def send(self, task: str = "t", **fields: Any) -> Line:
        """A task arrives."""
        self.state = apply_events(self.state, [submitted(task, **fields)], ())
        return self.go()

    def cancel(self, task: str = "t", reason: str = "enough") -> Line:
        """A cancel arrives."""
        self.state = apply_events(self.state, [message_to(e.TaskCancel(reason), task, f"stop-{task}")], ())
        return self.go()

    def tell(self, *events: e.Event) -> Line:
        """Effects of the task at work ended in these events."""
        task = self.state.active
        assert task is not None
        attempt = task.model.attempt if task.model is not None else 1
        self.state = apply_events(self.state, (), [e.Recorded(event, task.id, task.turn, attempt) for event in events])
        return self.go()

    def take_over(self, owner: str = "") -> Line:
        """Another process takes the thread over: a new one unless it is named."""
        self.takeovers += 1
        records = msgspec.structs.replace(self.agent, owner=owner or f"w{self.takeovers + 1}").recover(self.state)
        self.state = apply_events(self.state, (), records)
        self.go()
        self.recorded = [*records, *self.recorded]
        return self

    def go(self) -> Line:
        """Decide until nothing is to be recorded."""
        self.recorded = []
        while (decision := self.agent.decide(self.state)).record:
            self.recorded.extend(decision.record)
            self.state = apply_events(self.state, (), decision.record)
        self.todo = decision.perform
        return self

    @property
    def types(self) -> list[str]:
        """The types of what was recorded last."""
        return [recorded.event.type for recorded in self.recorded]

    @property
    def last(self) -> Any:
        """The event recorded last."""
        return self.recorded[-1].event


def asks(*names: str, text: str = "") -> e.ModelCompleted:
    """The model asks for tools: call ids c0, c1, …"""
    calls = [ToolCallPart(f"c{number}", name) for number, name in enumerate(names)]
    return e.ModelCompleted(assistant(text, calls), Usage(10, 5), "tool_calls")


def answers(text: str, **fields: Any) -> e.ModelCompleted:
    """The model answers."""
    return msgspec.structs.replace(e.ModelCompleted(assistant(text), Usage(10, 5), "stop"), **fields)


def run(line: Line) -> list[str]:
    """The calls of the tools that are to run now."""
    return [command.part.call for command in line.todo if isinstance(command, RunTool)]
