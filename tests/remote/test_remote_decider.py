"""What a remote agent's decider records and leaves outstanding: pure, from the log alone."""

from __future__ import annotations

from busagents.domain import events as e
from busagents.domain.decision import RunFunction
from busagents.domain.fold import evolve
from busagents.domain.limits import Limits
from busagents.domain.remote_decider import CANCEL, SEND, Link, RemotePolicy, answered, link_of, message_id, question_id
from busagents.domain.state import Task, ThreadState
from busagents.domain.subjects import ThreadRef

REF = ThreadRef("helper", "s", "main")
POLICY = RemotePolicy("me", "hash", Limits(turns=None))


def folded(*events: e.Event, task: str = "t") -> ThreadState:
    """The state after these events of one task."""
    state = ThreadState(REF)
    for event in (e.TaskSubmitted(text="go"), e.TaskStarted("me"), *events):
        state = evolve(state, e.Recorded(event, task, 0, 1))
    return state


def at_work(state: ThreadState) -> Task:
    assert state.active is not None
    return state.active


def sent(recovery: e.RecoveryClass = "at_most_once", number: int = 0) -> e.ToolStarted:
    return e.ToolStarted(message_id(REF, at_work(folded()), number), SEND, recovery)


def test_a_task_is_outstanding_until_it_has_its_outcome() -> None:
    assert POLICY.decide(folded()).perform == (RunFunction("t", 1),)
    assert POLICY.decide(folded(sent())).perform == (RunFunction("t", 1),)


def test_while_it_waits_for_an_answer_nothing_is_outstanding() -> None:
    asked = e.InputRequired(question_id(REF, at_work(folded(sent()))), e.TaskSubmitted(text="Which?").prompt)
    done = e.ToolCompleted(sent().call, "{}")
    state = folded(sent(), done, asked, e.ToolSuspended(""))
    assert POLICY.decide(state).record == POLICY.decide(state).perform == ()
    assert answered(REF, at_work(state)) is None


def test_a_task_of_which_nothing_was_sent_is_canceled_at_once() -> None:
    (record,) = POLICY.decide(folded(e.TaskCancel("no"))).record
    assert record.event == e.TaskCanceled("no")


def test_a_task_that_was_sent_is_canceled_after_the_remote_was_told() -> None:
    state = folded(sent(), e.ToolCompleted(sent().call, "{}"), e.TaskCancel("no"))
    (intent,) = POLICY.decide(state).record
    assert isinstance(intent.event, e.ToolStarted)
    assert (intent.event.name, intent.event.recovery) == (CANCEL, "idempotent")
    state = evolve(state, intent)
    assert POLICY.decide(state).perform == (RunFunction("t", 1),)
    state = evolve(state, e.Recorded(e.ToolFailed(intent.event.call, "timeout", "away"), "t", 0, 1))
    assert [record.event for record in POLICY.decide(state).record] == [e.TaskCanceled("no")]


def test_a_message_that_was_sent_before_a_crash_is_left_open_to_be_looked_for() -> None:
    (record,) = POLICY.recover(folded(sent()))
    assert isinstance(record.event, e.TaskStarted)
    _, again = POLICY.recover(folded(sent("idempotent")))
    assert (again.event, again.attempt) == (sent("idempotent"), 2)


def test_a_step_at_which_process_after_process_ends_is_given_up() -> None:
    state = folded(sent())
    for number in range(5):
        state = evolve(state, e.Recorded(e.TaskStarted(f"p{number}"), "t", 0, number + 2))
    last = POLICY.recover(state)[-1].event
    assert isinstance(last, e.TaskFailed)
    assert last.reason == "dead_letter"


def test_the_context_outlasts_a_task_and_the_remote_task_does_not() -> None:
    link = Link("c", "t", "remote-1", "noon")
    assert link_of(folded(link.set())) == link
    assert link_of(folded(Link("c", "earlier", "remote-0").set())) == Link("c")
    assert link_of(folded(e.StateSet("a2a", "something else"))) == Link()
