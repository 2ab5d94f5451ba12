"""What an agent does next, situation by situation. Each test folds a short log and asks the decider once or until it rests."""

from __future__ import annotations

import pytest
from simulated_shell import policy
from thread_line import Line, answers, asks, run

from busagents.domain import events as e
from busagents.domain.decision import CallModel, RunTool, WaitRetry
from busagents.domain.limits import Limits
from busagents.domain.messages import Message, TextPart, ToolCallPart, ToolResultPart, Usage, assistant, user
from busagents.domain.state import ThreadState
from busagents.domain.thread import apply_events

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def test_an_idle_thread_has_nothing_to_do() -> None:
    decision = policy().decide(ThreadState())
    assert (decision.record, decision.perform) == ((), ())


def test_a_fresh_task_is_started_and_the_model_is_called() -> None:
    line = Line()
    assert line.types == ["task.started", "model.requested"]
    assert line.todo == (CallModel("t", 1, 1),)


def test_the_start_records_who_works_under_which_limits_and_definition() -> None:
    started = Line(policy(limits=Limits(turns=9)), limits=Limits(turns=3, seconds=5)).recorded[0]
    assert started == e.Recorded(e.TaskStarted("w1", "def", Limits(turns=3, seconds=5)), "t", 0, 1)


def test_a_caller_cannot_loosen_an_agents_limits() -> None:
    started = Line(policy(limits=Limits(turns=3)), limits=Limits(turns=100)).recorded[0].event
    assert isinstance(started, e.TaskStarted)
    assert started.limits.turns == 3


def test_the_request_names_the_model_its_settings_and_the_conversation_it_is_made_for() -> None:
    line = Line()
    assert line.last == e.ModelRequested("test:model", 0, line.state.digest, {"temperature": 0})


def test_an_answer_without_tool_calls_completes_the_task() -> None:
    line = Line().tell(answers("42"))
    assert line.last == e.TaskCompleted(assistant("42"), Usage(10, 5))
    assert line.todo == ()
    assert line.state.task_state("t") == "completed"


def test_a_tool_call_is_started_in_the_entry_of_the_turn_that_asked_for_it_and_run() -> None:
    line = Line().tell(asks("idempotent"))
    assert line.recorded == [e.Recorded(e.ToolStarted("c0", "idempotent", "idempotent"), "t", 1, 1)]
    assert line.todo == (RunTool("t", 1, 1, ToolCallPart("c0", "idempotent")),)


def test_answered_tool_calls_lead_to_the_next_turn_with_the_results_in_the_order_of_the_calls() -> None:
    line = Line().tell(asks("read_only", "read_only")).tell(e.ToolCompleted("c1", "second"))
    assert line.types == []
    assert run(line) == ["c0"]
    line.tell(e.ToolCompleted("c0", "first"))
    assert line.types == ["model.requested"]
    assert line.todo == (CallModel("t", 2, 1),)
    assert line.state.messages[-1] == Message(
        "tool", (ToolResultPart("c0", "read_only", "first"), ToolResultPart("c1", "read_only", "second"))
    )


def test_no_more_tools_run_at_once_than_the_agent_allows_and_the_order_is_the_models() -> None:
    line = Line(policy(tool_concurrency=2)).tell(asks(*["read_only"] * 4))
    assert run(line) == ["c0", "c1"]
    assert run(line.tell(e.ToolCompleted("c1", "x"))) == ["c0", "c2"]
    assert run(line.tell(e.ToolCompleted("c0", "x"), e.ToolCompleted("c2", "x"))) == ["c3"]


def test_a_sequential_tool_runs_beside_no_other_and_none_overtakes_it() -> None:
    line = Line().tell(asks("read_only", "alone", "read_only"))
    assert run(line) == ["c0"]
    assert run(line.tell(e.ToolCompleted("c0", "x"))) == ["c1"]
    assert run(line.tell(e.ToolCompleted("c1", "x"))) == ["c2"]


def test_a_tool_that_does_not_exist_is_run_so_that_the_model_is_told() -> None:
    line = Line().tell(asks("nonsense"))
    assert line.last == e.ToolStarted("c0", "nonsense", "read_only")
    line.tell(e.ToolFailed("c0", "unknown_tool", "There is no tool 'nonsense'."))
    assert line.state.messages[-1].parts == (ToolResultPart("c0", "nonsense", "There is no tool 'nonsense'.", is_error=True),)
    assert line.todo == (CallModel("t", 2, 1),)


def test_invalid_arguments_are_an_error_that_the_model_reads_and_not_the_end_of_the_task() -> None:
    line = Line().tell(asks("read_only")).tell(e.ToolFailed("c0", "invalid_arguments", "`n` is required and missing"))
    assert line.state.messages[-1].parts == (ToolResultPart("c0", "read_only", "`n` is required and missing", is_error=True),)
    assert line.todo == (CallModel("t", 2, 1),)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(turns=1), "limit_turns"),
        (Limits(total_tokens=15), "limit_total_tokens"),
        (Limits(output_tokens=5), "limit_output_tokens"),
        (Limits(seconds=2.0), "limit_seconds"),
    ],
)
def test_a_task_at_a_limit_fails_before_the_next_turn_naming_the_limit(limits: Limits, reason: str) -> None:
    line = Line(policy(limits=limits)).tell(asks("read_only")).tell(e.ToolCompleted("c0", "x", elapsed_ms=2000))
    assert line.types == ["task.failed"]
    assert line.last.reason == reason
    assert f"Limits({reason.removeprefix('limit_')}=" in line.last.message
    assert line.last.usage == Usage(10, 5)


@pytest.mark.parametrize("limits", [Limits(turns=2), Limits(total_tokens=16), Limits(output_tokens=6), Limits(seconds=2.1)])
def test_a_task_just_below_a_limit_goes_on(limits: Limits) -> None:
    line = Line(policy(limits=limits)).tell(asks("read_only")).tell(e.ToolCompleted("c0", "x", elapsed_ms=2000))
    assert line.todo == (CallModel("t", 2, 1),)


def test_an_answer_that_came_in_the_last_turn_allowed_counts() -> None:
    assert Line(policy(limits=Limits(turns=1))).tell(answers("done")).types == ["task.completed"]


def test_a_failed_call_waits_its_back_off_and_is_then_requested_as_the_next_attempt() -> None:
    line = Line().tell(e.ModelFailed("overloaded", "busy", retry_in=0.5))
    assert line.todo == (WaitRetry("t", 1, 2, 0.5),)
    line.state = apply_events(line.state, (), [e.Recorded(e.ModelRequested("test:model", 2, "d"), "t", 1, 2)])
    assert line.go().todo == (CallModel("t", 1, 2),)


def test_the_wait_a_provider_asked_for_is_the_wait_that_is_kept() -> None:
    assert Line().tell(e.ModelFailed("rate_limited", "slow down", retry_in=17.0)).todo == (WaitRetry("t", 1, 2, 17.0),)


def test_failures_are_counted_over_attempts_and_over_takeovers() -> None:
    line = Line().tell(e.ModelFailed("overloaded", "busy", retry_in=0.5))
    line.state = apply_events(line.state, (), [e.Recorded(e.ModelRequested("test:model", 2, "d"), "t", 1, 2)])
    line.take_over().tell(e.ModelFailed("overloaded", "busy", retry_in=1.0))
    assert line.state.active is not None
    assert line.state.active.model is not None
    assert line.state.active.model.failures == 2
    assert line.todo == (WaitRetry("t", 1, 4, 1.0),)


@pytest.mark.parametrize("code", ["refused", "context_too_long", "empty_answer", "unauthorized"])
def test_a_failure_that_is_not_to_be_retried_ends_the_task_with_its_code(code: str) -> None:
    line = Line().tell(e.ModelFailed(code, "what happened and what to do"))
    assert line.last == e.TaskFailed(code, "what happened and what to do")
    assert line.state.idle


def test_a_model_that_refuses_to_answer_fails_the_task_with_its_words() -> None:
    line = Line().tell(answers("I will not.", stop_reason="refused"))
    assert line.last == e.TaskFailed("refused", "I will not.", Usage(10, 5))


def test_an_answer_cut_at_the_output_limit_is_a_failure_and_not_a_short_answer() -> None:
    line = Line().tell(answers("half a sen", stop_reason="length"))
    assert line.last.reason == "output_truncated"
    assert "max_tokens" in line.last.message


def test_an_answer_that_fits_the_schema_is_the_output() -> None:
    line = Line(output_schema=SCHEMA).tell(answers('{"n": 3}'))
    assert line.last == e.TaskCompleted(assistant('{"n": 3}'), Usage(10, 5), {"n": 3})


def test_an_answer_in_a_code_fence_fits_too() -> None:
    assert Line(output_schema=SCHEMA).tell(answers('```json\n{"n": 3}\n```')).last.output == {"n": 3}


def test_an_answer_that_does_not_fit_is_sent_back_with_what_is_wrong() -> None:
    line = Line(output_schema=SCHEMA).tell(answers('{"n": "three"}'))
    assert line.types == ["model.requested"]
    assert "$.n: 'three' is not of type 'integer'" in line.last.note
    assert line.state.messages[-1] == user(line.last.note)
    assert line.todo == (CallModel("t", 2, 1),)
    assert line.tell(answers('{"n": 3}')).last.output == {"n": 3}


def test_after_two_corrections_an_answer_that_still_does_not_fit_fails_the_task() -> None:
    line = Line(output_schema=SCHEMA).tell(answers("no")).tell(answers("no"))
    assert line.types == ["model.requested"]
    assert line.tell(answers("no")).last.reason == "output_invalid"


def test_a_takeover_in_the_middle_of_a_correction_does_not_start_the_count_again() -> None:
    line = Line(output_schema=SCHEMA).tell(answers("no")).take_over().tell(answers("no")).take_over()
    assert line.tell(answers("no")).last.reason == "output_invalid"


def test_empty_text_as_an_answer_completes_with_an_empty_message() -> None:
    assert Line().tell(answers("", message=Message("assistant", (TextPart(""),)))).last.message.text == ""
