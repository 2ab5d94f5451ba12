"""A worker without a bus, a clock or a model: real deciders, fold and codec over a log that is a list of bytes.

It may crash at any point; a next process then folds the log and goes on. What its model and tools do is a script, so that
the same session can be run with and without crashes. Every effect is written down as it happens, as the outside world
would see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from busagents.domain import events as e
from busagents.domain.agent_decider import AgentPolicy, ToolPolicy
from busagents.domain.codec import VERSION, Entry, decode_entry, decode_record, encode_entry, sha256_hex, to_record
from busagents.domain.decision import CallModel, Command, RunFunction, RunTool, WaitRetry, command_key
from busagents.domain.limits import Limits
from busagents.domain.messages import ToolCallPart, Usage, assistant
from busagents.domain.state import ThreadState
from busagents.domain.thread import Incoming, apply_events, check_chain, seal

RECOVERY: tuple[e.RecoveryClass, ...] = ("at_most_once", "idempotent", "read_only")


class Crash(Exception):
    """The process dies here."""


@dataclass(frozen=True)
class ScriptedTurn:
    """What the model does in a turn: fail `failures` times, then ask for tools by recovery class, or answer if none."""

    tools: tuple[str, ...] = ()
    failures: int = 0
    text: str = "answer"


Script = dict[str, tuple[ScriptedTurn, ...]]  # task id -> its turns


@dataclass
class World:
    """The stored entries, and what was done outside: each command performed, with how many entries were stored then."""

    log: list[bytes] = field(default_factory=list)
    incoming: list[Incoming] = field(default_factory=list)
    effects: list[tuple[Command, int]] = field(default_factory=list)
    at: int = 0  # how many points where a crash may happen have been passed
    later: dict[int, Incoming] = field(default_factory=dict)  # messages that arrive at such a point

    def arrive(self) -> None:
        """What others stored by now is there to be consumed."""
        self.incoming += [self.later.pop(point) for point in sorted(self.later) if point <= self.at]


def policy(*, tool_concurrency: int = 8, limits: Limits | None = None, owner: str = "w1") -> AgentPolicy:
    """An agent with one tool per recovery class, and one that runs alone."""
    tools: dict[str, ToolPolicy] = {name: ToolPolicy(name) for name in RECOVERY}
    tools["alone"] = ToolPolicy("idempotent", sequential=True)
    return AgentPolicy(owner, "def", "test:model", limits or Limits(), {"temperature": 0}, tools, tool_concurrency)


def submitted(task: str, text: str = "do it", **fields: object) -> Incoming:
    """A task as the inbox gives it."""
    return message_to(e.TaskSubmitted(text=text, **fields), task, f"in-{task}")  # type: ignore[arg-type]


def message_to(event: e.Event, task: str, entry_id: str) -> Incoming:
    """An `in` or `stop` entry."""
    return Incoming(entry_id, event.kind, sha256_hex(entry_id.encode()), 0, (e.Recorded(event, task, entry=entry_id),))


def stored_events(log: Iterable[bytes]) -> list[e.Recorded]:
    """Every event of the thread's own entries, in order."""
    records = [record for body in log for record in decode_entry(body, where="log").events]
    return [recorded for record in records if (recorded := decode_record(record, where="log")) is not None]


def fold_entry(state: ThreadState, body: bytes, incoming: dict[str, Incoming]) -> ThreadState:
    """One stored entry applied; the messages it consumed come from `incoming`."""
    entry = decode_entry(body, where="log")
    check_chain(state, entry, where="log")
    consumed = [incoming[item.id] for item in entry.consumed]
    return seal(apply_events(state, consumed, stored_events([body])), sha256_hex(body))


def fold_log(log: Sequence[bytes], incoming: Iterable[Incoming], state: ThreadState | None = None) -> ThreadState:
    """The whole log folded, from `state` or from nothing."""
    by_id = {item.id: item for item in incoming}
    state = state if state is not None else ThreadState()
    for body in log:
        state = fold_entry(state, body, by_id)
    return state


class Process:
    """One process at work on the thread, until it is idle or crashes (`crash_at`: see World.at)."""

    def __init__(
        self, world: World, policy: AgentPolicy, script: Script, crash_at: frozenset[int], order: Callable[[int], int]
    ) -> None:
        self._world, self._policy, self._script, self._crash_at, self._order = world, policy, script, crash_at, order
        self.state = fold_log(world.log, world.incoming)

    def run(self) -> None:
        """Decide, append, perform, append, … as the runtime does."""
        records: list[e.Recorded] = []
        if self.state.active is not None:
            records += self._policy.recover(self.state)
        running: dict[tuple[str, str, int, int, str], Command] = {}
        while True:
            for command in self._settle(records):
                running.setdefault(command_key(command), command)
            active = self.state.active.id if self.state.active is not None else ""
            running = {key: command for key, command in running.items() if command.task == active}  # a cancel stops effects
            if not running:
                return
            self._point("after the append, before the effect")
            key = list(running)[self._order(len(running))]
            records = self._perform(running.pop(key))
            self._point("after the effect, before the append")

    def _settle(self, results: list[e.Recorded]) -> tuple[Command, ...]:
        consumed = [item for item in self._world.incoming if item.id not in self.state.seen]
        records = list(results)
        state = apply_events(self.state, consumed, records)
        while (decision := self._policy.decide(state)).record:
            state = apply_events(state, (), decision.record)
            records.extend(decision.record)
        if records or consumed:
            entry = Entry(
                VERSION,
                f"e{len(self._world.log)}",
                self.state.seq + 1,
                self.state.head,
                consumed=tuple(item.consumed for item in consumed),
                events=tuple(to_record(recorded) for recorded in records),
            )
            body = encode_entry(entry)
            self._point("before the append")
            self._world.log.append(body)
            self.state = seal(state, sha256_hex(body))
        return decision.perform

    def _perform(self, command: Command) -> list[e.Recorded]:
        self._world.effects.append((command, len(self._world.log)))
        match command:
            case CallModel(task, turn, attempt):
                return [e.Recorded(self._model(task, turn), task, turn, attempt)]
            case WaitRetry(task, turn, attempt, _):
                requested = e.ModelRequested(self._policy.model, self.state.seq, self.state.digest, dict(self._policy.settings))
                return [e.Recorded(requested, task, turn, attempt)]
            case RunTool(task, turn, attempt, part):
                result = e.ToolCompleted(part.call, f"{part.name} of turn {turn}")
                change = e.StateSet(part.call, turn)
                return [e.Recorded(change, task, turn, attempt), e.Recorded(result, task, turn, attempt)]
            case RunFunction():
                raise NotImplementedError("the simulated shell runs agents")

    def _model(self, task: str, turn: int) -> e.Event:
        plan = self._script[task][turn - 1]
        active = self.state.active
        assert active is not None
        assert active.model is not None
        if active.model.failures < plan.failures:
            return e.ModelFailed("overloaded", "try again", retry_in=1.0)
        calls = [ToolCallPart(f"{turn}-{index}", name) for index, name in enumerate(plan.tools)]
        return e.ModelCompleted(assistant(plan.text, calls), Usage(10, 5), "tool_calls" if calls else "stop")

    def _point(self, what: str) -> None:
        self._world.at += 1
        self._world.arrive()
        if self._world.at in self._crash_at:
            raise Crash(what)


def run_session(
    script: Script,
    *,
    crash_at: frozenset[int] = frozenset(),
    tool_concurrency: int = 8,
    later: dict[int, Incoming] | None = None,
    order: Callable[[int], int] = lambda _: 0,
) -> World:
    """All tasks of the script, submitted at once, worked on until the thread is idle; a new process after each crash.

    `order(n)` picks which of n running effects ends next; `later` are further messages, each with the point (see World.at)
    when it arrives.
    """
    world = World(incoming=[submitted(task) for task in script], later=dict(later or {}))
    world.arrive()
    for number in range(len(crash_at) + 1):
        process = Process(world, policy(tool_concurrency=tool_concurrency, owner=f"w{number}"), script, crash_at, order)
        try:
            process.run()
        except Crash:
            assert process.state == fold_log(world.log, world.incoming)
            continue
        assert process.state == fold_log(world.log, world.incoming)
        return world
    raise AssertionError("the session did not end although no crash was left")
