"""The Synadia protocol on our bus: its facade's desk on a client, and the facade's process."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from busagents.adapters.jetstream.bus import connect_bus
from busagents.adapters.jetstream.identity import StreamIdentity
from busagents.adapters.jetstream.provision import provision
from busagents.adapters.synadia.desk import Done, Ended, Listed, Question, Settled, Text, Update
from busagents.adapters.synadia.facade import Facade, FacadeOptions
from busagents.domain import events as e
from busagents.domain.messages import Message, Part, TextPart
from busagents.domain.subjects import ThreadRef
from busagents.domain.synadia_facade import SynadiaFacade
from busagents.errors import AnswerRefused, BusUnreachable, InvalidInput, LogError
from busagents.runtime.client.client import Client
from busagents.runtime.client.live_session import LiveSessions
from busagents.runtime.client.task import Task
from busagents.runtime.client.task_event import TaskEvent
from busagents.runtime.client.text_stream import TextStream
from busagents.runtime.clock import SystemClock
from busagents.runtime.journal import Journal
from busagents.runtime.status import StatusWriter
from busagents.settings import load_settings


class ClientDesk:
    """adapters.synadia.desk.Desk on a client."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._journal = Journal(client.bus, SystemClock())
        self._live = LiveSessions(client.bus)

    async def participants(self) -> Sequence[Listed]:
        """See Desk.participants."""
        found: dict[str, Listed] = {}
        for item in await self._client.agents():
            found.setdefault(item.name, Listed(item.name, item.description, item.version, item.metadata.get("kind", "")))
        return list(found.values())

    async def submit(
        self, participant: str, session: str, message: Message, metadata: dict[str, Any], *, fresh: bool
    ) -> ClientWork:
        """See Desk.submit."""
        earlier = None if fresh else await self._at_work(ThreadRef(participant, session))
        return ClientWork(await self._client.send(participant, message, session=session, metadata=metadata), earlier)

    async def close(self) -> None:
        """Follow nothing any more."""
        await self._live.close()

    async def _at_work(self, ref: ThreadRef) -> Task | None:
        active = (await self._journal.open(ref)).state.active
        return Task(self._client.bus, self._live, self._journal, ref, active.id, after=0) if active is not None else None


class ClientWork:
    """adapters.synadia.desk.Work on a task; `earlier` is the one it waits for."""

    def __init__(self, task: Task, earlier: Task | None = None) -> None:
        self._task = task
        self._earlier = earlier
        self._asking: dict[str, Task] = {}

    @property
    def task(self) -> str:
        """See Work.task."""
        return self._task.id

    async def updates(self) -> AsyncGenerator[Update, None]:
        """See Work.updates."""
        text = TextStream()
        try:
            if self._earlier is not None:
                async for event in self._earlier.events():
                    if (update := await self._asked(self._earlier, event.event)) is not None:
                        yield update
            async for item in self._task.stream():
                piece = text.event(item) if isinstance(item, TaskEvent) else text.delta(item)
                if piece:
                    yield Text(piece)
                if isinstance(item, TaskEvent) and (update := await self._asked(self._task, item.event) or _end(item.event)):
                    yield update
        except (LogError, BusUnreachable) as error:
            yield Ended(500, "log", f"the task cannot be followed any further ({error}); `busagents tasks show {self.task}`")

    async def answer(self, request: str, message: Message) -> str | None:
        """See Work.answer."""
        try:
            await self._asking[request].reply(message, request=request)
        except (AnswerRefused, InvalidInput) as error:
            return str(error)
        return None

    async def _asked(self, task: Task, event: e.Event) -> Update | None:
        """What an event says of questions. One of the past may be answered long since."""
        match event:
            case e.InputRequired(request, message):
                if task is self._task or any(open_.request == request for open_ in await task.questions()):
                    self._asking[request] = task
                    return Question(request, message)
            case e.InputAnswered(request) if request in self._asking:
                return Settled(request)
        return None


def _end(event: e.Event) -> Update | None:
    """What a task's end says; None: it has not ended."""
    match event:
        case e.TaskCompleted(message=message, artifacts=artifacts):
            parts: tuple[Part, ...] = tuple(part for part in message.parts if not isinstance(part, TextPart))
            return Done((*parts, *(part for artifact in artifacts for part in artifact.parts)))
        case e.TaskFailed(reason, text):
            return Ended(500, reason, text)
        case e.TaskCanceled(reason):
            return Ended(409, "canceled", f"the task was canceled{': ' + reason if reason else ''}")
    return None


async def run_facade(
    definition: SynadiaFacade,
    url: str,
    *,
    user: str | None = None,
    password: str | None = None,
    known_stream: StreamIdentity | None = None,
    status_fd: int | None = None,
    stop: asyncio.Event | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Run a facade until SIGTERM or SIGINT (or `stop`). `on_ready` gets its name when it has listed who is live.

    Raises:
        BusUnreachable, StreamRefused, LogRegressed: it cannot start.
    """
    settings = load_settings()
    user, password = user or settings.nats_user, password or settings.nats_password
    bus = await connect_bus(url, user=user, password=password, name=definition.name)
    client = Client(bus, Journal(bus, SystemClock()))
    desk = ClientDesk(client)
    try:
        await provision(bus.client, replicas=settings.replicas, known=known_stream)
        if stop is None:
            stop = asyncio.Event()
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
        facade = Facade(bus.client, desk, facade_options(definition))
        status = StatusWriter(status_fd)

        def ready() -> None:
            status.ready()
            if on_ready is not None:
                on_ready(definition.name)

        await facade.run(stop, ready)
        status.flush()
    finally:
        await desk.close()
        await client.close()


def facade_options(definition: SynadiaFacade) -> FacadeOptions:
    """How a declared facade behaves."""
    return FacadeOptions(
        definition.owner,
        definition.expose,
        definition.sessions,
        definition.max_prompts,
        heartbeat_every=definition.heartbeat_every,
    )
