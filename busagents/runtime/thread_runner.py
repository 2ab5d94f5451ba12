"""Works on one thread until nothing is outstanding: decide, record, perform, record, … and only then is its message acked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from msgspec.structs import replace

from busagents.domain import events as e
from busagents.domain.agent_decider import limit_reached
from busagents.domain.decision import Command, Decision, close_calls, command_key, fail_task
from busagents.domain.outbox import Outgoing, outgoing, unconfirmed
from busagents.domain.state import ThreadState
from busagents.domain.subjects import ThreadRef
from busagents.domain.thread import UNREADABLE, Incoming, apply_events
from busagents.ports.clock import Clock
from busagents.runtime.journal import Journal, OpenThread
from busagents.runtime.outbox import Outbox
from busagents.runtime.performer import Performer

_ENTRY_EVENTS = 100  # an entry that holds so many takes no further decision: it has to stay below the server's max_payload
_STOP_GRACE = 0.5  # seconds a canceled effect may take to clean up


class Policy(Protocol):
    """What deciding needs: see AgentPolicy and FunctionPolicy."""

    def decide(self, state: ThreadState) -> Decision: ...
    def recover(self, state: ThreadState) -> tuple[e.Recorded, ...]: ...


Key = tuple[str, str, int, int, str]


class ThreadRunner:
    """The one worker of a thread in this process; to a performer, the thread's Work."""

    def __init__(
        self, thread: OpenThread, journal: Journal, outbox: Outbox, policy: Policy, performer: Performer, clock: Clock
    ) -> None:
        self.thread = thread
        self.appended = False
        self._journal = journal
        self._outbox = outbox
        self._policy = policy
        self._performer = performer
        self._clock = clock
        self._wake = asyncio.Event()
        self._reread = False
        self._draining = False
        self._more = False
        self._closed = False
        self._effects: dict[Key, asyncio.Task[list[e.Recorded]]] = {}
        self._asked: list[tuple[Sequence[e.Recorded], asyncio.Future[None]]] = []
        self._takers: dict[str, asyncio.Future[bool]] = {}
        self._outgoing: list[Outgoing] = []
        self._undelivered: list[e.Recorded] = []
        self._began = clock.monotonic()
        self._began_for = ""
        self._base_ms = 0

    @property
    def ref(self) -> ThreadRef:
        """See Work.ref."""
        return self.thread.ref

    @property
    def state(self) -> ThreadState:
        """See Work.state."""
        return self.thread.state

    def elapsed(self) -> int:
        """See Work.elapsed."""
        return self._base_ms + int((self._clock.monotonic() - self._began) * 1000)

    async def record(self, records: Sequence[e.Recorded]) -> None:
        """See Work.record. Canceled when the effect that asks was stopped before."""
        if self._closed:
            raise asyncio.CancelledError
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked.append((records, stored))
        self._wake.set()
        await stored

    def reread(self) -> None:
        """Something was stored for this thread: look at the log before deciding again."""
        self._reread = True
        self._wake.set()

    async def take(self, incoming: Incoming) -> bool:
        """Hand over a message that arrived meanwhile. True once the log says that it was consumed; False: the run ended before."""
        if incoming.id in self.state.seen:
            return True
        self.thread.offer(incoming)
        self._reread |= incoming.kind == "stop"  # what it cancels may still be on its way here
        self._wake.set()
        taken = self._takers.setdefault(incoming.id, asyncio.get_running_loop().create_future())
        return await asyncio.shield(taken)

    def drain(self) -> None:
        """Start nothing more: record what runs, then return."""
        self._draining = True
        for key, effect in self._effects.items():
            if key[0] in ("wait", "function"):  # the one is cheap to begin again, the other may never end
                effect.cancel()
        self._wake.set()

    async def run(self, *, takeover: bool, resend: int | None = None) -> bool:
        """Work until nothing is outstanding (True) or drained with work left (False).

        `takeover`: another process had the thread at work. `resend`: what the entries from that seq on tell others may not have
        been sent.

        Raises:
            Fenced: another process owns the thread; all effects of this one are stopped.
            LogError, BusError: the thread cannot go on here now; all effects are stopped.
        """
        try:
            records: list[e.Recorded] = list(self._policy.recover(self.state)) if takeover else []
            if resend is not None:
                self._outgoing += unconfirmed(self.state, resend)
                await self._deliver()
            while True:
                if self._reread:
                    self._reread = False
                    await self._journal.refresh(self.thread)
                records += await self._stop_for_cancel()
                commands = await self._settle(records)
                self._drop_stale_effects()
                await self._deliver()
                if self._more:
                    records = []
                    continue
                if self._draining and not self._effects and not self._reread:  # what was promised to be read is read
                    return self._nothing_left()
                self._start(commands)
                if not (self._effects or self._reread or self._asked or self._undelivered or self.thread.incoming):
                    return True
                records = await self._next_results()
        finally:
            self._close()

    def _nothing_left(self) -> bool:
        """Whoever drains has decided nothing of what it took in last."""
        decision = self._policy.decide(self.state)
        return not (decision.record or decision.perform or self._undelivered or self.thread.incoming)

    def _close(self) -> None:
        self._closed = True
        for effect in self._effects.values():
            effect.cancel()
        for _, stored in self._asked:
            stored.cancel()
        for taken in self._takers.values():
            if not taken.done():
                taken.set_result(False)

    def _drop_stale_effects(self) -> None:
        """Nobody waits for what still runs for a task that has ended, such as a condition of a graph that failed meanwhile."""
        active = self.state.active
        for key in [key for key in self._effects if active is None or key[1] != active.id]:
            self._effects.pop(key).cancel()

    async def _deliver(self) -> None:
        """Tell others what the stored entries say. Not under the fence: whoever goes on would tell them the same."""
        items, self._outgoing = self._outgoing, []
        if items:
            self._undelivered += await self._outbox.deliver(self.ref, items)
        if self._undelivered:
            self._wake.set()

    async def _settle(self, results: Sequence[e.Recorded]) -> tuple[Command, ...]:
        """Record results, messages, and every decision that follows from them, in one entry."""
        consumed = [item for item in self.thread.incoming.values() if item.id not in self.state.seen]
        consumed.sort(key=_position)  # a cancel comes after its task, whichever arrived first
        asked, self._asked = self._asked, []
        records = [*results, *(_refusal(item) for item in consumed if item.problem)]
        state = apply_events(self.state, consumed, records)
        for group, stored in asked:
            over = state.active is None or state.active.id != group[0].task  # what asks outlived its task
            if over or (stored.cancelled() and isinstance(group[0].event, e.ToolStarted)):  # or will not begin that step
                stored.cancel()
                continue
            state = apply_events(state, (), group)
            records.extend(group)
        decision = Decision()
        self._more = False
        while not self._draining and (decision := self._policy.decide(state)).record:
            if len(records) >= _ENTRY_EVENTS:
                self._more, decision = True, Decision()  # decided again, for the next entry
                break
            state = apply_events(state, (), decision.record)
            records.extend(decision.record)
        if records or consumed:
            self._outgoing += outgoing(self.state, records, state)
            await self._journal.append(self.thread, consumed, records, state=state)
            self.appended = True
        for _, stored in asked:
            if not stored.done():
                stored.set_result(None)
        for item in consumed:
            taken = self._takers.pop(item.id, None)
            if taken is not None and not taken.done():
                taken.set_result(True)
        return decision.perform

    def _start(self, commands: Sequence[Command]) -> None:
        task = self.state.active
        if task is not None and task.id != self._began_for:
            self._began, self._began_for, self._base_ms = self._clock.monotonic(), task.id, task.elapsed_ms
        for command in commands:
            key = command_key(command)
            if key not in self._effects:
                effect = self._effects[key] = asyncio.create_task(self._performer.perform(self, command))
                effect.add_done_callback(lambda _: self._wake.set())

    async def _next_results(self) -> list[e.Recorded]:
        """Wait for an effect's end, a message, or the task's time limit; return what ended, in the order it was started."""
        task = self.state.active
        seconds = task.limits.seconds if task is not None else None
        left = None if seconds is None else max(0.0, seconds - self.elapsed() / 1000)
        try:
            async with asyncio.timeout(left):
                await self._wake.wait()
        except TimeoutError:
            return await self._time_is_up()
        self._wake.clear()
        undelivered, self._undelivered = self._undelivered, []
        task = self.state.active  # it may have ended beside what could be given to nobody
        return [*(item for item in undelivered if task is not None and item.task == task.id), *self._harvest()]

    def _harvest(self) -> list[e.Recorded]:
        done = [key for key, effect in self._effects.items() if effect.done()]
        broken = [key for key in done if not self._effects[key].cancelled() and self._effects[key].exception() is not None]
        records: list[e.Recorded] = []
        for key in done:
            if key in broken:
                continue
            effect = self._effects.pop(key)
            if not effect.cancelled():
                records.extend(effect.result())
        if broken and not records:
            self._effects.pop(broken[0]).result()
        elif broken:  # after the results of the others are stored
            self._wake.set()
        return records

    async def _stop_effects(self) -> list[e.Recorded]:
        """Cancel what runs; keep what had finished."""
        for effect in self._effects.values():
            effect.cancel()
        if self._effects:
            await asyncio.wait(self._effects.values(), timeout=_STOP_GRACE)
        asked, self._asked = self._asked, []
        for _, stored in asked:
            stored.cancel()
        records = [item for group, _ in asked for item in group if not isinstance(item.event, e.ToolStarted)]
        records += self._harvest()
        self._effects.clear()  # what does not stop may still run; its result is recorded nowhere
        return records

    async def _stop_for_cancel(self) -> list[e.Recorded]:
        task = self.state.active
        wanted = task is not None and any(
            recorded.task == task.id and isinstance(recorded.event, e.TaskCancel)
            for incoming in self.thread.incoming.values()
            for recorded in incoming.events
        )
        return await self._stop_effects() if wanted and self._effects else []

    async def _time_is_up(self) -> list[e.Recorded]:
        records = await self._stop_effects()
        task = apply_events(self.state, (), records).active
        if task is None:
            return records
        text = f"The task reached its limit of {task.limits.seconds:g} seconds: raise Limits(seconds=…) or ask for less."
        reason, message = limit_reached(task) or ("limit_seconds", text)
        failed = replace(fail_task(task, reason, message), event=e.TaskFailed(reason, message, task.usage, self.elapsed()))
        return [*records, *close_calls(task, "the task's time was up"), failed]


def _position(incoming: Incoming) -> int:
    return incoming.position


def _refusal(incoming: Incoming) -> e.Recorded:
    return e.Recorded(e.TaskFailed(UNREADABLE, incoming.problem), incoming.refusal_task)
