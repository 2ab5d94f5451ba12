"""Cancels, takeovers and queues of an agent's thread: what is recorded, what runs again, what never does."""

from __future__ import annotations

import pytest
from simulated_shell import policy
from thread_line import Line, answers, asks, run

from busagents.domain import events as e
from busagents.domain.decision import MAX_STALLS, CallModel, RunTool, WaitRetry, recover
from busagents.domain.limits import Limits
from busagents.domain.messages import Message, ToolCallPart, ToolResultPart, Usage, assistant, user
from busagents.domain.state import ThreadState


def result_parts(line: Line) -> tuple[ToolResultPart, ...]:
    """The last message's tool results."""
    return tuple(part for part in line.state.messages[-1].parts if isinstance(part, ToolResultPart))


def test_a_thread_without_a_task_at_work_needs_no_recovery() -> None:
    assert recover(ThreadState(), owner="w2", definition="def") == ()


def test_a_takeover_is_recorded_with_the_next_attempt_its_owner_and_the_limits_already_in_force() -> None:
    line = Line(limits=Limits(turns=4)).take_over()
    assert line.recorded[0] == e.Recorded(e.TaskStarted("w2", "def", Limits(turns=4)), "t", 0, 2)
    assert line.take_over().recorded[0].attempt == 3


def test_an_open_model_call_is_requested_again_as_the_next_attempt_and_made() -> None:
    line = Line().take_over()
    assert line.types == ["task.started", "model.requested"]
    assert line.recorded[1] == e.Recorded(e.ModelRequested("test:model", 0, line.state.digest, {"temperature": 0}), "t", 1, 2)
    assert line.todo == (CallModel("t", 1, 2),)


def test_a_model_call_that_waited_for_its_next_attempt_waits_again() -> None:
    line = Line().tell(e.ModelFailed("overloaded", "busy", retry_in=0.5)).take_over()
    assert line.types == ["task.started"]
    assert line.todo == (WaitRetry("t", 1, 2, 0.5),)


def test_a_completed_model_call_is_not_made_again() -> None:
    line = Line().tell(asks("read_only")).take_over()
    assert "model.requested" not in line.types
    assert not any(isinstance(command, CallModel) for command in line.todo)


@pytest.mark.parametrize("recovery", ["read_only", "idempotent"])
def test_a_started_tool_that_is_repeatable_runs_again_as_the_next_attempt(recovery: str) -> None:
    line = Line().tell(asks(recovery)).take_over()
    assert line.types == ["task.started", "tool.started"]
    assert line.todo == (RunTool("t", 1, 2, ToolCallPart("c0", recovery)),)


def test_a_started_tool_that_must_not_run_twice_becomes_unknown_and_the_model_is_told_so() -> None:
    line = Line().tell(asks("at_most_once")).take_over()
    assert line.types == ["task.started", "tool.unknown", "model.requested"]
    assert line.todo == (CallModel("t", 2, 1),)
    (part,) = result_parts(line)
    assert part.is_error
    assert "outcome of this call is unknown" in part.content
    assert "was not run again" in part.content


def test_tools_that_were_asked_for_but_not_started_run_whatever_their_class() -> None:
    line = Line(policy(tool_concurrency=1)).tell(asks("read_only", "at_most_once", "idempotent")).take_over()
    assert run(line) == ["c0"]
    assert run(line.tell(e.ToolCompleted("c0", "x"))) == ["c1"]
    assert run(line.tell(e.ToolCompleted("c1", "x"))) == ["c2"]


def test_of_two_parallel_tools_the_one_that_was_done_is_kept() -> None:
    line = Line().tell(asks("idempotent", "idempotent")).tell(e.ToolCompleted("c0", "kept")).take_over()
    assert run(line) == ["c1"]
    line.tell(e.ToolCompleted("c1", "again"))
    assert [part.content for part in result_parts(line)] == ["kept", "again"]


def test_a_takeover_with_a_tool_of_each_class_at_work_treats_each_by_its_own() -> None:
    line = Line().tell(asks("at_most_once", "idempotent", "read_only")).take_over()
    assert line.types == ["task.started", "tool.unknown", "tool.started", "tool.started"]
    assert [command.attempt for command in line.todo if isinstance(command, RunTool)] == [2, 2]
    line.tell(e.ToolCompleted("c1", "b"), e.ToolCompleted("c2", "c"))
    assert [(part.call, part.is_error) for part in result_parts(line)] == [("c0", True), ("c1", False), ("c2", False)]


def test_what_was_recorded_as_unknown_stays_so_over_further_takeovers() -> None:
    line = Line().tell(asks("at_most_once", "read_only")).take_over().take_over()
    assert line.types == ["task.started", "tool.started"]
    assert line.todo == (RunTool("t", 1, 3, ToolCallPart("c1", "read_only")),)


def test_the_recovery_class_that_counts_is_the_one_that_was_recorded_and_not_todays() -> None:
    line = Line().tell(asks("at_most_once"))
    line.agent = policy(owner="w2")
    line.agent.tools["at_most_once"] = line.agent.tools["read_only"]  # type: ignore[index]
    assert "tool.unknown" in line.take_over().types


def stall(line: Line, times: int) -> Line:
    """So many processes take the task over, one after the other, and end without recording anything further."""
    for _ in range(times):
        line.take_over()
    return line


def test_a_task_at_one_step_of_which_process_after_process_ends_is_given_up() -> None:
    line = stall(Line(), MAX_STALLS)
    assert line.todo == (CallModel("t", 1, MAX_STALLS + 1),)
    line.take_over()
    assert line.types == ["task.failed"]
    assert line.last.reason == "dead_letter"
    assert line.state.idle


def test_a_task_that_is_given_up_answers_its_open_calls_so_that_the_conversation_can_go_on() -> None:
    line = stall(Line().tell(asks("idempotent", "read_only")), MAX_STALLS + 1)
    assert line.types == ["tool.failed", "tool.failed", "task.failed"]
    assert [part.call for part in result_parts(line)] == ["c0", "c1"]
    assert line.send("t2").todo == (CallModel("t2", 1, 1),)


@pytest.mark.parametrize("progress", [asks("read_only"), e.ModelFailed("overloaded", "busy", retry_in=0.1)])
def test_anything_that_is_recorded_starts_the_count_of_lost_processes_again(progress: e.Event) -> None:
    line = stall(stall(Line(), MAX_STALLS).tell(progress), MAX_STALLS)
    assert line.types[0] == "task.started"


def test_a_process_that_tries_again_itself_is_not_one_that_ended() -> None:
    line = Line()
    for _ in range(2 * MAX_STALLS):
        line.take_over(owner="w2")
    assert line.state.active is not None
    assert line.state.active.stalls == 1


def test_one_tool_of_several_that_ends_starts_the_count_of_lost_processes_again() -> None:
    line = stall(Line().tell(asks("idempotent", "read_only")), MAX_STALLS)
    assert stall(line.tell(e.ToolCompleted("c0", "x")), MAX_STALLS).types[0] == "task.started"
    assert line.take_over().last.reason == "dead_letter"


def test_a_cancel_in_the_middle_of_a_model_call_ends_the_task() -> None:
    line = Line().cancel(reason="changed my mind")
    assert line.recorded == [e.Recorded(e.TaskCanceled("changed my mind"), "t", 1, 1)]
    assert (line.todo, line.state.task_state("t")) == ((), "canceled")


def test_a_cancel_answers_every_open_call_in_the_entry_that_ends_the_task() -> None:
    line = Line(policy(tool_concurrency=2)).tell(asks("at_most_once", "read_only", "idempotent")).cancel()
    assert line.types == ["tool.unknown", "tool.failed", "tool.failed", "task.canceled"]
    assert [part.call for part in result_parts(line)] == ["c0", "c1", "c2"]
    assert all(part.is_error for part in result_parts(line))
    assert line.last == e.TaskCanceled("enough", Usage(10, 5))


def test_a_tool_that_must_not_run_twice_and_had_not_started_is_not_said_to_be_unknown_when_canceled() -> None:
    line = Line(policy(tool_concurrency=1)).tell(asks("read_only", "at_most_once")).cancel()
    assert line.types == ["tool.failed", "tool.failed", "task.canceled"]


def test_a_call_that_had_its_result_keeps_it_when_the_task_is_canceled() -> None:
    line = Line().tell(asks("read_only", "read_only")).tell(e.ToolCompleted("c0", "kept")).cancel()
    assert next((part.content, part.is_error) for part in result_parts(line)) == ("kept", False)


def test_a_cancel_while_waiting_for_the_next_attempt_ends_the_task() -> None:
    line = Line().tell(e.ModelFailed("overloaded", "busy", retry_in=30.0)).cancel()
    assert (line.types, line.todo) == (["task.canceled"], ())


def test_a_cancel_after_the_end_changes_nothing() -> None:
    line = Line().tell(answers("done"))
    before = line.state.finished
    line.cancel()
    assert line.types == []
    assert line.state.finished == before


def test_a_cancel_without_a_reason_is_still_a_cancel() -> None:
    assert Line().cancel(reason="").types == ["task.canceled"]


def test_a_canceled_task_leaves_a_conversation_that_the_next_task_can_go_on_with() -> None:
    line = Line().tell(asks("at_most_once")).cancel().send("t2", text="and now?")
    assert [message.role for message in line.state.messages] == ["user", "assistant", "tool", "user"]
    assert line.todo == (CallModel("t2", 1, 1),)


def test_a_second_task_of_a_thread_sees_the_first_ones_conversation_and_starts_its_own_count_of_turns() -> None:
    line = Line().tell(answers("one")).send("t2", text="more")
    assert line.recorded[0].event == e.TaskStarted("w1", "def", Limits())
    assert line.todo == (CallModel("t2", 1, 1),)
    assert list(line.state.messages) == [user("do it"), assistant("one"), user("more")]
    assert line.tell(answers("two")).last.usage == Usage(10, 5)


def test_a_task_that_arrives_while_another_works_waits_and_is_started_in_the_entry_that_ends_the_other() -> None:
    line = Line().send("t2", text="next")
    assert line.types == []
    assert line.state.task_state("t2") == "submitted"
    line.tell(answers("one"))
    assert line.types == ["task.completed", "task.started", "model.requested"]
    assert line.todo == (CallModel("t2", 1, 1),)


def test_queued_tasks_are_started_in_the_order_they_came() -> None:
    line = Line().send("t2").send("t3").tell(answers("one"))
    assert line.todo == (CallModel("t2", 1, 1),)
    assert line.tell(answers("two")).todo == (CallModel("t3", 1, 1),)


def test_a_queued_task_that_is_canceled_ends_at_once_and_never_starts() -> None:
    line = Line().send("t2").cancel("t2")
    assert line.types == ["task.canceled"]
    assert line.state.task_state("t2") == "canceled"
    assert line.tell(answers("one")).types == ["task.completed"]
    assert line.todo == ()


def test_a_failed_task_does_not_hold_up_the_next() -> None:
    line = Line().send("t2").tell(e.ModelFailed("refused", "no"))
    assert line.types == ["task.failed", "task.started", "model.requested"]


def test_a_task_sent_again_while_at_work_or_after_its_end_is_not_done_again() -> None:
    line = Line().send("t")
    assert (line.types, line.state.queue) == ([], ())
    line.tell(answers("one")).send("t")
    assert (line.types, line.state.idle) == ([], True)


def test_the_limits_of_a_queued_task_are_its_own() -> None:
    line = Line().send("t2", limits=Limits(turns=1)).tell(answers("one"))
    line.tell(asks("read_only")).tell(e.ToolCompleted("c0", "x"))
    assert line.last.reason == "limit_turns"
    assert isinstance(line.state.messages[-1], Message)
