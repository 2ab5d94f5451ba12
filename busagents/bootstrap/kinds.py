"""From a definition to what decides and what performs: the one place that lists the kinds of participants."""

from __future__ import annotations

from typing import Literal, NamedTuple

from busagents.bootstrap.models import resolve_model
from busagents.bootstrap.remote import remote_kind
from busagents.bootstrap.synadia_agents import synadia_kind
from busagents.domain.agent import Agent
from busagents.domain.agent_decider import AgentPolicy
from busagents.domain.function import Function
from busagents.domain.function_decider import FunctionPolicy
from busagents.domain.gateway import Gateway
from busagents.domain.graph import Graph
from busagents.domain.graph_decider import graph_policy
from busagents.domain.hooks import hook_points
from busagents.domain.participant import ParticipantTool
from busagents.domain.person import Person
from busagents.domain.person_decider import person_policy
from busagents.domain.remote_agent import RemoteAgent
from busagents.domain.swarm import Swarm
from busagents.domain.swarm_decider import swarm_policy
from busagents.domain.synadia_agent import SynadiaAgent
from busagents.domain.synadia_facade import SynadiaFacade
from busagents.domain.tool import Approval, Tool
from busagents.domain.tool_calls import Target, ToolPolicy
from busagents.ports.log import Bus
from busagents.runtime.agent_performer import AgentPerformer
from busagents.runtime.function_performer import FunctionPerformer
from busagents.runtime.graph_performer import GraphPerformer
from busagents.runtime.live_feed import LiveFeed
from busagents.runtime.no_effects import NoEffects
from busagents.runtime.performer import Performer
from busagents.runtime.session_values import SessionValues
from busagents.runtime.thread_runner import Policy
from busagents.settings import Settings

Definition = Agent | Function | Person | Swarm | Graph | RemoteAgent | SynadiaAgent
Service = Definition | Gateway | SynadiaFacade
"""What a file can declare and a process runs."""


class Kind(NamedTuple):
    """What runs a definition. `model` is its model's name, "" without one."""

    policy: Policy
    performer: Performer
    model: str = ""


def kind_name(definition: Service) -> str:
    """What the kind is called in lists."""
    return type(definition).__name__.lower()


def kind_of(definition: Definition, bus: Bus, settings: Settings, owner: str, feed: LiveFeed) -> Kind:
    """What runs a definition in the process `owner`.

    Raises:
        ModelUnavailable: its model cannot be used.
    """
    match definition:
        case Agent():
            return _agent(definition, SessionValues(bus), settings, owner, feed)
        case Function():
            policy = FunctionPolicy(owner, definition.definition_hash, definition.limits)
            return Kind(policy, FunctionPerformer(definition, SessionValues(bus), feed.add))
        case Person():
            return Kind(person_policy(definition, owner), NoEffects(definition.name))
        case Swarm():
            return Kind(swarm_policy(definition, owner), NoEffects(definition.name))
        case Graph():
            return Kind(graph_policy(definition, owner), GraphPerformer(definition))
        case RemoteAgent():
            return Kind(*remote_kind(definition, owner, feed.add))
        case SynadiaAgent():
            return Kind(*synadia_kind(definition, bus, owner, feed.add))


def _agent(agent: Agent, shared: SessionValues, settings: Settings, owner: str, feed: LiveFeed) -> Kind:
    model = resolve_model(agent.model, settings)
    tools = {name: _tool_policy(item) for name, item in agent.tools.items()}
    policy = AgentPolicy(
        owner,
        agent.definition_hash(model.name),
        model.name,
        agent.limits,
        agent.settings,
        tools,
        agent.tool_concurrency,
        hook_points(agent.hooks),
    )
    return Kind(policy, AgentPerformer(agent, model, shared, feed), model.name)


def _tool_policy(item: Tool | ParticipantTool) -> ToolPolicy:
    if isinstance(item, Tool):
        return ToolPolicy(item.recovery, item.sequential, _approval(item.approval))
    target = Target(item.participant.name, item.share_context, item.preserve_context, item.delegate)
    return ToolPolicy("idempotent", approval=_approval(item.approval), target=target)


def _approval(wanted: Approval) -> Literal["never", "always", "asked"]:
    return "asked" if callable(wanted) else "always" if wanted else "never"
