"""Every participant over HTTP: A2A at http://127.0.0.1:8420/agents/<name>, plain HTTP at http://127.0.0.1:8420/v1."""

from busagents import Gateway

gateway = Gateway()
