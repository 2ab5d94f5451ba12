"""A participant's process: takes deliveries from its inbox and works on their threads, many at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

from busagents.domain.codec import derived_id
from busagents.domain.outbox import unconfirmed
from busagents.domain.storable_text import told
from busagents.domain.subjects import ThreadRef
from busagents.errors import BusError, Fenced, LogError
from busagents.ports.clock import Clock
from busagents.ports.log import Bus, Delivery
from busagents.runtime import failpoints
from busagents.runtime.dead_letter import MAX_FAILURES, MAX_UNSTARTED, record_dead_letter
from busagents.runtime.failure_count import FailureCount
from busagents.runtime.job import Job, Verdict, consumed_at, still_waits, wait_before
from busagents.runtime.journal import Journal, OpenThread
from busagents.runtime.live_feed import LiveMessageBody, Refusal
from busagents.runtime.outbox import Outbox
from busagents.runtime.performer import Performer
from busagents.runtime.status import StatusWriter
from busagents.runtime.thread_cache import ThreadCache
from busagents.runtime.thread_runner import Policy, ThreadRunner

_log = logging.getLogger("busagents.worker")
_DRAIN_GRACE = 10.0  # seconds in which a running model call or tool may end before it is stopped
_OWNER_WINDOW = 2.0  # seconds a live owner has to answer
_OWNER_WINDOW_REDELIVERED = 0.3  # the message was held by a process that is dead, or silent for the ack wait
_STOP_LOOKS = (0.0, 0.1, 0.5)  # seconds after a cancel was heard at which the log is read: it is heard before it is stored
_OPENINGS = 3  # a thread that was fenced before it began is looked at anew


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
        slots: int = 64,
        heartbeat: float = 3.0,
        status: StatusWriter | None = None,
    ) -> None:
        self._bus, self._clock, self._journal = bus, clock, journal
        self._outbox = Outbox(bus)
        self._participant, self._policy, self._performer = participant, policy, performer
        self._slots, self._heartbeat = slots, heartbeat
        self._status = status or StatusWriter(None)
        self._jobs: dict[ThreadRef, Job] = {}
        self._held: set[Delivery] = set()
        self._failures = FailureCount()
        self._stop = asyncio.Event()
        self._cache = ThreadCache()
        self._stopping = False

    async def run(self, ready: Callable[[], None], stop: asyncio.Event) -> None:
        """Work until `stop`; then record what runs, start nothing more, and give back what is unfinished."""
        self._stop = stop
        await self._bus.answer_owner(self._participant, self._owns)
        await self._bus.hear_stops(self._participant, self._stop_heard)
        inbox = await self._bus.inbox(self._participant, credits=self._slots)
        handling: set[asyncio.Task[None]] = set()

        def finished(task: asyncio.Task[None]) -> None:
            handling.discard(task)
            inbox.release()

        async def take() -> None:
            async for delivery in inbox.deliveries():
                task = asyncio.create_task(self._handle(delivery))
                handling.add(task)
                task.add_done_callback(finished)

        taking = asyncio.create_task(take())
        beating = asyncio.create_task(self._beat())
        for loop in (taking, beating):
            loop.add_done_callback(lambda _: stop.set())
        ready()
        await stop.wait()
        self._stopping = True
        for loop in (taking, beating):
            if loop.done():  # a process that takes nothing, or loses what it holds, must not look alive
                loop.result()
        await inbox.close()
        await taking
        for job in self._jobs.values():
            if job.runner is not None:
                job.runner.drain()
        if handling:
            _, late = await asyncio.wait(handling, timeout=_DRAIN_GRACE)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        beating.cancel()

    def _owns(self, ref: ThreadRef) -> bool:
        job = self._jobs.get(ref)
        if job is None or job.runner is None:
            return False
        job.runner.reread()
        return True

    def _stop_heard(self, ref: ThreadRef, body: bytes) -> None:
        for delay in _STOP_LOOKS:
            asyncio.get_running_loop().call_later(delay, self._owns, ref)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat)
            for delivery in list(self._held):
                await delivery.in_progress()

    async def _handle(self, delivery: Delivery) -> None:
        ref = delivery.message.ref
        self._held.add(delivery)
        try:
            while (job := self._jobs.get(ref)) is not None:  # this process is at it
                await job.opened.wait()
                if job.runner is not None:
                    await self._join(job.runner, delivery)
                    return
                await job.over.wait()
            await self._own(Job(delivery))
        except asyncio.CancelledError:
            await delivery.nak()
            raise
        except Exception as error:  # noqa: BLE001 - of the bus or a defect of ours: the message comes again
            _log.error("thread %s: %s", ref, told(error), exc_info=not isinstance(error, BusError))
            await delivery.nak(wait_before(delivery.deliveries))
        finally:
            self._held.discard(delivery)

    async def _join(self, runner: ThreadRunner, delivery: Delivery) -> None:
        """A thread's second message: done with as soon as the log says so, since the first one is still held."""
        taken = await runner.take(await self._journal.incoming(delivery.message))
        if taken and await self._told_again(runner.thread, delivery):
            if failpoints.armed():
                failpoints.passage("before:ack")
            await delivery.ack()
        else:
            await delivery.nak(wait_before(delivery.deliveries) if taken else 0.0)

    async def _told_again(self, thread: OpenThread, delivery: Delivery) -> bool:
        """What the thread told others when it took the message may have died with who held it then, and who owns the thread now
        does not know. False if a task could be given to nobody: only an owner can record that.
        """
        since = consumed_at(thread, delivery)
        if delivery.deliveries == 1 or since is None:
            return True
        return not await self._outbox.deliver(thread.ref, unconfirmed(thread.state, since))

    async def _own(self, job: Job) -> None:
        ref, delivery = job.delivery.message.ref, job.delivery
        self._jobs[ref] = job
        task = derived_id("task", delivery.message.entry_id) if delivery.message.entry_id else ""
        self._status.hold(delivery.token, session=ref.session, thread=ref.thread, task=task)
        tries = 0
        try:
            # The bus's troubles are not the message's: it is held, so that its deliveries count processes that ended.
            while (verdict := await self._work(job, again=tries > 0)) == "bus away":
                tries += 1
                if await self._stops_within(wait_before(tries)):
                    verdict = "handed on"
                    break
        finally:
            del self._jobs[ref]  # before the ack: what arrives from here on begins a run of its own
            job.opened.set()
            job.over.set()
        await self._tell(delivery, verdict)
        self._status.release(delivery.token)

    async def _tell(self, delivery: Delivery, verdict: Verdict) -> None:
        """Ack last: every event that answers the delivery is stored."""
        match verdict:
            case "answered":
                if failpoints.armed():
                    failpoints.passage("before:ack")
                await delivery.ack()
            case "given up":
                await delivery.term()
            case "handed on":
                await delivery.nak()
            case "later":
                await delivery.nak(wait_before(delivery.deliveries + 1))
            case "fenced" | "bus away":  # another process goes on
                return

    async def _stops_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return False
        return True

    async def _work(self, job: Job, *, again: bool) -> Verdict:
        delivery = job.delivery
        ref = delivery.message.ref
        try:
            verdict = await self._drive(job, again=again)
            self._failures.forget(delivery.message.position)
            return verdict
        except Fenced as error:
            _log.info("thread %s: %s", ref, error)
            return "fenced" if job.appended else "later"  # who never began has not lost the thread to anybody
        except LogError as error:  # the thread waits for an operator, or a newer version; whoever watches is told
            _log.error("thread %s: %s", ref, error)
            notice = LiveMessageBody(refused=Refusal(type(error).__name__, str(error)))
            await self._bus.publish_live(ref, msgspec.json.encode(notice))
            return "later"
        except BusError as error:  # not the message's fault: it waits until the bus is back
            _log.error("thread %s: %s", ref, error)
            return "bus away"
        except Exception as error:  # noqa: BLE001 - a poison message stops its own thread only, whatever it raises
            failures = self._failures.add(delivery.message.position)
            _log.exception("thread %s failed (%d of %d)", ref, failures, MAX_FAILURES)
            if failures < MAX_FAILURES:
                return "later"
            self._failures.forget(delivery.message.position)
            return await self._give_up(delivery, told(error))

    async def _drive(self, job: Job, *, again: bool) -> Verdict:
        """Work on the thread until it is idle, unless a live process elsewhere has it."""
        delivery = job.delivery
        thread = await self._known(delivery, again=again)
        for left in reversed(range(_OPENINGS)):
            parked = self._parked(thread)
            if delivery.deliveries > MAX_UNSTARTED and parked and still_waits(thread, delivery):
                return await self._give_up(delivery, "each process that received it ended before it could begin")
            takeover = not parked
            if takeover and await self._owner_answers(delivery):  # it reads ours before it decides again
                return "answered" if await self._told_again(thread, delivery) else "later"
            try:
                resend = consumed_at(thread, delivery) if delivery.deliveries > 1 or again else None
                return await self._run(job, thread, takeover=takeover, resend=resend)
            except Fenced:
                if not left or job.appended:
                    raise
                await self._journal.catch_up(thread)  # what we knew was old, and nothing was started on it
        raise AssertionError("unreachable: the last opening returns or raises")

    async def _known(self, delivery: Delivery, *, again: bool) -> OpenThread:
        """The thread as far as this process knows it. On a first delivery that may be nothing: most threads are new then, and
        the fence on the first append tells whether this one is. A cancel needs the task, which may wait with another process.
        """
        thread = self._cache.take(delivery.message.ref)
        if thread is None and (delivery.deliveries > 1 or again):
            return await self._journal.open(delivery.message.ref)
        thread = thread or OpenThread(delivery.message.ref)
        if delivery.message.kind == "stop":
            await self._journal.catch_up(thread)
        thread.offer(await self._journal.incoming(delivery.message))
        return thread

    async def _owner_answers(self, delivery: Delivery) -> bool:
        seconds = _OWNER_WINDOW if delivery.deliveries == 1 else _OWNER_WINDOW_REDELIVERED
        return await self._bus.ask_owner(delivery.message.ref, timeout=seconds)

    def _parked(self, thread: OpenThread) -> bool:
        """Nobody is at work on the thread, though its task may wait for others: whoever gets the message goes on at once."""
        if thread.state.active is None:
            return True
        decision = self._policy.decide(thread.state)
        return not decision.record and not decision.perform

    async def _run(self, job: Job, thread: OpenThread, *, takeover: bool, resend: int | None) -> Verdict:
        runner = job.runner = ThreadRunner(thread, self._journal, self._outbox, self._policy, self._performer, self._clock)
        if takeover:
            runner.reread()  # what was stored while the old owner was asked
        if self._stopping:
            runner.drain()
        job.opened.set()
        try:
            idle = await runner.run(takeover=takeover, resend=resend)
        finally:  # before anything else runs: what arrives from here on waits for the next run, or begins one
            job.appended |= runner.appended
            job.runner = None
            job.opened.clear()
        if not idle:
            return "handed on"
        self._cache.keep(thread)
        return "answered"

    async def _give_up(self, delivery: Delivery, why: str) -> Verdict:
        try:
            idle = await record_dead_letter(self._journal, self._outbox, delivery, why)
        except (LogError, BusError, Fenced) as error:
            _log.error("thread %s: its failure cannot be recorded: %s", delivery.message.ref, error)
            return "later"
        return "given up" if idle else "handed on"  # what is queued behind it has no other delivery
