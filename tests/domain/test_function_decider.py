"""What a function participant does next: run for each task, once per process that has it, until it ends."""

from __future__ import annotations

from thread_line import Line

from busagents.domain import events as e
from busagents.domain.decision import RunFunction
from busagents.domain.function_decider import FunctionPolicy
from busagents.domain.limits import Limits
from busagents.domain.messages import assistant, user


def function() -> FunctionPolicy:
    return FunctionPolicy("w1", "def", Limits(turns=None))


def test_a_fresh_task_is_started_and_the_function_runs() -> None:
    line = Line(function())
    assert line.types == ["task.started"]
    assert line.todo == (RunFunction("t", 1),)


def test_deciding_again_wants_the_same_run_and_no_second_one() -> None:
    line = Line(function())
    assert line.go().todo == (RunFunction("t", 1),)
    assert line.types == []


def test_its_answer_ends_the_task_and_joins_the_conversation() -> None:
    line = Line(function()).tell(e.TaskCompleted(assistant("done")))
    assert (line.types, line.todo, line.state.task_state("t")) == ([], (), "completed")
    assert list(line.state.messages) == [user("do it"), assistant("done")]


def test_after_a_takeover_it_runs_again_from_its_start_as_the_next_attempt() -> None:
    line = Line(function()).take_over()
    assert line.types == ["task.started"]
    assert line.todo == (RunFunction("t", 2),)


def test_a_takeover_keeps_the_results_of_recorded_steps_and_starts_a_repeatable_open_one_again() -> None:
    line = Line(function()).tell(e.ToolStarted("look", "look", "read_only"), e.ToolCompleted("look", '"found"'))
    line.tell(e.ToolStarted("save", "save", "idempotent")).take_over()
    assert line.recorded[1:] == [e.Recorded(e.ToolStarted("save", "save", "idempotent"), "t", 0, 2)]
    assert line.todo == (RunFunction("t", 2),)
    assert line.state.active is not None
    assert [(call.part.call, call.status, call.content) for call in line.state.active.calls] == [
        ("look", "done", '"found"'),
        ("save", "started", ""),
    ]


def test_an_open_step_that_must_not_run_twice_is_unknown_after_a_takeover() -> None:
    line = Line(function()).tell(e.ToolStarted("charge", "charge", "at_most_once")).take_over()
    assert line.types == ["task.started", "tool.unknown"]
    assert line.state.active is not None
    assert line.state.active.calls[0].unknown


def test_steps_are_not_told_to_a_model_and_stay_out_of_the_conversation() -> None:
    line = Line(function()).tell(e.ToolStarted("look", "look", "read_only"), e.ToolCompleted("look", "x"))
    line.tell(e.TaskCompleted(assistant("done")))
    assert [message.role for message in line.state.messages] == ["user", "assistant"]


def test_a_cancel_ends_the_task() -> None:
    line = Line(function()).cancel()
    assert (line.types, line.todo) == (["task.canceled"], ())


def test_a_cancel_while_a_step_runs_that_must_not_run_twice_says_that_its_outcome_is_unknown() -> None:
    line = Line(function()).tell(e.ToolStarted("charge", "charge", "at_most_once")).cancel()
    assert line.types == ["tool.unknown", "task.canceled"]


def test_the_next_task_starts_when_the_first_has_ended() -> None:
    line = Line(function()).send("t2")
    assert line.types == []
    line.tell(e.TaskFailed("error", "ValueError: no"))
    assert line.types == ["task.started"]
    assert line.todo == (RunFunction("t2", 1),)
