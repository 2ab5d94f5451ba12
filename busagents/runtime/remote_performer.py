"""Runs a remote agent's tasks: each is one RemoteRun; the card is read now and then and shared by all of them."""

from __future__ import annotations

import asyncio
import time

from busagents.domain import events as e
from busagents.domain.decision import Command
from busagents.domain.remote_agent import RemoteAgent
from busagents.ports.remote import RemoteAgents, RemotePeer
from busagents.runtime.performer import Show, Work
from busagents.runtime.remote_cancel import cancel_remote
from busagents.runtime.remote_run import RemoteRun

_CARD_AGE = 300.0  # seconds until a card is read again


class RemotePerformer:
    """See Performer. `show` sends text and progress to watchers."""

    def __init__(self, agent: RemoteAgent, remotes: RemoteAgents, show: Show) -> None:
        self._agent = agent
        self._remotes = remotes
        self._show = show
        self._peer: RemotePeer | None = None
        self._read_at = 0.0
        self._opening = asyncio.Lock()

    async def perform(self, work: Work, command: Command) -> list[e.Recorded]:
        """Go on with the task at work, wherever it stands."""
        task = work.state.active
        assert task is not None, "a remote agent runs for a started task"
        if task.cancel is not None:
            return await cancel_remote(work, task, self.peer)
        return await RemoteRun(work, task, self._agent, self.peer, self._show).advance()

    async def peer(self) -> RemotePeer:
        """The remote, its card read not long ago.

        Raises:
            RemoteError: the card cannot be had.
        """
        async with self._opening:
            if self._peer is None or time.monotonic() - self._read_at > _CARD_AGE:
                agent = self._agent
                self._peer = await self._remotes.open(agent.name, agent.card_url, allow_private=agent.allow_private or None)
                self._read_at = time.monotonic()
            return self._peer
