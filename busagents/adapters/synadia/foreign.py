"""The caller's side: find an agent of the protocol, prompt it, answer what it asks. Section 4 to 7 of the protocol."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from busagents.adapters.synadia import subjects, wire
from busagents.domain.messages import Message
from busagents.errors import InvalidName
from busagents.ports.foreign import Alive, Asked, ForeignItem, Refused

_QUIET = 0.3  # seconds without another answer after which discovery is over
_LONGEST = 2.0  # seconds discovery takes at most
_KNOWN = 30.0  # seconds until an agent is looked up again
_PREFERRED = (subjects.MAIN_SESSION, "default")  # where no session is named
_NO_RESPONDERS = "503"


class _Endpoint(msgspec.Struct, frozen=True):
    name: str = ""
    subject: str = ""
    metadata: dict[str, str] | None = None


class _Info(msgspec.Struct, frozen=True):
    name: str
    id: str
    metadata: dict[str, str] | None = None
    endpoints: list[_Endpoint] = []


class Found(msgspec.Struct, frozen=True, order=True):
    """An agent as discovery told of it. `subject` takes prompts of at most `max_payload` bytes (None: not said), `signed` ones only."""

    agent: str
    owner: str
    session: str
    instance: str
    subject: str
    max_payload: int | None = None
    attachments: bool = True
    signed: bool = False


async def discover(client: Client, agent: str = "", owner: str = "", session: str = "") -> list[Found]:
    """The agents of protocol 0.3 that answer and fit, sorted by name; one, if only one can fit."""
    found: list[Found] = []
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox)
    try:
        await client.publish(subjects.DISCOVERY, b"", reply=inbox)
        async with asyncio.timeout(_LONGEST):
            while True:
                message = await subscription.next_msg(timeout=_QUIET if found else _LONGEST)
                if not message.data:  # nobody is there: the server's own 503
                    break
                item = _found(message.data)
                if item is not None and _fits(item, agent, owner, session):
                    found.append(item)
                    if agent and owner and session:  # others are instances of it
                        break
    except (TimeoutError, nats.errors.TimeoutError):
        pass  # the time is up: these are all
    finally:
        await subscription.unsubscribe()
    return sorted(found)


class SynadiaPeer:
    """ports.foreign.ForeignAgent: one agent, looked up now and then."""

    def __init__(self, client: Client, agent: str, owner: str = "", session: str = "") -> None:
        self._client = client
        self._agent = agent
        self._owner = owner
        self._session = session
        self._found: Found | None = None
        self._found_until = 0.0

    async def prompt(self, message: Message) -> AsyncGenerator[ForeignItem, None]:
        """See ForeignAgent.prompt."""
        try:
            async with contextlib.aclosing(self._prompt(message)) as items:
                async for item in items:
                    yield item
        except nats.errors.Error as error:
            yield Refused(
                "outcome_unknown", f"the connection failed ({type(error).__name__}): it may have done the work", unknown=True
            )

    async def answer(self, question: Asked, message: Message) -> None:
        """See ForeignAgent.answer."""
        with contextlib.suppress(nats.errors.Error):  # the stream then ends as it may
            await self._client.publish(question.reply_to, wire.prompt_bytes(message))

    async def _prompt(self, message: Message) -> AsyncGenerator[ForeignItem, None]:
        payload = wire.prompt_bytes(message)
        files = bool(wire.split_parts(message.parts)[1])
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox)
        try:
            while True:
                place, known = await self._place()
                if place is None:
                    text = f"no agent {self._wanted()} answers discovery on this NATS: start it, then redrive the task"
                    yield Refused("unreachable", text)
                    return
                problem = _local_problem(place, payload, self._client.max_payload, files=files)
                if problem is not None:
                    yield problem
                    return
                await self._client.publish(place.subject, payload, reply=inbox)
                yield Alive()
                first = await subscription.next_msg(timeout=None)
                if not first.headers or first.headers.get("Status") != _NO_RESPONDERS:
                    break
                self._found = None  # it has gone, and nobody got the prompt
                if not known:
                    yield Refused("unreachable", f"agent {self._wanted()} went away before it was prompted: redrive the task")
                    return
            async with contextlib.aclosing(_answer(subscription, first)) as items:
                async for item in items:
                    yield item
        finally:
            with contextlib.suppress(nats.errors.Error):  # the connection is gone, and it with it
                await subscription.unsubscribe()

    async def _place(self) -> tuple[Found | None, bool]:
        """Where it is, and whether that was known from before."""
        now = asyncio.get_running_loop().time()
        if self._found is not None and now < self._found_until:
            return self._found, True
        self._found = self._choose(await discover(self._client, self._agent, self._owner, self._session))
        self._found_until = now + _KNOWN
        return self._found, False

    def _choose(self, found: list[Found]) -> Found | None:
        return min(found, key=lambda item: (_rank(item.session), item), default=None)

    def _wanted(self) -> str:
        owner = f" of owner {self._owner!r}" if self._owner else ""
        session = f", session {self._session!r}" if self._session else ""
        return f"{self._agent!r}{owner}{session}"


async def _answer(subscription: Subscription, first: Msg) -> AsyncGenerator[ForeignItem, None]:
    """What an answer says, up to its end or the error that ends it."""
    reply = first
    while not wire.is_end(reply.data, reply.headers):
        yield (item := wire.read_reply(reply.data, reply.headers))
        if isinstance(item, Refused):
            return
        reply = await subscription.next_msg(timeout=None)


def _rank(session: str) -> int:
    return _PREFERRED.index(session) if session in _PREFERRED else len(_PREFERRED)


def _local_problem(place: Found, payload: bytes, most: int, *, files: bool) -> Refused | None:
    """Why a prompt must not be sent (sections 5.4 and 13.9)."""
    if place.signed:
        text = f"agent {place.agent!r} takes prompts that are signed by their sender only, and ours are not: let it take any"
        return Refused("unauthorized", text)
    if files and not place.attachments:
        return Refused("bad_request", f"agent {place.agent!r} takes no attachments: leave the files out")
    limit = min(most, place.max_payload or most)
    if len(payload) <= limit:
        return None
    text = f"the prompt has {len(payload)} bytes with its files, and agent {place.agent!r} takes at most {limit}: send less"
    return Refused("bad_request", text)


def _found(data: bytes) -> Found | None:
    """None: not an agent of this version of the protocol."""
    try:
        info = msgspec.json.decode(data, type=_Info)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    metadata = info.metadata or {}
    endpoint = next((item for item in info.endpoints if item.name == "prompt"), None)
    version = ".".join(metadata.get("protocol_version", "").split(".")[:2])
    if info.name != subjects.SERVICE or endpoint is None or version != subjects.PROTOCOL or not metadata.get("agent"):
        return None
    said = endpoint.metadata or {}
    return Found(
        metadata["agent"],
        metadata.get("owner", ""),
        _session(endpoint.subject, metadata),
        info.id,
        endpoint.subject,
        wire.parse_size(said.get("max_payload", "")),
        said.get("attachments_ok") != "false",
        said.get("min_sender_trust", "any") != "any",
    )


def _session(subject: str, metadata: dict[str, str]) -> str:
    """What it is called, else its token (section 4.3)."""
    if metadata.get("session"):
        return metadata["session"]
    try:
        return subjects.parse(subject)[1].session
    except InvalidName:  # a subject of its own choice
        return ""


def _fits(item: Found, agent: str, owner: str, session: str) -> bool:
    return all(wanted in ("", there) for wanted, there in ((agent, item.agent), (owner, item.owner), (session, item.session)))
