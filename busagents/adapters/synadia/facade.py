"""Our participants as agents of the Synadia protocol: found, prompted, questioned and heard by its clients.

A participant is listed while it is live, once for its `main` session, where each prompt begins a session of its own, and once for
each session that was declared. A prompt to any other session of it is taken too, so a conversation that began at `main` can go
on under the name that its first reply gave. One to a participant that has gone, or is exposed by name and not there yet, waits in
the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Container

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from busagents.adapters.synadia import subjects
from busagents.adapters.synadia.desk import Desk, Listed
from busagents.adapters.synadia.exchange import Destination, Exchange, Patience
from busagents.adapters.synadia.hosted import Hosted, host
from busagents.adapters.synadia.reply import Reply, Send
from busagents.errors import BusError, InvalidName

_log = logging.getLogger("busagents.synadia")
_SESSION = "synadia-"  # our sessions begin so: who may prompt has no way into those of others
_LONGEST = 64 - len(_SESSION)  # characters of a session's name
_MISSES = 3  # looks in a row at which a participant was not there
_FOREIGN = "synadiaagent"  # participants of this kind are agents of the protocol already


class FacadeOptions(msgspec.Struct, frozen=True):
    """How the facade behaves. Seconds throughout; `expose` None: every participant that is live."""

    owner: str = "busagents"
    expose: tuple[str, ...] | None = None
    sessions: tuple[str, ...] = ()
    max_prompts: int = 1024
    patience: Patience = Patience()
    heartbeat_every: int = 30
    look_every: float = 5.0


class Facade:
    """Serves prompts on one connection. Any number of them may run: prompts are spread over them."""

    def __init__(self, client: Client, desk: Desk, options: FacadeOptions) -> None:
        self._client = client
        self._desk = desk
        self._options = options
        self._hosted: dict[subjects.Address, Hosted] = {}
        self._missed: Counter[subjects.Address] = Counter()
        self._doors: dict[str, Subscription] = {}
        self._prompts: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Serve until `stop`. Prompts that are answered then end with an error that says that their task goes on. `ready` is
        called once who is live is listed.
        """
        beating = asyncio.create_task(self._beat())
        try:
            await self.look()
            ready()
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._options.look_every):
                        await stop.wait()
                if not stop.is_set():
                    await self.look()
        finally:
            beating.cancel()
            await asyncio.wait({beating})
            await self._close()

    async def look(self) -> None:
        """List who has come, and no longer who has gone."""
        if not self._client.is_connected:  # nobody answers, and nobody has gone
            return
        try:
            there = [item for item in await self._desk.participants() if self._exposed(item)]
        except BusError as error:
            _log.warning("who is live is not known now: %s", error)
            return
        sessions = (subjects.MAIN_SESSION, *self._options.sessions)
        wanted = {
            subjects.address(item.name, self._options.owner, session): (item, session) for item in there for session in sessions
        }
        await self._forget(wanted)
        for name in sorted({item.name for item in there} | set(self._options.expose or ())):
            if name not in self._doors:
                await self._open(name)
        for address, (item, session) in wanted.items():
            if address not in self._hosted:
                names = {"agent": item.name, "owner": self._options.owner, "session": session}
                every = self._options.heartbeat_every
                hosted = await host(self._client, address, item, names, every=every, prompted=self._arrived)
                self._hosted[address] = hosted
                await hosted.beat()  # behind the listing, so that who hears it finds it

    async def _forget(self, wanted: Container[subjects.Address]) -> None:
        """List those no longer who did not answer several times: one that is only busy keeps its instance."""
        for address in list(self._hosted):
            self._missed[address] = 0 if address in wanted else self._missed[address] + 1
            if self._missed[address] >= _MISSES:
                await self._hosted.pop(address).stop()

    def _exposed(self, item: Listed) -> bool:
        if self._options.expose is None:
            return item.kind != _FOREIGN
        return item.name in self._options.expose

    async def _open(self, name: str) -> None:
        """Take prompts to every session of a participant, from now on for good."""

        async def arrived(message: Msg) -> None:
            async def send(data: bytes, headers: dict[str, str] | None) -> None:
                await self._client.publish(message.reply, data, headers=headers)

            await self._arrived(message.subject, message.data, send)

        door = subjects.address(name, self._options.owner).any_session()
        self._doors[name] = await self._client.subscribe(door, queue=subjects.QUEUE, cb=arrived)

    async def _arrived(self, subject: str, payload: bytes, send: Send) -> None:
        """Begin to serve a prompt; the next one need not wait for it."""
        patience = self._options.patience
        reply = Reply(send, max_payload=self._client.max_payload, ack_every=patience.ack)
        try:
            destination = _destination(subject)
        except InvalidName as error:
            await reply.error(400, "invalid_name", str(error))
            return
        if len(self._prompts) >= self._options.max_prompts:
            text = f"{len(self._prompts)} prompts are being answered here, the most there may be: try again later"
            await reply.error(429, "too_many_prompts", text)
            return
        exchange = Exchange(self._client, self._desk, self._options.owner, destination, reply, patience)
        prompt = asyncio.create_task(exchange.run(payload))
        self._prompts.add(prompt)
        prompt.add_done_callback(self._answered)

    def _answered(self, prompt: asyncio.Task[None]) -> None:
        self._prompts.discard(prompt)
        if not prompt.cancelled() and prompt.exception() is not None:
            _log.error("a prompt failed", exc_info=prompt.exception())

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._options.heartbeat_every)
            for hosted in list(self._hosted.values()):
                await hosted.beat()

    async def _close(self) -> None:
        for hosted in self._hosted.values():
            await hosted.stop()
        self._hosted.clear()
        with contextlib.suppress(nats.errors.Error):  # the connection is gone, and they with it
            for door in self._doors.values():
                await door.unsubscribe()
        self._doors.clear()
        prompts = list(self._prompts)
        for prompt in prompts:
            prompt.cancel()
        if prompts:
            await asyncio.wait(prompts)
        with contextlib.suppress(nats.errors.Error, TimeoutError):
            await self._client.flush(2)


def _destination(subject: str) -> Destination:
    """Whom a prompt to this subject is for.

    Raises:
        InvalidName: nobody can be; the text says why.
    """
    _, address = subjects.parse(subject)
    fresh = address.session == subjects.MAIN_SESSION
    session = uuid.uuid4().hex if fresh else address.session
    if len(session) > _LONGEST:
        raise InvalidName(f"session {session[:80]!r} is too long: use at most {_LONGEST} characters")
    return Destination(subjects.agent_name(address.agent), _SESSION + session, session, fresh)
