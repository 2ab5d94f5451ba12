"""Tools by which a model finds remote A2A agents and talks to them by itself.

For a remote agent that is known beforehand, declare a `RemoteAgent` instead: its tasks survive crashes and may last for days.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from busagents.domain.messages import DataPart, Message, TextPart, user
from busagents.domain.remote_agent import check_url
from busagents.domain.tool import Tool, tool
from busagents.domain.tool_context import ToolContext
from busagents.errors import ToolArgumentsInvalid
from busagents.ports.remote import ENDED, INTERRUPTED, Outbound, RemoteAgents, RemoteError, RemotePeer, RemoteReply, RemoteTask

_WELL_KNOWN = "/.well-known/"
_KEY = "a2a"
_MOST = 64  # agents that are kept open
_POLLS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between looks at a task that is not done
_LAST_WORD = 0.4  # seconds in which a remote is told that its task is not wanted any more


class A2ATools:
    """The tools of `A2AToolProvider`, which see; `remotes` gives what finds remote agents."""

    def __init__(
        self, urls: Sequence[str] | Mapping[str, str], remotes: Callable[[], RemoteAgents], *, any_public: bool = False
    ) -> None:
        pairs = [(url, name) for name, url in urls.items()] if isinstance(urls, Mapping) else [(url, "") for url in urls]
        self._names = {_base(check_url("A2AToolProvider", url)): (url, name) for url, name in pairs}
        self._any_public = any_public
        self._make_remotes = remotes
        self._remotes: RemoteAgents | None = None
        self._peers: dict[str, RemotePeer] = {}

    @property
    def tools(self) -> list[Tool]:
        """For an agent's `tools`."""
        return [
            tool(read_only=True, name="a2a_discover_agent")(self._discover),
            tool(read_only=True, name="a2a_list_discovered_agents")(self._list),
            tool(name="a2a_send_message")(self._send),
        ]

    async def _discover(self, url: str) -> dict[str, Any]:
        """Read the card of a remote agent: what it is called, what it is for and what it can do.

        Args:
            url: The agent's URL.
        """
        return _card(_base(url), await self._peer(url))

    async def _list(self) -> list[dict[str, Any]]:
        """List the remote agents that can be asked, with what each is for."""
        found: list[dict[str, Any]] = []
        for url in dict.fromkeys([*self._names, *self._peers]):
            try:
                found.append(_card(url, await self._peer(url)))
            except RemoteError as error:
                found.append({"url": url, "error": str(error)})
        return found

    async def _send(
        self, message_text: str, target_agent_url: str, ctx: ToolContext, message_id: str | None = None
    ) -> dict[str, Any]:
        """Send a message to a remote agent and wait for its answer. A message to an agent that had asked something answers it.

        Args:
            message_text: What to tell it, with everything it needs to know.
            target_agent_url: The agent's URL, as a2a_list_discovered_agents gives it.
            message_id: An id for the message; leave it out unless the same message must be sent again.
        """
        peer = await self._peer(target_agent_url)
        key = _base(target_agent_url)
        known: dict[str, dict[str, str]] = ctx.state.get(_KEY, {})
        before = known.get(key, {})
        message = Outbound(
            message_id or ctx.idempotency_key, user(message_text), before.get("task", ""), before.get("context", "")
        )
        answer = await peer.send(message)
        if isinstance(answer, RemoteTask):
            answer = await _until_settled(peer, answer)
        after = {"context": answer.context or before.get("context", "")}
        if isinstance(answer, RemoteTask) and answer.state in INTERRUPTED:
            after["task"] = answer.id
        ctx.state.set(_KEY, {**known, key: after})
        return _told(answer)

    async def _peer(self, url: str) -> RemotePeer:
        """The remote at a URL that may be asked.

        Raises:
            ToolArgumentsInvalid: it may not.
        """
        key = _base(url)
        if key in self._peers:
            return self._peers[key]
        declared = self._names.get(key)
        if declared is None and not self._any_public:
            known = ", ".join(self._names) or "none"
            raise ToolArgumentsInvalid(f"{url!r} is not one of the agents that may be asked. They are: {known}.")
        if declared is None and len(self._peers) >= _MOST:
            raise ToolArgumentsInvalid(f"{len(self._peers)} different agents were asked already: ask one of those again.")
        if self._remotes is None:
            self._remotes = self._make_remotes()
        if declared is not None:
            peer = await self._remotes.open(declared[1], declared[0])
        else:  # a model's own idea must not lead into the network this runs in
            peer = await self._remotes.open("", url, allow_private=False)
        self._peers[key] = peer
        return peer


async def _until_settled(peer: RemotePeer, task: RemoteTask) -> RemoteTask:
    looks = 0
    try:
        while task.state not in ENDED | INTERRUPTED:
            await asyncio.sleep(_POLLS[min(looks, len(_POLLS) - 1)])
            looks += 1
            task = await peer.get(task.id)
        return task
    except asyncio.CancelledError:
        with contextlib.suppress(RemoteError, TimeoutError):
            async with asyncio.timeout(_LAST_WORD):
                await peer.cancel(task.id)
        raise


def _card(url: str, peer: RemotePeer) -> dict[str, Any]:
    skills = [{"name": name, "description": text} for name, text in peer.skills]
    return {"url": url, "name": peer.name, "description": peer.description, "skills": skills}


def _told(answer: RemoteTask | RemoteReply) -> dict[str, Any]:
    """An answer as the model reads it."""
    if isinstance(answer, RemoteReply):
        return {"status": "completed", **_content(answer.message)}
    made = [item for item in answer.artifacts if item.parts]
    parts = tuple(part for item in made for part in item.parts)
    if answer.state != "completed" or not parts:
        parts = answer.message.parts if answer.message is not None else ()
    return {"status": answer.state, **_content(Message("assistant", parts))}


def _content(message: Message) -> dict[str, Any]:
    data = [part.data for part in message.parts if isinstance(part, DataPart)]
    files = [msgspec.to_builtins(part) for part in message.parts if not isinstance(part, DataPart | TextPart)]
    named = [{name: value for name, value in item.items() if name not in ("base64", "type")} for item in files]
    return {"text": message.text, **({"data": data} if data else {}), **({"files": named} if named else {})}


def _base(url: str) -> str:
    """An agent's URL without the well-known place of its card."""
    return url.strip().partition(_WELL_KNOWN)[0].rstrip("/")
