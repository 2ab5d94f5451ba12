"""ports.remote over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from busagents.adapters.a2a_client.card import Card, card_urls, read_card
from busagents.adapters.a2a_client.credentials import PREFIX, Credentials, credentials_of
from busagents.adapters.a2a_client.guard import Resolve, UrlGuard, names_private_host, system_resolver
from busagents.adapters.a2a_client.http import Http, Request
from busagents.adapters.a2a_client.reading import field, read_task, read_update
from busagents.adapters.a2a_client.wire import Wire
from busagents.ports.remote import (
    Outbound,
    RemoteInvalid,
    RemoteReply,
    RemoteTask,
    RemoteUnsupported,
    RemoteUpdate,
)


class A2ARemotes:
    """See ports.remote.RemoteAgents. `env` is where credentials are looked up."""

    def __init__(self, env: Mapping[str, str], *, resolve: Resolve = system_resolver) -> None:
        self._env = env
        self._resolve = resolve
        self._open: dict[tuple[str, str, bool], Http] = {}

    async def open(self, name: str, card_url: str, *, allow_private: bool | None = None) -> A2APeer:
        """See RemoteAgents.open."""
        private = names_private_host(card_url) if allow_private is None else allow_private
        key = (name, card_url, private)
        http = self._open.get(key)
        if http is None:
            guard = UrlGuard(allow_private=private, resolve=self._resolve)
            credentials = credentials_of(name, self._env) if name else Credentials(PREFIX + "<NAME>")
            http = self._open[key] = Http(card_url, guard, credentials)
        return A2APeer(await discover(http, card_url), http)

    async def close(self) -> None:
        """See RemoteAgents.close."""
        for http in self._open.values():
            await http.close()
        self._open = {}


async def discover(http: Http, url: str) -> Card:
    """The card at a URL, or at the well-known places below it.

    Raises:
        RemoteError: there is none, or it cannot be had.
    """
    for place in card_urls(url):
        try:
            found = await http.call(Request("GET", place))
        except RemoteUnsupported:
            continue
        card = read_card(found, place)
        http.guard.check(card.interface.url)
        http.api_key_header = card.api_key_header
        return card
    raise RemoteInvalid(f"there is no agent card at {url}: give the URL of the card itself as card_url")


class A2APeer:
    """See ports.remote.RemotePeer."""

    def __init__(self, card: Card, http: Http) -> None:
        self.card = card
        self._http = http
        self._wire = Wire(card.interface)

    @property
    def name(self) -> str:
        """See RemotePeer."""
        return self.card.name

    @property
    def description(self) -> str:
        """See RemotePeer."""
        return self.card.description

    @property
    def skills(self) -> tuple[tuple[str, str], ...]:
        """See RemotePeer."""
        return self.card.skills

    @property
    def streams(self) -> bool:
        """See RemotePeer."""
        return self.card.streaming

    @property
    def lists(self) -> bool:
        """See RemotePeer."""
        return self._wire.lists

    async def send(self, outbound: Outbound, *, wait: bool = False) -> RemoteTask | RemoteReply:
        """See RemotePeer."""
        found = read_update(self._wire.result(await self._http.call(self._wire.send(outbound, wait=wait))))
        if not isinstance(found, RemoteTask | RemoteReply):
            raise RemoteInvalid("the remote agent answered a message with a part of a stream")
        return found

    async def stream(self, outbound: Outbound) -> AsyncGenerator[RemoteUpdate]:
        """See RemotePeer."""
        async with aclosing(self._updates(self._wire.stream(outbound))) as updates:
            async for update in updates:
                yield update

    async def subscribe(self, task: str) -> AsyncGenerator[RemoteUpdate]:
        """See RemotePeer."""
        async with aclosing(self._updates(self._wire.subscribe(task))) as updates:
            async for update in updates:
                yield update

    async def get(self, task: str) -> RemoteTask:
        """See RemotePeer."""
        return _task(self._wire.result(await self._http.call(self._wire.get(task))))

    async def find(self, context: str) -> list[RemoteTask]:
        """See RemotePeer."""
        found = field(self._wire.result(await self._http.call(self._wire.list(context))), "tasks", [])
        tasks = [read_task(item) for item in found] if isinstance(found, list) else []
        return [task for task in tasks if task.context in ("", context)]

    async def cancel(self, task: str) -> RemoteTask:
        """See RemotePeer."""
        return _task(self._wire.result(await self._http.call(self._wire.cancel(task))))

    async def _updates(self, request: Request) -> AsyncGenerator[RemoteUpdate]:
        async with aclosing(self._http.stream(request)) as events:
            async for event in events:
                yield read_update(self._wire.result(event))


def _task(value: object) -> RemoteTask:
    found = read_update(value)
    if not isinstance(found, RemoteTask):
        raise RemoteInvalid("the remote agent answered with something else than the task that was asked for")
    return found
