"""Any session, crashed at any points, ends with the log of the session without a crash, and repeats nothing that was stored."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_shell import RECOVERY, Script, ScriptedTurn, World, fold_log, run_session, stored_events

from busagents.domain import events as e
from busagents.domain.codec import to_record
from busagents.domain.decision import MAX_STALLS, CallModel, RunTool

tool_names = st.sampled_from([*RECOVERY, "alone", "missing"])
working = st.builds(ScriptedTurn, st.lists(tool_names, min_size=1, max_size=4).map(tuple), st.integers(0, 2), st.just("hm"))
answering = st.builds(ScriptedTurn, st.just(()), st.integers(0, 2), st.just("the answer"))
turns = st.builds(lambda body, end: (*body, end), st.lists(working, max_size=4), answering)
scripts: st.SearchStrategy[Script] = st.lists(turns, min_size=1, max_size=3).map(
    lambda tasks: {f"t{number}": plan for number, plan in enumerate(tasks)}
)
crashes = st.frozensets(st.integers(1, 60), max_size=MAX_STALLS)  # one more in the same step, and the task is given up
concurrency = st.integers(1, 4)
chances = st.randoms(use_true_random=False)
many = settings(max_examples=120)


def content(world: World) -> list[tuple[object, ...]]:
    """The log without what a crash may add or change: starts and takeovers, attempts, and where in the log a turn began.

    Calls of one turn run beside each other, so within a turn they count in the order of their ids.
    """
    rows: list[tuple[object, ...]] = []
    for recorded in stored_events(world.log):
        match recorded.event:
            case e.TaskStarted() | e.ToolUnknown():
                continue
            case e.ModelRequested(model=model, settings=settings_, note=note):
                if recorded.attempt == 1:
                    rows.append((recorded.task, recorded.turn, 0, "", "model.requested", model, str(settings_), note))
            case e.ToolStarted(call=call, name=name, recovery=recovery):
                if recorded.attempt == 1:
                    rows.append((recorded.task, recorded.turn, 2, call, "tool.started", name, recovery))
            case e.ToolCompleted(call=call) | e.StateSet(key=call):
                rows.append((recorded.task, recorded.turn, 2, call, recorded.event.type, bytes(to_record(recorded).data)))
            case e.ModelFailed() | e.ModelCompleted():
                rows.append((recorded.task, recorded.turn, 1, "", recorded.event.type, bytes(to_record(recorded).data)))
            case _:
                rows.append((recorded.task, recorded.turn, 3, "", recorded.event.type, bytes(to_record(recorded).data)))
    return sorted(rows, key=lambda row: (row[0], row[1], row[2], row[3]))


def lost_calls(world: World) -> set[tuple[str, int, str]]:
    """The calls whose outcome a crash made unknown."""
    return {(r.task, r.turn, r.event.call) for r in stored_events(world.log) if isinstance(r.event, e.ToolUnknown)}


@many
@given(scripts, crashes, concurrency, chances)
def test_a_session_with_crashes_leaves_the_log_of_one_without(
    script: Script, crash_at: frozenset[int], at_once: int, chance: random.Random
) -> None:
    smooth = run_session(script, tool_concurrency=at_once)
    crashed = run_session(script, crash_at=crash_at, tool_concurrency=at_once, order=chance.randrange)
    lost = lost_calls(crashed)
    kept = [row for row in content(smooth) if (row[0], row[1], row[3]) not in lost]
    assert [row for row in content(crashed) if (row[0], row[1], row[3]) not in lost] == kept


@many
@given(scripts, crashes, concurrency, chances)
def test_only_a_tool_that_must_not_run_twice_can_end_unknown(
    script: Script, crash_at: frozenset[int], at_once: int, chance: random.Random
) -> None:
    world = run_session(script, crash_at=crash_at, tool_concurrency=at_once, order=chance.randrange)
    started = [r for r in stored_events(world.log) if isinstance(r.event, e.ToolStarted)]
    recovery = {(r.task, r.turn, r.event.call): r.event.recovery for r in started if isinstance(r.event, e.ToolStarted)}
    assert {recovery[call] for call in lost_calls(world)} <= {"at_most_once"}
    if not crash_at:
        assert not lost_calls(world)


@many
@given(scripts, crashes, concurrency, chances)
def test_each_effect_has_its_stored_intent_and_no_stored_outcome(
    script: Script, crash_at: frozenset[int], at_once: int, chance: random.Random
) -> None:
    world = run_session(script, crash_at=crash_at, tool_concurrency=at_once, order=chance.randrange)
    stored_by_entry = [stored_events([body]) for body in world.log]
    for command, stored in world.effects:
        before = [recorded for entry in stored_by_entry[:stored] for recorded in entry]
        match command:
            case CallModel(task, turn, attempt):
                here = [r.event for r in before if (r.task, r.turn, r.attempt) == (task, turn, attempt)]
                assert any(isinstance(event, e.ModelRequested) for event in here)
                assert not any(isinstance(event, e.ModelFailed) for event in here)
                assert not any(isinstance(r.event, e.ModelCompleted) for r in before if (r.task, r.turn) == (task, turn))
            case RunTool(task, turn, attempt, part):
                about = [r for r in before if (r.task, r.turn) == (task, turn) and getattr(r.event, "call", "") == part.call]
                assert any(isinstance(r.event, e.ToolStarted) and r.attempt == attempt for r in about)
                assert {type(r.event) for r in about} == {e.ToolStarted}


@many
@given(scripts, crashes, concurrency, chances)
def test_a_tool_that_must_not_run_twice_runs_at_most_once(
    script: Script, crash_at: frozenset[int], at_once: int, chance: random.Random
) -> None:
    world = run_session(script, crash_at=crash_at, tool_concurrency=at_once, order=chance.randrange)
    runs = Counter(
        (command.task, command.turn, command.part.call)
        for command, _ in world.effects
        if isinstance(command, RunTool) and command.part.name == "at_most_once"
    )
    assert max(runs.values(), default=0) <= 1
    asked = [(task, number, name) for task, plan in script.items() for number, turn in enumerate(plan, 1) for name in turn.tools]
    unknown = len(lost_calls(world))
    assert len(runs) >= sum(name == "at_most_once" for _, _, name in asked) - unknown  # run, or said to be unknown


@many
@given(scripts, crashes, concurrency, chances)
def test_every_task_ends_exactly_once(script: Script, crash_at: frozenset[int], at_once: int, chance: random.Random) -> None:
    world = run_session(script, crash_at=crash_at, tool_concurrency=at_once, order=chance.randrange)
    ends = [recorded.task for recorded in stored_events(world.log) if isinstance(recorded.event, e.TERMINAL)]
    assert ends == list(script)
    assert fold_log(world.log, world.incoming).idle


def test_a_crash_at_every_single_point_of_a_session_with_each_tool_class_ends_well() -> None:
    script: Script = {"t": (ScriptedTurn((*RECOVERY, "alone"), failures=1), ScriptedTurn(text="done"))}
    points = run_session(script, tool_concurrency=2).at
    assert points > 10
    for first in range(1, points + 1):
        for second in range(first, points + 3):
            world = run_session(script, crash_at=frozenset({first, second}), tool_concurrency=2)
            ends = [r.event for r in stored_events(world.log) if isinstance(r.event, e.TERMINAL)]
            assert [type(event) for event in ends] == [e.TaskCompleted]
            assert len([r for r in stored_events(world.log) if isinstance(r.event, e.ModelCompleted)]) == 2
