"""Works on one thread until nothing is outstanding: decide, record, perform, record, … and only then ack."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from busagents.domain import events as e
from busagents.domain.agent_decider import limit_reached
from busagents.domain.codec import derived_id
from busagents.domain.decision import Command, Decision, cancel_task, command_key, fail_task, recover
from busagents.domain.state import ThreadState
from busagents.domain.thread import Incoming, apply_events
from busagents.ports.clock import Clock
from busagents.ports.log import Delivery
from busagents.runtime import failpoints
from busagents.runtime.effects import Performer
from busagents.runtime.journal import Journal, OpenThread


class Policy(Protocol):
    """What deciding needs: see AgentPolicy and FunctionPolicy."""

    @property
    def owner(self) -> str: ...
    @property
    def definition(self) -> str: ...
    def decide(self, state: ThreadState) -> Decision: ...


Key = tuple[str, str, int, int, str]


class ThreadRunner:
    """The one worker of a thread in this process."""

    def __init__(self, thread: OpenThread, journal: Journal, policy: Policy, performer: Performer, clock: Clock, model: str) -> None:
        self.thread = thread
        self._journal = journal
        self._policy = policy
        self._performer = performer
        self._clock = clock
        self._model = model
        self._wake = asyncio.Event()
        self._reread = False
        self._effects: dict[Key, asyncio.Task[list[e.Recorded]]] = {}
        self._began = clock.monotonic()
        self._began_for = ""
        self._base_ms = 0

    def reread(self) -> None:
        """Something was stored for this thread: look at the log before deciding again."""
        self._reread = True
        self._wake.set()

    async def run(self, *, takeover: bool) -> None:
        """Work until the thread is idle.

        Raises:
            Fenced: another process owns the thread; all effects of this one are stopped.
            LogError, BusError: the thread cannot go on here now; all effects are stopped.
        """
        try:
            records: list[e.Recorded] = []
            if takeover:
                records += recover(self.thread.state, owner=self._policy.owner, definition=self._policy.definition, model=self._model)
            while True:
                if self._reread:
                    self._reread = False
                    await self._journal.refresh(self.thread)
                records += await self._stop_for_cancel()
                commands = await self._settle(records)
                self._start(commands)
                if not self._effects and not self._reread and not self.thread.incoming:
                    return
                records = await self._next_results()
        finally:
            for effect in self._effects.values():
                effect.cancel()

    async def _settle(self, results: Sequence[e.Recorded]) -> tuple[Command, ...]:
        """Record results, messages, and every decision that follows from them, in one entry."""
        consumed = [item for item in self.thread.incoming.values() if item.id not in self.thread.state.seen]
        records = [*results, *(_refusal(item) for item in consumed if item.problem)]
        state = apply_events(self.thread.state, consumed, records)
        while (decision := self._policy.decide(state)).record:
            state = apply_events(state, (), decision.record)
            records.extend(decision.record)
        if records or consumed:
            await self._journal.append(self.thread, consumed, records, state=state)
        return decision.perform

    def _start(self, commands: Sequence[Command]) -> None:
        task = self.thread.state.active
        if task is not None and task.id != self._began_for:
            self._began, self._began_for, self._base_ms = self._clock.monotonic(), task.id, task.elapsed_ms
        for command in commands:
            key = command_key(command)
            if key not in self._effects:
                work = self._performer.perform(self.thread.ref, self.thread.state, command, self._elapsed)
                self._effects[key] = asyncio.create_task(work)
                self._effects[key].add_done_callback(lambda _: self._wake.set())

    def _elapsed(self) -> int:
        return self._base_ms + int((self._clock.monotonic() - self._began) * 1000)

    async def _next_results(self) -> list[e.Recorded]:
        """Wait for an effect's end, a message, or the task's time limit; return what ended, in the order it was started."""
        task = self.thread.state.active
        seconds = task.limits.seconds if task is not None else None
        left = None if seconds is None else max(0.0, seconds - self._elapsed() / 1000)
        try:
            async with asyncio.timeout(left):
                await self._wake.wait()
        except TimeoutError:
            return await self._time_is_up()
        self._wake.clear()
        return self._harvest()

    def _harvest(self) -> list[e.Recorded]:
        records: list[e.Recorded] = []
        for key in [key for key, effect in self._effects.items() if effect.done()]:
            effect = self._effects.pop(key)
            if not effect.cancelled():
                records.extend(effect.result())
        return records

    async def _stop_effects(self) -> list[e.Recorded]:
        """Cancel what runs; keep what had finished."""
        for effect in self._effects.values():
            effect.cancel()
        if self._effects:
            await asyncio.wait(self._effects.values(), timeout=0.5)
        records = self._harvest()
        self._effects.clear()  # a thread that cannot be stopped may still run; its result is recorded nowhere
        return records

    async def _stop_for_cancel(self) -> list[e.Recorded]:
        task = self.thread.state.active
        wanted = task is not None and any(
            recorded.task == task.id and isinstance(recorded.event, e.TaskCancel)
            for incoming in self.thread.incoming.values()
            for recorded in incoming.events
        )
        return await self._stop_effects() if wanted and self._effects else []

    async def _time_is_up(self) -> list[e.Recorded]:
        records = await self._stop_effects()
        state = apply_events(self.thread.state, (), records)
        task = state.active
        if task is None:
            return records
        reason, message = limit_reached(task) or ("limit_seconds", f"The task reached its limit of {task.limits.seconds:g} seconds.")
        closing = cancel_task(task).record[:-1]
        return [*records, *closing, fail_task(task, reason, message)]


def _refusal(incoming: Incoming) -> e.Recorded:
    return e.Recorded(e.TaskFailed("unreadable", incoming.problem), derived_id("task", incoming.id))


async def finish(deliveries: Sequence[Delivery]) -> None:
    """Ack last: every event that answers these deliveries is stored."""
    if failpoints.armed():
        failpoints.hit("before:ack")
    for delivery in deliveries:
        await delivery.ack()
