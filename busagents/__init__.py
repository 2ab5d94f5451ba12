"""Durable AI agents on a NATS bus. Names load on first use, so that `import busagents` stays light."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from busagents.bootstrap.a2a_tools import A2AToolProvider
    from busagents.bootstrap.connect import connect
    from busagents.domain.agent import Agent
    from busagents.domain.function import Function, FunctionContext, FunctionTask, Progress, agent
    from busagents.domain.gateway import Gateway
    from busagents.domain.graph import Edge, Graph, Node
    from busagents.domain.graph_state import GraphState
    from busagents.domain.hooks import Edit, End, HookContext, Hooks, Veto
    from busagents.domain.limits import Limits
    from busagents.domain.messages import Artifact, DataPart, FilePart, Message, TextPart, Usage
    from busagents.domain.participant import Participant
    from busagents.domain.person import Person
    from busagents.domain.remote_agent import RemoteAgent
    from busagents.domain.swarm import Swarm
    from busagents.domain.synadia_agent import SynadiaAgent
    from busagents.domain.synadia_facade import SynadiaFacade
    from busagents.domain.tool import Tool, tool
    from busagents.domain.tool_context import ToolContext
    from busagents.errors import BusAgentsError
    from busagents.runtime.client.client import Client
    from busagents.runtime.client.task import Result, Task

__all__ = [
    "A2AToolProvider",
    "Agent",
    "Artifact",
    "BusAgentsError",
    "Client",
    "DataPart",
    "Edge",
    "Edit",
    "End",
    "FilePart",
    "Function",
    "FunctionContext",
    "FunctionTask",
    "Gateway",
    "Graph",
    "GraphState",
    "HookContext",
    "Hooks",
    "Limits",
    "Message",
    "Node",
    "Participant",
    "Person",
    "Progress",
    "RemoteAgent",
    "Result",
    "Swarm",
    "SynadiaAgent",
    "SynadiaFacade",
    "Task",
    "TextPart",
    "Tool",
    "ToolContext",
    "Usage",
    "Veto",
    "agent",
    "connect",
    "tool",
]

__version__ = "0.1.0"

_HOMES = {
    "busagents.bootstrap.a2a_tools": ("A2AToolProvider",),
    "busagents.bootstrap.connect": ("connect",),
    "busagents.domain.agent": ("Agent",),
    "busagents.domain.function": ("Function", "FunctionContext", "FunctionTask", "Progress", "agent"),
    "busagents.domain.gateway": ("Gateway",),
    "busagents.domain.graph": ("Edge", "Graph", "Node"),
    "busagents.domain.graph_state": ("GraphState",),
    "busagents.domain.hooks": ("Edit", "End", "HookContext", "Hooks", "Veto"),
    "busagents.domain.limits": ("Limits",),
    "busagents.domain.messages": ("Artifact", "DataPart", "FilePart", "Message", "TextPart", "Usage"),
    "busagents.domain.participant": ("Participant",),
    "busagents.domain.person": ("Person",),
    "busagents.domain.remote_agent": ("RemoteAgent",),
    "busagents.domain.swarm": ("Swarm",),
    "busagents.domain.synadia_agent": ("SynadiaAgent",),
    "busagents.domain.synadia_facade": ("SynadiaFacade",),
    "busagents.domain.tool": ("Tool", "tool"),
    "busagents.domain.tool_context": ("ToolContext",),
    "busagents.errors": ("BusAgentsError",),
    "busagents.runtime.client.client": ("Client",),
    "busagents.runtime.client.task": ("Result", "Task"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'busagents' has no attribute {name!r}: it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value  # `agent` and `tool` also name nothing else here: packages of these names do not exist
    return value


def __dir__() -> list[str]:
    return __all__
