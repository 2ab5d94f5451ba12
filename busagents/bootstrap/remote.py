"""Remote agents with what they need of this process: the adapter, and credentials from the environment."""

from __future__ import annotations

import logging

from busagents.domain.remote_agent import RemoteAgent
from busagents.domain.remote_decider import remote_policy
from busagents.ports.remote import RemoteAgents
from busagents.runtime.performer import Performer, Show
from busagents.runtime.remote_performer import RemotePerformer
from busagents.runtime.thread_runner import Policy
from busagents.settings import a2a_credentials


def remote_agents() -> RemoteAgents:
    """Where remote agents are found."""
    from busagents.adapters.a2a_client.client import A2ARemotes  # loads httpx, which few processes need

    logger = logging.getLogger("httpx")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)  # it tells each request, and a task that is watched may need thousands
    return A2ARemotes(a2a_credentials())


def remote_kind(agent: RemoteAgent, owner: str, show: Show) -> tuple[Policy, Performer]:
    """What decides and what performs for a remote agent in the process `owner`."""
    return remote_policy(agent, owner), RemotePerformer(agent, remote_agents(), show)
