"""A2AToolProvider: discovery of remote A2A agents and messages to them, as tools of an agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from busagents.bootstrap.remote import remote_agents
from busagents.tools.a2a_tools import A2ATools


class A2AToolProvider(A2ATools):
    """Gives an agent the tools `a2a_discover_agent`, `a2a_list_discovered_agents` and `a2a_send_message`:
    `Agent("boss", tools=A2AToolProvider(["https://agents.example"]).tools)`.

    Args:
        urls: the agents that may be asked, by the URL of their card or the one below which it is; or such URLs by name, whose
            credentials are then read from `BUSAGENTS_A2A_<NAME>_TOKEN` or `…_API_KEY`.
        any_public: the model may also ask any other agent that is at a public https address.

    Raises:
        DefinitionError: a URL that is none.
    """

    def __init__(self, urls: Sequence[str] | Mapping[str, str] = (), *, any_public: bool = False) -> None:
        super().__init__(urls, remote_agents, any_public=any_public)
