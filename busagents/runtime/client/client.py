"""The bus as a program uses it: send tasks, watch them, look into sessions."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import uuid
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from busagents.domain.codec import derived_id
from busagents.domain.limits import Limits
from busagents.domain.messages import Message
from busagents.domain.subjects import MAIN_THREAD, ThreadRef, check_token
from busagents.errors import InvalidInput, NotFound
from busagents.ports.log import Announced, Bus
from busagents.runtime.client.live_session import LiveSessions
from busagents.runtime.client.replay import Replay, replay_session
from busagents.runtime.client.session_stream import Place, SessionStream
from busagents.runtime.client.submission import checked_key, submission
from busagents.runtime.client.task import Task
from busagents.runtime.client.task_event import TaskEvent, read_events, task_of_entry
from busagents.runtime.client.task_index import SessionInfo, TaskIndex, TaskInfo
from busagents.runtime.journal import Journal
from busagents.runtime.outgoing import send_event

_REDRIVABLE = ("failed", "canceled")
_LOOK_AGAIN = 2.0  # seconds: messages to participants are not announced live


class Client:
    """A connection to the bus. Made by `busagents.connect()`."""

    def __init__(self, bus: Bus, journal: Journal) -> None:
        self.bus = bus
        self._journal = journal
        self._live = LiveSessions(bus)
        self._known: set[str] = set()

    async def send(
        self,
        participant: str,
        prompt: str | Message,
        *,
        session: str | None = None,
        thread: str = MAIN_THREAD,
        idempotency_key: str | None = None,
        output_type: Any = None,
        limits: Limits | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Task:
        """Give a participant a task; returns when it is stored.

        Args:
            session: the conversation it belongs to; a new one if None.
            idempotency_key: a send with the same key, participant and session is the same task, however often it is repeated.
            output_type: a msgspec Struct, dataclass, TypedDict, pydantic model or JSON Schema that the answer must fit.
            limits: tighter bounds than the participant's own.
            metadata: JSON values kept with the request; no participant reads them.

        Raises:
            NotFound: the bus knows no participant of that name.
            InvalidName, InvalidInput: a name that no subject can hold, an empty or over-long prompt. Nothing was sent.
            DefinitionError: `output_type` has no usable JSON Schema. Nothing was sent.
            LogFull, AppendUnresolved: see EventLog.send.
        """
        event = submission(prompt, output_type=output_type, limits=limits, metadata=metadata)
        key = checked_key(idempotency_key) if idempotency_key is not None else None
        if session is None:
            session = derived_id("session", participant, key) if key else str(uuid.uuid4())
        ref = ThreadRef(participant, session, thread).checked()
        await self._require(participant)
        entry = derived_id("send", str(ref), key) if key else str(uuid.uuid4())
        task = Task(self.bus, self._live, self._journal, ref, task_of_entry(entry), after=0, output_type=output_type)
        if key is None:  # a repeated send may have ended long ago: then the log is read first
            task.listen(await self._live.get(session))
        position = await send_event(self.bus, ref, event, task=task.id, entry_id=entry)
        if key is None:
            task.sent(position)
        return task

    async def task(self, task_id: str, *, output_type: Any = None) -> Task:
        """A handle on a task that was sent before, by anyone.

        Raises:
            NotFound: no task of that id is in the log.
        """
        info = (await self._index()).find(task_id)
        return Task(self.bus, self._live, self._journal, info.ref, info.task, after=info.position, output_type=output_type)

    async def tasks(self, *, participant: str | None = None, session: str | None = None) -> list[TaskInfo]:
        """The tasks in the log, the oldest first.

        Raises:
            InvalidName: no participant or session can have that name.
        """
        if participant is not None:
            check_token(participant, "participant")
        if session is not None:
            check_token(session, "session")
        index = await self._index(participant=participant, session=session)
        return [info for info in index.tasks() if participant in (None, info.ref.participant)]

    async def task_info(self, task_id: str) -> TaskInfo:
        """Where a task is; `task_id` may be the beginning of the id.

        Raises:
            NotFound: no task, or several, of that id.
        """
        return (await self._index()).find(task_id)

    async def reply(self, task_id: str, answer: str | Message | Any, *, request: str = "") -> None:
        """Answer a question of a task; see Task.reply. `task_id` may be the beginning of the id.

        Raises:
            NotFound: no task, or several, of that id.
            InvalidInput, AnswerRefused: see Task.reply.
        """
        await (await self.task(task_id)).reply(answer, request=request)

    async def redrive(self, task_id: str) -> Task:
        """Send the request of a task that failed or was canceled again, as a new task of the same session.

        One that was redriven before: the task it became is returned, itself redriven if it failed or was canceled too. So
        two at once make one new task.

        Raises:
            NotFound: no such task.
            InvalidInput: it has not ended, or it completed.
        """
        index = await self._index()
        info = index.find(task_id)
        if info.state not in _REDRIVABLE:
            raise InvalidInput(f"task {info.task} is {info.state}: only a failed or canceled task can be redriven")
        while True:
            entry = derived_id("redrive", str(info.ref), info.task)
            became = index.get(info.ref, task_of_entry(entry))
            if became is None or became.state not in _REDRIVABLE:
                break
            info = became
        task = Task(self.bus, self._live, self._journal, info.ref, task_of_entry(entry), after=info.position)
        if became is None:
            await send_event(self.bus, info.ref, info.submitted, task=task.id, entry_id=entry)
        return task

    async def sessions(self) -> list[SessionInfo]:
        """The sessions in the log, the one that was last active first."""
        return (await self._index()).sessions()

    async def replay(self, session: str, upto: int | None = None) -> Replay:
        """Rebuild a session from its log, as it was at position `upto` of the log (default: as it is now). Calls nothing.

        Raises:
            NotFound: no entry of that session.
            InvalidName: no session can have that name.
            ChainBroken, UnreadableEntry, BlobMissing: its log cannot be trusted or understood.
        """
        check_token(session, "session")
        return await replay_session(self.bus, self._journal, session, upto)

    async def history(self, session: str, *, after: int = 0) -> AsyncGenerator[TaskEvent, None]:
        """Every event of a session that is stored now, behind position `after`, in the log's order.

        Raises:
            InvalidName: no session can have that name.
            UnreadableEntry, BlobMissing: a fact that this code cannot understand.
        """
        check_token(session, "session")
        async for stored in self.bus.log.read_session(session, after=after):
            for event in await read_events(self.bus, stored):
                yield event

    async def tail(self, session: str, *, after: int = 0) -> AsyncGenerator[TaskEvent, None]:
        """Every event of a session behind position `after`, and those to come, for ever. Raises as history()."""
        check_token(session, "session")
        live = await self.bus.watch_session(session)
        heard = asyncio.Event()

        async def listen() -> None:
            async for message in live:
                if message.position:
                    heard.set()

        listening = asyncio.create_task(listen())
        try:
            while True:
                heard.clear()
                async for event in self.history(session, after=after):
                    yield event
                    after = event.position
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_AGAIN):
                        await heard.wait()
        finally:
            listening.cancel()
            await live.close()

    def stream(self, session: str, *, after: int | Place = 0, until: str | None = None) -> SessionStream:
        """A session as it happens: every event of all its participants and threads, stored and to come, each once and in the
        log's order, and between them what is written right now.

        Args:
            after: a position of the log, or the `place` of a stream that was left: go on behind it. 0: from the beginning.
            until: the id of a task with whose end the stream ends; None: it goes on for ever.

        Raises:
            InvalidName: no session can have that name.
            InvalidInput: `after` is negative.
        While it is read: LogError, a fact that this code cannot understand, or the log of the thread of `until` cannot be
        trusted; BusUnreachable. Go on later, behind `place`.
        """
        return SessionStream(self.bus, self._live, check_token(session, "session"), after, until)

    async def agents(self) -> list[Announced]:
        """The participants that are live on the bus now."""
        return await self.bus.participants()

    async def close(self) -> None:
        """Stop watching and disconnect. Tasks go on."""
        await self._live.close()
        await self.bus.close()

    async def _index(self, *, participant: str | None = None, session: str | None = None) -> TaskIndex:
        index = TaskIndex()
        entries = self.bus.log.read_session(session) if session else self.bus.log.read_participant(participant or "*")
        async for stored in entries:
            await index.add(self.bus, stored)
        return index

    async def _require(self, participant: str) -> None:
        if participant in self._known:
            return
        if not await self.bus.known(participant):
            live = sorted({item.name for item in await self.bus.participants()})
            close = difflib.get_close_matches(participant, live, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise NotFound(f"no participant {participant!r} on this bus: {hint}live now: {', '.join(live) or 'none'}")
        self._known.add(participant)
