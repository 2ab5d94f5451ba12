"""An agent, as a user declares it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from busagents.domain.codec import sha256_hex
from busagents.domain.hooks import Hooks, check_hooks
from busagents.domain.limits import Limits
from busagents.domain.participant import Participant, ParticipantTool, at_least_one
from busagents.domain.tool import Tool, tool
from busagents.errors import DefinitionError

if TYPE_CHECKING:
    from busagents.ports.model import Model


class Agent(Participant):
    """A model with a prompt and tools, that takes tasks under a name.

    Args:
        name: how others address it; also its inbox. 1 to 64 letters, digits, `_` or `-`.
        model: `"provider:name"`, a model object, or None for the default (see `busagents config show`).
        system: the system prompt.
        tools: `@tool` functions, and participants to give tasks to, as they are or by `as_tool`; a plain function is wrapped
            as a tool.
        description: what it is for, in a sentence; others choose it by that.
        limits: bounds of each task.
        settings: provider parameters such as `temperature` or `max_tokens`.
        tool_concurrency: how many tool calls of one turn run at once.
        max_parallel_tasks: how many threads one process works on at once.
        replicas: how many processes of it `busagents up` starts, unless `--scale` says otherwise.
        hooks: what stands before and after its tasks, model calls and tool calls; see Hooks.

    Raises:
        InvalidName: a name that no subject can hold.
        DefinitionError: two tools of one name, a bound below one, or a hook that is none.
    """

    def __init__(
        self,
        name: str,
        *,
        model: str | Model | None = None,
        system: str = "",
        tools: Sequence[Tool | ParticipantTool | Participant | Callable[..., Any]] = (),
        description: str = "",
        limits: Limits | None = None,
        settings: Mapping[str, Any] | None = None,
        tool_concurrency: int = 8,
        max_parallel_tasks: int = 64,
        replicas: int = 1,
        hooks: Sequence[Hooks] = (),
    ) -> None:
        super().__init__(name, description=description or system.split("\n", 1)[0][:200])
        self.model = model
        self.system = system
        self.tools: dict[str, Tool | ParticipantTool] = {}
        for item in tools:
            wrapped = _wrapped(item)
            if wrapped.name in self.tools:
                raise DefinitionError(f"agent {name!r} has two tools named {wrapped.name!r}: give one of them @tool(name=…)")
            self.tools[wrapped.name] = wrapped
        self.limits = limits or Limits()
        self.settings = dict(settings or {})
        self.tool_concurrency = at_least_one("tool_concurrency", tool_concurrency, name)
        self.max_parallel_tasks = at_least_one("max_parallel_tasks", max_parallel_tasks, name)
        self.replicas = at_least_one("replicas", replicas, name)
        self.hooks = check_hooks(hooks, name)

    def definition_hash(self, model: str) -> str:
        """The sha256 of what shapes its decisions; recorded with each task so that a change can be seen in the log."""
        shape = (
            self.name,
            model,
            self.system,
            self.settings,
            [(t.name, t.description, t.parameters) for t in self.tools.values()],
            [type(hook).__qualname__ for hook in self.hooks],
        )
        return sha256_hex(msgspec.json.encode(shape, enc_hook=repr))

    def parts(self) -> list[Participant]:
        """See Participant.parts: those of its tools that are participants."""
        return [item.participant for item in self.tools.values() if isinstance(item, ParticipantTool)]

    def __repr__(self) -> str:
        return f"Agent({self.name!r}, tools={list(self.tools)})"


def _wrapped(item: Tool | ParticipantTool | Participant | Callable[..., Any]) -> Tool | ParticipantTool:
    if isinstance(item, Tool | ParticipantTool):
        return item
    return item.as_tool() if isinstance(item, Participant) else tool(item)
