"""Remote agents for tests: a2a-sdk servers on real sockets, whose executors do what the request's first word says."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import uvicorn
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes, create_rest_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types.a2a_pb2 import AgentCapabilities, AgentCard, AgentInterface, AgentSkill, Message, Part, Role, TaskState, TaskStatus
from a2a.types.a2a_pb2 import Task as WireTask
from google.protobuf import json_format, struct_pb2
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

Binding = Literal["JSONRPC", "HTTP+JSON"]
Version = Literal["1.0", "0.3"]


class Script(AgentExecutor):
    """Does what the text says: `echo …`, `words …` (streamed; `slowly …`: from the second on at `go`), `fail …`, `reject …`, `ask …`, `auth …`, `itself …` (needs an authorization, goes on at `go`), `message …`, `file`, `data`,
    `cancel`, `wait` (until `go`, or canceled), `crash`, `late` (nothing is
    said before `go`). An answer to a question is echoed.
    """

    def __init__(self) -> None:
        self.received: list[str] = []
        self.ids: list[str] = []
        self.tasks: list[str] = []
        self.contexts: list[str] = []
        self.canceled: list[str] = []
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.stopped = asyncio.Event()

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """See AgentExecutor."""
        assert context.message is not None
        text = context.get_user_input().partition("\n")[0]
        self.received.append(text)
        self.ids.append(context.message.message_id)
        self.tasks.append(context.task_id or "")
        self.contexts.append(context.context_id or "")
        word, _, rest = text.partition(" ")
        if word == "message":
            await event_queue.enqueue_event(_says(context, rest))
            return
        if word == "late":
            self.begun.set()
            await self.go.wait()
            if rest == "wait":
                self.go.clear()
                word = rest
        if word == "crash":
            raise RuntimeError("the executor broke")
        updater = TaskUpdater(event_queue, context.task_id or "", context.context_id or "")
        if context.current_task is None:
            status = TaskStatus(state=TaskState.TASK_STATE_SUBMITTED)
            task = WireTask(id=context.task_id, context_id=context.context_id, status=status, history=[context.message])
            await event_queue.enqueue_event(task)
        await updater.start_work()
        self.begun.set()
        await self._act(updater, context, word, rest, text)

    async def _act(self, updater: TaskUpdater, context: RequestContext, word: str, rest: str, text: str) -> None:
        match word:
            case "fail":
                await updater.failed(_says(context, rest))
            case "reject":
                await updater.reject(_says(context, rest))
            case "ask":
                await updater.requires_input(_says(context, rest))
            case "auth":
                await updater.requires_auth(_says(context, rest))
            case "itself":
                await updater.requires_auth(_says(context, rest))
                await self.go.wait()
                await updater.add_artifact([Part(text="went on")])
                await updater.complete()
                self.stopped.set()
            case "cancel":
                await updater.cancel(_says(context, rest))
            case "words" | "slowly":
                await self._words(updater, rest, slowly=word == "slowly")
            case "file":
                await updater.add_artifact(
                    [Part(raw=b"\x00\x01\xff", media_type="image/png", filename="dot.png")], name="picture"
                )
                await updater.complete(_says(context, "here it is"))
            case "data":
                value = json_format.Parse(rest, struct_pb2.Value())
                await updater.add_artifact([Part(data=value)], name="numbers")
                await updater.complete()
            case "wait":
                await self.go.wait()
                await updater.add_artifact([Part(text=f"waited {rest}")])
                await updater.complete()
            case _:
                await updater.add_artifact([Part(text=f"echo: {rest if word == 'echo' else text}")])
                await updater.complete()

    async def _words(self, updater: TaskUpdater, rest: str, *, slowly: bool) -> None:
        for number, word in enumerate(rest.split(" ")):
            await updater.add_artifact([Part(text=f"{word} ")], artifact_id="text", append=number > 0)
            if slowly:
                await self.go.wait()
        await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """See AgentExecutor."""
        self.canceled.append(context.task_id or "")
        self.stopped.set()
        await TaskUpdater(event_queue, context.task_id or "", context.context_id or "").cancel()


def _says(context: RequestContext, text: str) -> Message:
    return Message(
        message_id=f"m-{context.task_id}-{text[:8]}",
        role=Role.ROLE_AGENT,
        parts=[Part(text=text)],
        task_id=context.task_id,
        context_id=context.context_id,
    )


class Watched:
    """An ASGI application that keeps what was asked of it, and can lose answers or refuse."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.asked: list[tuple[str, str, dict[str, str]]] = []  # method, path, headers
        self.calls: Counter[str] = Counter()
        self.refuse: list[int] = []  # the statuses of the next answers to POSTs
        self.redirect = ""  # where every request is sent instead
        self.lose = 0  # so many answers to POSTs are worked out and never sent
        self.lost = asyncio.Event()
        self.cut: list[int] = []  # after so many pieces of their bodies the next answers to POSTs break off

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append((scope["method"], scope["path"], headers))
        body, receive = await _read(receive)
        for name in _OPERATIONS:
            self.calls[name] += f'"method":"{name}"'.encode() in body.replace(b": ", b":") or scope["path"].endswith(name)
        if self.redirect:
            await send({"type": "http.response.start", "status": 307, "headers": [(b"location", self.redirect.encode())]})
            await send({"type": "http.response.body", "body": b""})
            return
        if scope["method"] == "POST" and self.refuse:
            status = self.refuse.pop(0)
            await send({"type": "http.response.start", "status": status, "headers": [(b"retry-after", b"0")]})
            await send({"type": "http.response.body", "body": b"{}"})
            return
        if scope["method"] == "POST" and self.lose:
            self.lose -= 1
            await self._app(scope, receive, _swallow)
            self.lost.set()
            raise ConnectionResetError("the answer is lost")
        if scope["method"] == "POST" and self.cut:
            send = _cutting(send, self.cut.pop(0))
        await self._app(scope, receive, send)


def _cutting(send: Send, pieces: int) -> Send:
    """Sends so many pieces of the body, then nothing more: the connection breaks."""
    left = pieces

    async def cut(message: Any) -> None:
        nonlocal left
        if message["type"] == "http.response.body":
            left -= 1
            if left < 0:
                raise ConnectionResetError("cut")
        await send(message)

    return cut


_OPERATIONS = (
    "SendMessage", "SendStreamingMessage", "GetTask", "ListTasks", "CancelTask", "SubscribeToTask",
    "message/send", "message/stream", "tasks/get", "tasks/cancel", "tasks/resubscribe",
    "/message:send", "/message:stream", "/v1/message:send", "/v1/message:stream", ":cancel", ":subscribe",
)  # fmt: skip


async def _swallow(message: Any) -> None:
    return None


async def _read(receive: Receive) -> tuple[bytes, Receive]:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    given = False

    async def again() -> Any:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return body, again


class Peer:
    """A server that runs. `url` is its base."""

    def __init__(self, url: str, script: Script, watched: Watched) -> None:
        self.url, self.script, self.watched = url, script, watched
        self.card_url = f"{url}/.well-known/agent-card.json"


@asynccontextmanager
async def a2a_peer(
    *, binding: Binding = "JSONRPC", version: Version = "1.0", streaming: bool = True, host: str = "127.0.0.1"
) -> AsyncIterator[Peer]:
    """Run an agent that speaks one version over one binding, until the block ends. Its card names `host`."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    script = Script()
    card = _card(f"http://{host}:{port}", binding, version, streaming)
    handler = DefaultRequestHandler(agent_executor=script, task_store=InMemoryTaskStore(), agent_card=card)
    old = version == "0.3"
    routes: Sequence[Any] = [*create_agent_card_routes(card)]
    if binding == "JSONRPC":
        routes = [*routes, *create_jsonrpc_routes(handler, "/", enable_v0_3_compat=old)]
    else:
        routes = [*routes, *create_rest_routes(handler, enable_v0_3_compat=old)]
    watched = Watched(Starlette(routes=list(routes)))
    config = uvicorn.Config(watched, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield Peer(url, script, watched)
    finally:
        server.should_exit = True
        server.force_exit = True
        await serving
        listening.close()


def _card(url: str, binding: Binding, version: Version, streaming: bool) -> AgentCard:
    return AgentCard(
        name="peer",
        description="A remote agent that does as it is told.",
        version="1",
        capabilities=AgentCapabilities(streaming=streaming),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[AgentSkill(id="do", name="do", description="Does.", tags=["t"])],
        supported_interfaces=[AgentInterface(url=f"{url}/", protocol_binding=binding, protocol_version=version)],
    )
