"""Agents of the Synadia protocol with what they need of this process: the connection of its bus."""

from __future__ import annotations

from busagents.adapters.jetstream.bus import JetStreamBus
from busagents.adapters.synadia.foreign import SynadiaPeer
from busagents.domain.synadia_agent import SynadiaAgent
from busagents.domain.synadia_decider import synadia_policy
from busagents.errors import DefinitionError
from busagents.ports.log import Bus
from busagents.runtime.foreign_performer import ForeignPerformer
from busagents.runtime.performer import Performer, Show
from busagents.runtime.thread_runner import Policy


def synadia_kind(agent: SynadiaAgent, bus: Bus, owner: str, show: Show) -> tuple[Policy, Performer]:
    """What decides and what performs for an agent of the protocol in the process `owner`.

    Raises:
        DefinitionError: the bus is none of NATS.
    """
    if not isinstance(bus, JetStreamBus):
        raise DefinitionError(
            f"{agent!r} stands for an agent on NATS, and this process is on a {type(bus).__name__}: run it on NATS"
        )
    peer = SynadiaPeer(bus.client, agent.agent, agent.owner, agent.session)
    return synadia_policy(agent, owner), ForeignPerformer(agent.name, peer, agent.silence, show)
