"""One replica of a participant, kept running: spawn, watch, give its work back when it dies, start it again."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

from busagents.errors import BusAgentsError
from busagents.runtime.supervisor.process import ChildProcess
from busagents.runtime.supervisor.restart_policy import RestartPolicy
from busagents.runtime.supervisor.warm_parent import WarmParent

State = Literal["starting", "ready", "restarting", "crash-loop", "failed", "stopping", "stopped"]

_GIVE_BACK_TIMEOUT = 5.0


class Participant(msgspec.Struct, frozen=True):
    """A participant as discovery found it. `ref` says where it is defined: `path/to/file.py:name` or `module:name`."""

    ref: str
    name: str
    kind: str = "agent"
    description: str = ""
    replicas: int = 1


class Surroundings(msgspec.Struct, frozen=True):
    """What every replica needs of the supervisor.

    `target` ("module:function") is what a child calls with `payload` and its own ref, name and replica number.
    `give_back` returns the deliveries with these tokens to the bus. `emit` gets (label, line) of whatever is printed.
    """

    warm: WarmParent
    target: str
    payload: dict[str, Any]
    give_back: Callable[[list[str]], Awaitable[None]]
    emit: Callable[[str, str], None]
    on_line: Callable[[str, str], None]


class Replica:
    """Replica number `number` (from 0) of a participant. `run()` is its life; `settled` is set once its start is decided."""

    def __init__(self, participant: Participant, number: int, around: Surroundings) -> None:
        self.participant = participant
        self.number = number
        self.label = participant.name if number == 0 else f"{participant.name}.{number}"
        self.state: State = "starting"
        self.restarts = 0
        self.failure = ""  # why it is in state failed or crash-loop
        self.settled = asyncio.Event()
        self._around = around
        self._policy = RestartPolicy()
        self._child: ChildProcess | None = None
        self._stop = asyncio.Event()
        self._returning: set[asyncio.Task[None]] = set()

    @property
    def child(self) -> ChildProcess | None:
        """The process while it runs."""
        child = self._child
        return child if child is not None and not child.exited.done() else None

    @property
    def at(self) -> str:
        """The URL that its process serves, if it said one."""
        return self.child.at if self.child else ""

    def row(self) -> dict[str, Any]:
        """What `ps` shows of it."""
        child = self.child
        work = child.working_on() if child else []
        return {
            "name": self.participant.name,
            "replica": self.number,
            "pid": child.pid if child else None,
            "state": self.state,
            "failure": self.failure,
            "restarts": self.restarts,
            "working_on": [{"session": hold.session, "thread": hold.thread, "task": hold.task} for hold in work],
        }

    async def run(self) -> None:
        """Keep one process running until stop() or until a restart would not help."""
        try:
            while not self._stop.is_set():
                delay = await self._one_life()
                if delay is None:
                    break
                self.restarts += 1
                self.state = "restarting"
                await self._stopped_within(delay)
            if self._stop.is_set():
                self.state = "stopped"
            await asyncio.gather(*self._returning)
        except BusAgentsError as error:  # no process can be started at all
            self.failure = str(error)
            self.state = "stopped" if self._stop.is_set() else "failed"
        finally:
            self.settled.set()

    async def stop(self, timeout: float) -> None:
        """Ask the process to drain (SIGTERM) and wait; kill it after `timeout` seconds. It is not started again."""
        self._stop.set()
        child = self.child
        if child is None:
            return
        self.state = "stopping"
        await self._around.warm.signal(child, signal.SIGTERM)
        done, _ = await asyncio.wait({child.exited}, timeout=timeout)
        if not done:
            self._around.emit(self.label, f"did not stop within {timeout:g} s: killed; its work goes to others")
            await self._around.warm.signal(child, signal.SIGKILL)
            await asyncio.wait({child.exited})

    async def _one_life(self) -> float | None:
        """From spawn to death. Returns the seconds until the next start, None when there is none."""
        self._policy.started(time.monotonic())
        self.state = "starting"
        payload = {
            **self._around.payload,
            "ref": self.participant.ref,
            "name": self.participant.name,
            "replica": self.number,
        }
        child = self._child = await self._around.warm.spawn(
            self.label, self._around.target, payload, on_line=lambda line: self._around.on_line(self.label, line)
        )
        if self._stop.is_set():  # asked to stop while the fork was under way: stop() saw no process yet
            await self._around.warm.signal(child, signal.SIGTERM)
        became_ready = asyncio.ensure_future(self._await_ready(child))
        status = await asyncio.shield(child.exited)
        became_ready.cancel()
        self._give_back(child)
        if self._stop.is_set():
            return None
        return self._after_crash(child, status)

    async def _await_ready(self, child: ChildProcess) -> None:
        await child.ready.wait()
        if child.failed:
            self.failure = child.failed
            self.state = "failed"
        elif not self._stop.is_set():
            self.state = "ready"
        self.settled.set()

    def _give_back(self, child: ChildProcess) -> None:
        """Return what the dead process held, beside the restart: neither waits for the other."""
        tokens = [hold.hold for hold in child.working_on()]
        if not tokens:
            return
        task = asyncio.ensure_future(self._return_work(tokens))
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)

    async def _return_work(self, tokens: list[str]) -> None:
        try:
            async with asyncio.timeout(_GIVE_BACK_TIMEOUT):
                await self._around.give_back(tokens)
        except Exception as error:  # noqa: BLE001 - whatever the bus raises: redelivery after ack_wait does the same, later
            self._around.emit(self.label, f"its {len(tokens)} deliveries wait for redelivery: {error or type(error).__name__}")

    def _after_crash(self, child: ChildProcess, status: int) -> float | None:
        how = f"exit status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"
        if child.failed:
            self.failure = child.failed
            self.state = "failed"
            self._around.emit(self.label, f"cannot start: {child.failed}")
            return None
        delay = self._policy.crashed(time.monotonic())
        if delay is None:
            self.failure = f"crash loop, last end by {how}"
            self.state = "crash-loop"
            self._around.emit(self.label, f"ended by {how} five times within a minute: given up. Its last lines:")
            for line in child.tail:
                self._around.emit(self.label, f"  {line}")
            return None
        self._around.emit(self.label, f"ended by {how}: starts again " + (f"in {delay:g} s" if delay else "now"))
        return delay

    async def _stopped_within(self, delay: float) -> None:
        try:
            async with asyncio.timeout(delay):
                await self._stop.wait()
        except TimeoutError:
            return
