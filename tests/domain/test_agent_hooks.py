"""When an agent's decider wants the hooks of a task run, and what the fold makes of what they decided."""

from __future__ import annotations

from typing import Any

import msgspec
from simulated_shell import policy
from thread_line import Line, answers, asks

from busagents.domain import events as e
from busagents.domain.agent_decider import AgentPolicy
from busagents.domain.decision import CallModel, RunHooks
from busagents.domain.messages import Message, Usage, assistant, user

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def hooked(*points: str) -> AgentPolicy:
    return msgspec.structs.replace(policy(), hooks=points)


def decided(point: str, action: Any = "pass", **fields: Any) -> e.HookDecided:
    return e.HookDecided(point, "Guard" if action != "pass" else "", action, **fields)


def test_hooks_before_a_task_run_before_the_first_turn_is_requested_and_once() -> None:
    line = Line(hooked("before_task"))
    assert (line.types, line.todo) == (["task.started"], (RunHooks("t", 0, "before_task"),))
    line.tell(decided("before_task"))
    assert (line.types, line.todo) == (["model.requested"], (CallModel("t", 1, 1),))


def test_a_process_that_takes_over_while_they_run_runs_them_again_and_after_they_decided_does_not() -> None:
    line = Line(hooked("before_task")).take_over()
    assert line.todo == (RunHooks("t", 0, "before_task"),)
    line.tell(decided("before_task", "edit", message=user("else"))).take_over()
    assert line.todo == (CallModel("t", 1, 2),)
    assert list(line.state.messages) == [user("else")]


def test_a_hook_declared_since_a_task_began_does_not_run_in_the_middle_of_it() -> None:
    line = Line().tell(asks("read_only"))
    line.agent = hooked("before_task")
    line.take_over().tell(e.ToolCompleted("c0", "x"))
    assert line.todo == (CallModel("t", 2, 1),)


def test_several_edits_of_one_request_leave_the_last() -> None:
    first, last = (decided("before_task", "edit", message=user(text)) for text in ("one", "two"))
    line = Line(hooked("before_task")).tell(first, last)
    assert list(line.state.messages) == [user("two")]
    assert line.state.active is not None
    assert line.state.active.hooked == ("before_task",)


def test_the_digest_of_the_request_is_that_of_the_conversation_the_model_reads() -> None:
    edited = Line(hooked("before_task")).tell(decided("before_task", "edit", message=user("else")))
    passed = Line(hooked("before_task")).tell(decided("before_task"))
    assert edited.last.digest == edited.state.digest != passed.last.digest


def test_hooks_after_a_task_run_before_it_is_completed_and_what_they_leave_completes_it() -> None:
    line = Line(hooked("after_task")).tell(answers("42"))
    assert (line.types, line.todo) == ([], (RunHooks("t", 1, "after_task"),))
    line.tell(decided("after_task", "edit", message=assistant("43")))
    assert line.last == e.TaskCompleted(assistant("43"), Usage(10, 5))
    assert list(line.state.messages) == [user("do it"), assistant("43")]


def test_an_edit_of_an_answer_without_parts_is_a_message_of_its_own() -> None:
    line = Line(hooked("after_task")).tell(answers("", message=Message("assistant", ())))
    line.tell(decided("after_task", "edit", message=assistant("nothing to say")))
    assert list(line.state.messages) == [user("do it"), assistant("nothing to say")]


def test_a_failure_is_no_answer_that_hooks_after_a_task_could_change() -> None:
    for line in (
        Line(hooked("after_task")).tell(answers("half", stop_reason="length")),
        Line(hooked("after_task")).tell(answers("no", stop_reason="refused")),
        Line(hooked("after_task")).tell(e.ModelFailed("refused", "no")),
    ):
        assert line.types == ["task.failed"]


def test_each_answer_that_fits_passes_the_hooks_after_a_task_and_one_that_does_not_is_sent_back_first() -> None:
    line = Line(hooked("after_task"), output_schema=SCHEMA).tell(answers("no"))
    assert line.types == ["model.requested"]
    line.tell(answers('{"n": 3}'))
    assert line.todo == (RunHooks("t", 2, "after_task"),)
    line.tell(decided("after_task", "edit", message=assistant("broken")))
    assert line.types == ["model.requested"]
    line.tell(answers('{"n": 4}'))
    assert line.todo == (RunHooks("t", 3, "after_task"),)
    assert line.tell(decided("after_task")).last.output == {"n": 4}


def test_what_hooks_of_calls_decided_changes_no_state() -> None:
    line = Line(hooked("before_task")).tell(decided("before_task"))
    before = line.state
    for point in ("before_model", "after_model", "before_tool", "after_tool"):
        line.tell(decided(point, "edit", call="c0", data={"note": "x"}))
    assert line.state == before


def test_the_tokens_of_a_message_that_was_vetoed_count() -> None:
    veto = decided("after_model", "veto", reason="rude", data={"usage": msgspec.to_builtins(Usage(7, 3))})
    line = Line().tell(veto, e.ModelFailed("vetoed", "Guard vetoed the model's message: rude"))
    assert line.last == e.TaskFailed("vetoed", "Guard vetoed the model's message: rude", Usage(7, 3))
