"""A participant's process: takes deliveries from its inbox and works on their threads, many at once."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable

from busagents.domain import events as e
from busagents.domain.codec import derived_id
from busagents.domain.subjects import ThreadRef
from busagents.errors import BusError, Fenced, LogError
from busagents.ports.clock import Clock
from busagents.ports.log import Bus, Delivery, Inbox
from busagents.runtime.effects import Performer
from busagents.runtime.journal import Journal, OpenThread
from busagents.runtime.status import StatusWriter
from busagents.runtime.thread_runner import Policy, ThreadRunner, finish

_log = logging.getLogger("busagents.worker")
MAX_FAILURES = 5  # deliveries after which a message that always fails is dead-lettered
_CACHE = 512  # threads kept folded


class Worker:
    """Runs one participant on a bus. `heartbeat` in seconds must be well below the inbox's ack wait."""

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        journal: Journal,
        participant: str,
        policy: Policy,
        performer: Performer,
        *,
        model: str = "",
        slots: int = 64,
        heartbeat: float = 3.0,
        status: StatusWriter | None = None,
    ) -> None:
        self._bus, self._clock, self._journal = bus, clock, journal
        self._participant, self._policy, self._performer, self._model = participant, policy, performer, model
        self._slots, self._heartbeat = slots, heartbeat
        self._status = status or StatusWriter(None)
        self._runners: dict[ThreadRef, ThreadRunner] = {}
        self._held: dict[ThreadRef, list[Delivery]] = {}
        self._cache: OrderedDict[ThreadRef, OpenThread] = OrderedDict()
        self._inbox: Inbox | None = None

    async def run(self, ready: Callable[[], None], stop: asyncio.Event) -> None:
        """Work until `stop`, then finish what is held for up to 10 s and give the rest back."""
        await self._bus.answer_owner(self._participant, self._owns)
        await self._bus.hear_stops(self._participant, self._stop_heard)
        inbox = self._inbox = await self._bus.inbox(self._participant, credits=self._slots)
        jobs: set[asyncio.Task[None]] = set()

        async def take() -> None:
            async for delivery in inbox.deliveries():
                job = asyncio.create_task(self._handle(delivery))
                jobs.add(job)
                job.add_done_callback(jobs.discard)

        taking = asyncio.create_task(take())
        beating = asyncio.create_task(self._beat())
        ready()
        await stop.wait()
        await inbox.close()
        await taking
        if jobs:
            await asyncio.wait(jobs, timeout=10)
        beating.cancel()
        for job in list(jobs):
            job.cancel()
        for delivery in [item for held in self._held.values() for item in held]:
            await delivery.nak()

    def _owns(self, ref: ThreadRef) -> bool:
        runner = self._runners.get(ref)
        if runner is None:
            return False
        runner.reread()
        return True

    def _stop_heard(self, ref: ThreadRef, body: bytes) -> None:
        runner = self._runners.get(ref)
        if runner is not None:
            runner.reread()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat)
            for held in list(self._held.values()):
                for delivery in held:
                    await delivery.in_progress()

    async def _handle(self, delivery: Delivery) -> None:
        ref = delivery.message.ref
        try:
            incoming = await self._journal.incoming(delivery.message)
            if ref in self._held:  # this process is at it
                self._held[ref].append(delivery)
                runner = self._runners.get(ref)
                if runner is not None:
                    runner.thread.offer(incoming)
                    runner.reread()
                return
            self._held[ref] = [delivery]
            task = incoming.events[0].task if incoming.events else ""
            self._status.hold(delivery.token, session=ref.session, thread=ref.thread, task=task)
            try:
                await self._work(ref, delivery)
            finally:
                self._held.pop(ref, None)
                self._runners.pop(ref, None)
                self._status.release(delivery.token)
        finally:
            if self._inbox is not None:
                self._inbox.release()

    async def _work(self, ref: ThreadRef, delivery: Delivery) -> None:
        """Answer a delivery: ack, nak with a delay, or, when another process owns the thread, neither."""
        try:
            if await self._drive(ref, delivery):
                await finish(self._held[ref])
        except Fenced:
            self._cache.pop(ref, None)
        except (LogError, BusError) as error:
            self._cache.pop(ref, None)
            _log.error("thread %s: %s", ref, error)
            await self._again_or_never(ref, delivery, str(error))
        except Exception as error:  # the worker must outlive any one thread's failure (a poison message stops its thread only)
            self._cache.pop(ref, None)
            _log.exception("thread %s failed", ref)
            await self._again_or_never(ref, delivery, f"{type(error).__name__}: {error}")

    async def _drive(self, ref: ThreadRef, delivery: Delivery) -> bool:
        """Work until the thread is idle. False: a live process elsewhere keeps it, and may not have read this yet."""
        for fresh in (False, True):
            thread = self._cache.pop(ref, None) if not fresh else None
            cached = thread is not None
            if thread is None:
                thread = await self._journal.open(ref)
            else:
                thread.offer(await self._journal.incoming(delivery.message))
            thread.read_to = max(thread.read_to, delivery.message.position if not cached else 0)
            active = thread.state.active
            if active is not None and not cached:
                window = 0.3 if delivery.deliveries > 1 else 2.0
                if await self._bus.ask_owner(ref, timeout=window):
                    return True  # it holds a delivery of its own and reads ours before it decides again
            runner = ThreadRunner(thread, self._journal, self._policy, self._performer, self._clock, self._model)
            self._runners[ref] = runner
            try:
                await runner.run(takeover=active is not None)
            except Fenced:
                self._runners.pop(ref, None)
                if cached:  # what was cached is old; nothing was started on it
                    continue
                raise
            self._remember(thread)
            return True
        return False

    def _remember(self, thread: OpenThread) -> None:
        self._cache[thread.ref] = thread
        while len(self._cache) > _CACHE:
            self._cache.popitem(last=False)

    async def _again_or_never(self, ref: ThreadRef, delivery: Delivery, why: str) -> None:
        if delivery.deliveries < MAX_FAILURES:
            await delivery.nak(min(30.0, 0.2 * 2**delivery.deliveries))
            return
        try:
            await self._dead_letter(ref, delivery, why)
        except (LogError, BusError, Fenced) as error:
            _log.error("thread %s: its failure cannot be recorded: %s", ref, error)
            return
        await delivery.term()

    async def _dead_letter(self, ref: ThreadRef, delivery: Delivery, why: str) -> None:
        """Record that the message's task failed, so that nobody waits for it and the thread's next task works."""
        from busagents.domain.thread import apply_events

        thread = await self._journal.open(ref)
        incoming = await self._journal.incoming(delivery.message)
        consumed = [incoming] if incoming.id in thread.incoming else []
        tasks = [recorded.task for recorded in incoming.events] or [derived_id("task", incoming.id)]
        if thread.state.active is not None and thread.state.active.id not in tasks:
            tasks.append(thread.state.active.id)
        text = f"given up after {delivery.deliveries} deliveries: {why}"
        records = [e.Recorded(e.TaskFailed("dead_letter", text), task) for task in tasks]
        records = [record for record in records if thread.state.finished.get(record.task) is None]
        if records or consumed:
            await self._journal.append(
                thread, consumed, records, state=apply_events(thread.state, consumed, records)
            )
