"""A2A over HTTP: every participant at http://127.0.0.1:8420/agents/<name>; what is sent to the root goes to research_analyst."""

from busagents.domain.gateway import Gateway

gateway = Gateway(root="research_analyst")
