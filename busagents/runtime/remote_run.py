"""One run of a remote agent's task, from where the log says it stands: send, follow, and say what became of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import msgspec
from msgspec.structs import replace

from busagents.domain import events as e
from busagents.domain.remote_agent import RemoteAgent
from busagents.domain.remote_decider import SEND, Link, answered, link_of, own_context, sends
from busagents.domain.state import Task
from busagents.domain.storable_text import storable
from busagents.ports.remote import (
    Outbound,
    RemoteError,
    RemoteLost,
    RemotePeer,
    RemoteRefused,
    RemoteStatus,
    RemoteTask,
    RemoteUnreachable,
    RemoteUnsupported,
    RemoteUpdate,
)
from busagents.runtime import failpoints
from busagents.runtime.performer import Delta, Show, Work
from busagents.runtime.remote_message import outbound_message
from busagents.runtime.remote_outcome import RemoteFailed, failure, outcome
from busagents.runtime.remote_patience import Patience
from busagents.runtime.remote_search import delivered, search
from busagents.runtime.remote_view import RemoteView

_POLLS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between looks at a task that does not stream
_STALE = 8  # looks at a task that still stands where it asked what was answered; then it asks again
_RESENDS = 3
_STOP_PATIENCE = 8.0  # seconds in which a message that was sent may still be answered when this process is to end
_LAST_WORD = 0.4  # seconds in which a remote is told that the time is up


class RemoteRun:
    """See RemotePerformer. `peer` gives the remote as its card says now."""

    def __init__(self, work: Work, task: Task, agent: RemoteAgent, peer: Callable[[], Awaitable[RemotePeer]], show: Show) -> None:
        self._work, self._task, self._agent, self._peer, self._show = work, task, agent, peer, show
        self._link = link_of(work.state)
        self._view = RemoteView(self._link.asked)
        self._updates: AsyncGenerator[RemoteUpdate] | None = None
        self._open: str | None = None  # the message whose answer is not recorded
        self._pending: list[e.Event] = []  # to be recorded together with the end
        self._shown = 0
        self._patience = Patience(agent.give_up_after)

    async def advance(self) -> list[e.Recorded]:
        """Send what is to be sent, then follow the remote task to where it ends or asks."""
        try:
            return self._facts(*await self._advance())
        except _Stopped:  # the answer came while this process is to end: another one goes on
            return self._facts(*self._pending, *(self._outcome() if self._view.settled else ()))
        except RemoteFailed as failed:
            return self._facts(*failed.events)
        except RemoteError as error:
            return self._facts(*failure(self._task, error, self._open, self._work.elapsed()))
        except asyncio.CancelledError:
            await self._time_is_up()
            raise
        finally:
            if self._updates is not None:
                await self._updates.aclose()

    async def _advance(self) -> list[e.Event]:
        sent = sends(self._task)
        if sent and sent[-1].status != "done":
            await self._find(self._outbound(len(sent) - 1))
        elif not sent or answered(self._work.ref, self._task) is not None:
            await self._send(self._outbound(len(sent)))
        await self._follow()
        return [*self._pending, *self._outcome()]

    def _outcome(self) -> list[e.Event]:
        task = self._work.state.active or self._task
        return outcome(self._work.ref, task, self._link, self._view, self._work.elapsed())

    def _outbound(self, number: int) -> Outbound:
        return outbound_message(self._work.ref, self._task, self._link, number)

    async def _send(self, outbound: Outbound) -> None:
        """Record the intent, then send until the remote says what it made of it."""
        peer = await self._reach()
        self._open = outbound.id
        await self._record(e.ToolStarted(outbound.id, SEND, self._agent.recovery), attempt=1)
        await self._deliver(peer, outbound)

    async def _deliver(self, peer: RemotePeer, outbound: Outbound, resends: int = 0) -> None:
        proposed = not outbound.context and not outbound.task and peer.lists
        streams = peer.streams
        while True:
            sent = replace(outbound, context=own_context(self._work.ref)) if proposed else outbound
            try:
                return await self._accept(outbound, await self._first(peer, sent, streams))
            except RemoteUnreachable as error:
                await self._patience.wait(error)
            except RemoteUnsupported:
                if outbound.task and await self._went_on(peer, outbound):
                    return None
                if not streams:
                    raise
                streams = False  # its card promised too much
            except RemoteRefused as error:
                if outbound.task and await self._went_on(peer, outbound):
                    return None
                if not (proposed and error.bad_request):
                    raise
                proposed = False  # it wants to name contexts itself
            except RemoteLost as error:
                return await self._find(outbound, str(error), resends)

    async def _first(self, peer: RemotePeer, outbound: Outbound, streams: bool) -> RemoteUpdate:
        """Send, and wait for the first thing the remote says. A stop of this process is put off: an answer that came is kept."""
        if failpoints.armed():
            failpoints.hit("tool:before")
        if streams:
            self._updates = peer.stream(outbound)
            first = asyncio.ensure_future(_next(self._updates))
        else:
            first = asyncio.ensure_future(peer.send(outbound))
        try:
            update = await asyncio.shield(first)
        except asyncio.CancelledError:
            await asyncio.wait({first}, timeout=_STOP_PATIENCE)
            if not first.done() or first.cancelled() or first.exception() is not None:
                first.cancel()
                raise
            self._take(first.result())
            self._keep(outbound.id)
            await self._cancel_late(peer)
            raise _Stopped from None
        if failpoints.armed():
            failpoints.hit("tool:after")
        return update

    async def _accept(self, outbound: Outbound, update: RemoteUpdate) -> None:
        """Record what the remote made of a message. With the end, if it answered at once: it is one fact then."""
        self._patience.fresh()
        self._take(update)
        self._keep(outbound.id)
        if not self._view.settled:
            events, self._pending = self._pending, []
            await self._record(*events)
            self._open = None

    def _keep(self, call: str) -> None:
        link = self._link
        self._link = Link(self._view.context or link.context, self._task.id, self._view.task or link.remote, link.asked)
        content = msgspec.json.encode({"taskId": self._link.remote, "contextId": self._link.context}).decode()
        self._pending = [self._link.set(), e.ToolCompleted(call, content, self._work.elapsed())]

    async def _find(self, outbound: Outbound, why: str = "the process that sent it ended", resends: int = 0) -> None:
        """A message was sent and its answer is not known: look for what became of it, before anything is sent again."""
        self._open = outbound.id
        peer = await self._reach()
        found = await search(peer, self._work.ref, outbound, self._link, self._patience)
        if isinstance(found, RemoteTask):
            return await self._accept(outbound, found)
        again = found == "not received" or self._agent.recovery != "at_most_once"
        if again and resends < _RESENDS:
            call = next(item for item in sends(self._work.state.active or self._task) if item.part.call == outbound.id)
            await self._record(e.ToolStarted(outbound.id, SEND, self._agent.recovery), attempt=call.attempt + 1)
            return await self._deliver(peer, outbound, resends + 1)
        text = (
            f"{self._work.ref.participant} may have got this task, and what became of it is not known ({why}). It was not sent "
            "again: check with the remote before you do, or declare it idempotent=True if it knows a message by its id"
        )
        unknown = e.ToolUnknown(outbound.id, why)
        raise RemoteFailed(unknown, e.TaskFailed("outcome_unknown", storable(text), self._task.usage, self._work.elapsed()))

    async def _went_on(self, peer: RemotePeer, outbound: Outbound) -> bool:
        """It took no answer, since its task went on or ended by itself."""
        with contextlib.suppress(RemoteError):
            found = await peer.get(outbound.task)
            if not delivered(found, outbound, self._link):
                return False
            text = "the remote agent took no answer: its task had gone on"
            await self._record(e.ToolFailed(outbound.id, "error", text, self._work.elapsed()))
            self._open = None
            self._take(found)
            return True
        return False

    async def _follow(self) -> None:
        """Watch the remote task until nothing more comes by itself."""
        looks = stale = 0
        subscribes, begins = True, False
        while not self._view.settled:
            try:
                if await self._drain(begins):
                    looks = 0
                if self._view.settled:
                    break
                peer = await self._peer()
                self._take(await peer.get(self._link.remote))
                self._patience.fresh()
                stale += self._view.stale
                if stale >= _STALE:
                    self._view.asks_again()
                if self._view.settled:
                    break
                await asyncio.sleep(_POLLS[min(looks, len(_POLLS) - 1)])
                looks += 1
                if peer.streams and subscribes:
                    self._updates, begins = peer.subscribe(self._link.remote), True
            except RemoteUnsupported:
                subscribes = False
            except RemoteRefused as error:
                if not error.internal:
                    raise
                await self._patience.wait(error)
            except (RemoteLost, RemoteUnreachable) as error:
                await self._patience.wait(error)
        if self._view.ended and not self._view.whole:
            with contextlib.suppress(RemoteError):  # what was seen of it is good enough then
                self._take(await (await self._peer()).get(self._link.remote))

    async def _drain(self, begins: bool) -> bool:
        """Take in what the open stream says until it ends. True if it said something. One that begins here and not with the task
        itself (0.3) may have missed something.
        """
        updates, self._updates = self._updates, None
        if updates is None:
            return False
        said = False
        async with aclosing(updates):
            async for update in updates:
                self._view.whole &= said or not begins or isinstance(update, RemoteTask)
                said = True
                self._take(update)
                if self._view.settled:
                    break
        return said

    async def _reach(self) -> RemotePeer:
        """The remote, as soon as it is there."""
        while True:
            try:
                return await self._peer()
            except (RemoteUnreachable, RemoteLost) as error:
                await self._patience.wait(error)

    def _take(self, update: RemoteUpdate) -> None:
        """Take an update in, and show what is new in it."""
        text = storable(self._view.apply(update))
        if text:
            self._show(self._work.ref, Delta(self._task.id, 0, self._task.attempt, text, self._shown))
            self._shown += len(text)
        elif isinstance(update, RemoteStatus) and update.state == "working" and update.message is not None:
            progress = storable(update.message.text)
            self._show(self._work.ref, Delta(self._task.id, 0, self._task.attempt, progress=progress))

    async def _time_is_up(self) -> None:
        """Tell the remote, if its task ends here because its time is up."""
        seconds = self._task.limits.seconds
        if seconds is None or self._work.elapsed() < seconds * 1000 or not self._link.remote:
            return
        with contextlib.suppress(RemoteError, TimeoutError):
            async with asyncio.timeout(_LAST_WORD):
                await (await self._peer()).cancel(self._link.remote)

    async def _cancel_late(self, peer: RemotePeer) -> None:
        """The remote has just told its task, and the one here was canceled meanwhile: nobody else may learn which it is."""
        active = self._work.state.active
        if active is None or active.id != self._task.id or active.cancel is not None:
            with contextlib.suppress(RemoteError):
                await peer.cancel(self._view.task)

    async def _record(self, *events: e.Event, attempt: int | None = None) -> None:
        await self._work.record(self._facts(*events, attempt=attempt))

    def _facts(self, *events: e.Event, attempt: int | None = None) -> list[e.Recorded]:
        return [e.Recorded(event, self._task.id, 0, attempt or self._task.attempt) for event in events]


class _Stopped(Exception):
    """What is pending is all there is to record."""


async def _next(updates: AsyncGenerator[RemoteUpdate]) -> RemoteUpdate:
    async for update in updates:
        return update
    raise RemoteLost("the stream ended before anything came")
