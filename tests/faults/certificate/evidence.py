"""What a run left behind, in the log and in the outside world, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from busagents.domain import events as e
from busagents.runtime.client.task_event import TaskEvent
from tests.faults.certificate.system import ONCE


def read_lines(file: Path) -> list[str]:
    """The lines of a file that may not exist."""
    return file.read_text().splitlines() if file.exists() else []


class Evidence(NamedTuple):
    """`effects` are the distinct effects, `repeated` the completed calls that were made again, `twice` the effects of tools that
    must not run twice but did; `unknown` counts the calls whose outcome the log calls unknown, `turns` the model calls that ended.
    """

    answer: str
    effects: frozenset[str]
    repeated: list[str]
    twice: list[str]
    unknown: int
    turns: int

    @classmethod
    def gathered(cls, answer: str, events: Sequence[TaskEvent], effects: Sequence[str], calls: Sequence[str]) -> Evidence:
        """From the log's events, and the lines of the outside world: see system."""
        runs = [line.split() for line in effects]  # participant, tool:what, idempotency key, attempt
        times = Counter((participant, act) for participant, act, _, _ in runs)
        twice = [f"{participant} {act}" for (participant, act), n in times.items() if n > 1 and act.split(":")[0] in ONCE]
        again = [key for key, n in Counter((key, attempt) for _, _, key, attempt in runs).items() if n > 1]
        return cls(
            answer,
            frozenset(f"{participant} {act}" for participant, act in times),
            [*_made_again(events), *_called_again(events, calls), *(f"the tool run {key} of attempt {n}" for key, n in again)],
            twice,
            sum(isinstance(event.event, e.ToolUnknown) for event in events),
            sum(isinstance(event.event, e.ModelCompleted) for event in events),
        )


def _made_again(events: Sequence[TaskEvent]) -> list[str]:
    """Calls that the log begins again behind their completion."""
    done: set[tuple[str, int, str]] = set()
    found: list[str] = []
    for event in events:
        match event.event:
            case e.ModelCompleted():
                done.add((event.task, event.turn, "model"))
            case e.ToolCompleted(call=call) | e.ToolFailed(call=call) | e.ToolUnknown(call=call):
                done.add((event.task, event.turn, call))
            case e.ModelRequested() if (event.task, event.turn, "model") in done:
                found.append(f"model call of turn {event.turn} of {event.ref}")
            case e.ToolStarted(call=call) if (event.task, event.turn, call) in done:
                found.append(f"{call} of turn {event.turn} of {event.ref}")
    return found


def _called_again(events: Sequence[TaskEvent], calls: Sequence[str]) -> list[str]:
    """Real model calls for one request beyond those the log intended: its first attempt, and one after each kill in the call."""
    intended = Counter(
        event.ref.participant.rpartition("_")[0]
        for event in events
        if isinstance(event.event, e.ModelRequested) and event.attempt > 1
    )
    extra: Counter[str] = Counter()
    for line, times in Counter(calls).items():
        extra[line.split()[0]] += times - 1
    return [f"{n - intended[name]} model calls of {name}" for name, n in extra.items() if n > intended[name]]
