"""Plain HTTP, for people who have curl and no A2A client: tasks, their events, who takes tasks, in snake_case JSON.

It is served below `/api/v1`, and below `/v1` too unless a participant is served at the root: there `/v1` is A2A 0.3's. What there is
stands in one table, OPERATIONS, of which the OpenAPI document is made as well. Errors are RFC 9457's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

import msgspec
from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Match, NoMatchFound

from busagents.gateway import openapi
from busagents.gateway import plain_types as p
from busagents.gateway.errors import A2AError, UnsupportedOperation
from busagents.gateway.exchange import Exchange, Receive, Scope, SendMessage, Wiring, encode, segments
from busagents.gateway.json_fields import QueryFields, wrong
from busagents.gateway.live_answer import ANSWER
from busagents.gateway.negotiation import NO_EXTENSIONS
from busagents.gateway.plain_framing import PlainFraming
from busagents.gateway.plain_operations import OPERATIONS, Operation
from busagents.gateway.plain_reading import read_body, read_place, read_request
from busagents.gateway.plain_views import plain_agents, plain_page, plain_task
from busagents.gateway.projection import OURS
from busagents.gateway.service import GatewayService
from busagents.gateway.types import (
    INTERRUPTED,
    TERMINAL,
    Artifact,
    Caller,
    ListRequest,
    Message,
    SendRequest,
    Status,
    StreamItem,
    Task,
    Update,
)
from busagents.gateway.wire_errors import Internal, WrongMethod
from busagents.gateway.wire_v1_read import STATES

LOG = logging.getLogger("busagents.gateway")
STABLE = "/api/v1"
SHORT = "/v1"
_JSON = b"application/json"
_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NEW = msgspec.json.Decoder(p.NewTask)
_REPLY = msgspec.json.Decoder(p.Reply)


class SessionEvents(Protocol):
    """What happens in all of a session's tasks."""

    def events(self, caller: Caller, session: str, *, after: str = "") -> AsyncIterator[StreamItem]:
        """Updates of the caller's tasks of the session in the log's order, behind a place if one is given. Without end.

        Raises:
            TaskNotFound: no session of the caller's.
        """
        ...


_FRAMING = PlainFraming()


class Plain(BaseRoute):
    """A Starlette route for all of it. `at_short`: below `/v1` too."""

    def __init__(
        self,
        service: GatewayService,
        *,
        caller_of: Callable[[Mapping[str, Any]], Caller],
        sessions: SessionEvents | None = None,
        at_short: bool = True,
        auth: bool = False,
        version: str = "0",
        max_body: int = 10 * 1024 * 1024,
        keep_alive: float = 15.0,
        body_time: float = 30.0,
    ) -> None:
        self._service = service
        self._sessions = sessions
        self._caller_of = caller_of
        self._wiring = Wiring(service, lambda participant: NO_EXTENSIONS, None, keep_alive, max_body, body_time)
        self._prefixes = (SHORT, STABLE) if at_short else (STABLE,)
        self._heads = tuple(tuple(prefix.strip("/").split("/")) for prefix in self._prefixes)
        self._operations = tuple(one for one in OPERATIONS if sessions is not None or not one.of_session)
        self._document = encode(openapi.document(self._operations, self._prefixes, auth=auth, version=version))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See BaseRoute. Partly: the path is ours, the method is not."""
        if scope["type"] != "http":
            return Match.NONE, {}
        path = segments(scope)
        found = self._at(path)
        if not found and path != ("openapi.json",):
            return Match.NONE, {}
        fits = scope["method"] in ("GET", "HEAD") if not found else scope["method"] in found
        return (Match.FULL if fits else Match.PARTIAL), {}

    async def handle(self, scope: Scope, receive: Receive, send: SendMessage) -> None:
        """Serve one request."""
        exchange = Exchange(self._wiring, scope, receive, send, _FRAMING)
        try:
            path = segments(scope)
            found = self._at(path)
            if not found and exchange.method in ("GET", "HEAD"):
                await exchange.reply(200, self._document, _JSON, ((b"cache-control", b"no-cache"),))
                return
            if exchange.method not in found:
                allowed = ", ".join(found or ("GET", "HEAD"))
                raise WrongMethod(f"this path is for {allowed}, not for {exchange.method[:20]}", allowed)
            exchange.caller = self._caller_of(scope)
            operation, exchange.path = found[exchange.method]
            handler: Callable[[Exchange], Awaitable[None]] = getattr(self, operation.handler)
            await handler(exchange)
        except A2AError as error:
            if exchange.started:
                raise
            await exchange.refuse(error)
        except Exception:
            LOG.exception("a call failed")
            if exchange.started:
                raise
            await exchange.refuse(Internal())

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """See BaseRoute. There are no names."""
        raise NoMatchFound(name, path_params)

    def _at(self, path: tuple[str, ...]) -> dict[str, tuple[Operation, tuple[str, ...]]]:
        """The operations of a path by method, with what stands in the path."""
        for head in self._heads:
            if path[: len(head)] == head:
                rest = path[len(head) :]
                found = {one.method: (one, places) for one in self._operations if (places := one.match(rest)) is not None}
                if "GET" in found and not found["GET"][0].events:
                    found["HEAD"] = found["GET"]
                return found
        return {}

    async def create_task(self, exchange: Exchange) -> None:
        """POST /tasks."""
        asked = await read_body(exchange, _NEW)
        request = read_request(exchange, asked, Message("", "user", (), context_id=asked.session or ""))
        await self._told(exchange, asked.agent, request, asked.wait)

    async def reply_to_task(self, exchange: Exchange) -> None:
        """POST /tasks/{id}/reply."""
        asked = await read_body(exchange, _REPLY)
        named = {OURS: {"request": asked.question}} if asked.question else None
        message = Message("", "user", (), task_id=exchange.path[0], metadata=named)
        await self._told(exchange, "", read_request(exchange, asked, message), asked.wait)

    async def get_task(self, exchange: Exchange) -> None:
        """GET /tasks/{id}."""
        length = QueryFields(exchange.query).number("messages", 0, 1000) or 0
        task = await self._service.get(exchange.caller, exchange.path[0], history_length=length)
        await _reply(exchange, 200, plain_task(task, messages=length > 0))

    async def cancel_task(self, exchange: Exchange) -> None:
        """POST /tasks/{id}/cancel."""
        task = await self._service.cancel(exchange.caller, exchange.path[0])
        await _reply(exchange, 200 if task.status.state in TERMINAL else 202, plain_task(task))

    async def list_tasks(self, exchange: Exchange) -> None:
        """GET /tasks."""
        query = QueryFields(exchange.query)
        state = query.text("state")
        if state and state not in STATES:
            raise wrong("state", f"must be one of {', '.join(STATES)}")
        asked = ListRequest(
            context_id=query.text("session"),
            state=next((known for known in STATES if known == state), None),
            page_size=query.number("limit", 1, 100) or 50,
            page_token=query.text("cursor"),
            history_length=0,
            status_after=query.time("since"),
        )
        page = await self._service.list(exchange.caller, asked, query.text("agent") or None)
        await _reply(exchange, 200, plain_page(page))

    async def task_events(self, exchange: Exchange) -> None:
        """GET /tasks/{id}/events. A task that has ended is told once, and not at all to a reader who knows its end."""
        task_id, after = exchange.path[0], read_place(exchange)
        try:
            await exchange.stream(self._service.subscribe(exchange.caller, task_id, after=after), _FRAMING)
        except UnsupportedOperation:
            if exchange.started:
                raise
            if after:
                await exchange.reply(204, b"", _JSON)  # which ends a browser's EventSource
                return
            await exchange.stream(_once(await self._service.get(exchange.caller, task_id, history_length=0)), _FRAMING)

    async def session_events(self, exchange: Exchange) -> None:
        """GET /sessions/{id}/events."""
        session = exchange.path[0]
        assert self._sessions is not None, "else it is not among the operations"
        if not _SESSION.fullmatch(session):
            raise wrong("id", "must be 1 to 64 letters, digits, '_' or '-'")
        await exchange.stream(self._sessions.events(exchange.caller, session, after=read_place(exchange)), _FRAMING)

    async def list_agents(self, exchange: Exchange) -> None:
        """GET /agents."""
        await _reply(exchange, 200, plain_agents(await self._service.participants()))

    async def _told(self, exchange: Exchange, agent: str, request: SendRequest, wait: bool | float) -> None:
        """Send, and answer with the task: as it is at once, or once it rests or the time is over."""
        with exchange.presence() as presence:
            async with contextlib.aclosing(_generator(self._service.stream(exchange.caller, agent, request))) as items:
                first = (await anext(items)).update
                task = first if isinstance(first, Task) else _bare(agent, first)
                if wait and task.status.state not in TERMINAL:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(None if wait is True else wait):
                            async for _ in items:
                                pass
                    task = await self._service.get(exchange.caller, task.id, history_length=0)
        if presence.gone:
            return
        status = 200 if _rests(task) else 202
        location = f"{self._prefixes[0]}/tasks/{quote(task.id, safe='')}".encode()
        await _reply(exchange, status, plain_task(task), ((b"location", location),))


async def _reply(exchange: Exchange, status: int, body: Any, extra: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    await exchange.reply(status, encode(body), _JSON, extra)


def _rests(task: Task) -> bool:
    return task.status.state in TERMINAL or task.status.state in INTERRUPTED


def _bare(agent: str, update: Update) -> Task:
    """A participant answered with a message alone: it is shown as a task that has ended."""
    if not isinstance(update, Message):
        raise Internal()
    artifact = Artifact(ANSWER, update.parts)
    metadata = {OURS: {"participant": agent}}
    task_id = update.task_id or update.message_id
    return Task(task_id, update.context_id, Status("completed"), (artifact,), metadata=metadata)


async def _once(task: Task) -> AsyncIterator[StreamItem]:
    yield StreamItem(task)


async def _generator(items: AsyncIterator[StreamItem]) -> Any:
    """One that can be closed, whatever the service gives."""
    try:
        async for item in items:
            yield item
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()
