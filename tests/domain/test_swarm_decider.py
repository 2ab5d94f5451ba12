"""A swarm's decider: who goes on, what they are told, when a task comes back, and at which limits it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_shell import fold_log, submitted

from busagents.domain import events as e
from busagents.domain.codec import VERSION, Entry, encode_entry, sha256_hex, to_record
from busagents.domain.delegation import MAX_DEPTH
from busagents.domain.fold_waits import timer_of
from busagents.domain.limits import Limits
from busagents.domain.messages import Artifact, DataPart, FilePart, Message, TextPart, Usage, assistant, user
from busagents.domain.state import Child, Outcome, ThreadState
from busagents.domain.subjects import ThreadRef
from busagents.domain.swarm_decider import SwarmMember, SwarmPolicy
from busagents.domain.swarm_run import SwarmRun
from busagents.domain.thread import Incoming, apply_events, seal

MEMBERS = (
    SwarmMember("researcher", "finds facts"),
    SwarmMember("writer", "writes"),
    SwarmMember("counter", "counts words", hands_over=False),
)
START = ThreadState(ref=ThreadRef("swarm", "s", "main"))


def swarm(**changes: Any) -> SwarmPolicy:
    """Two members that hand over and one that cannot; the first begins."""
    return msgspec.structs.replace(SwarmPolicy("w1", "def", Limits(turns=None), MEMBERS, "researcher"), **changes)


def arrived(event: e.Event, task: str, entry: str) -> Incoming:
    """An `in` or `stop` entry as the inbox gives it."""
    return Incoming(entry, event.kind, sha256_hex(entry.encode()), 0, (e.Recorded(event, task, entry=entry),))


class Cause(NamedTuple):
    """What led to an entry, and what was decided."""

    policy: SwarmPolicy
    consumed: tuple[Incoming, ...]
    before: tuple[e.Recorded, ...]
    records: list[e.Recorded]


class Line:
    """A swarm's thread in the making. Each call is one stored entry; `recorded` is what the last one holds."""

    def __init__(self, policy: SwarmPolicy | None = None, **task: Any) -> None:
        self.policy = policy or swarm()
        self.state = START
        self.log: list[bytes] = []
        self.incoming: list[Incoming] = []
        self.causes: list[Cause] = []  # what led to each entry
        self.recorded: list[e.Recorded] = []
        self.send(**task)

    def send(self, task: str = "t", text: str = "do it", **fields: Any) -> Line:
        return self.entry(submitted(task, text, **fields))

    def cancel(self) -> Line:
        return self.entry(arrived(e.TaskCancel("enough"), "t", "stop-t"))

    def time_up(self, call: str | None = None) -> Line:
        """The timer of the member at work, or of `call` ("" is the task's own), fires."""
        task = self.task.id
        return self.tell(e.TimerFired(timer_of(task, self.child.delegated.call if call is None else call)))

    def ends(self, state: str = "completed", text: str = "", **fields: Any) -> Line:
        """The member at work ends."""
        given = self.child.delegated
        message = assistant(text) if text else None
        usage = fields.pop("usage", Usage(10, 5))
        return self.tell(e.TaskOutcome(given.target, state, message, call=given.call, usage=usage, **fields))  # type: ignore[arg-type]

    def hands_to(self, target: str, message: str = "go on", **context: Any) -> Line:
        return self.ends(text=message, handoff=e.Handoff(target, message, context))

    def is_nobody(self) -> Line:
        """The bus knows no participant of the name of the member at work."""
        missing = e.TaskUndeliverable(self.child.delegated.call, "nobody")
        return self.entry(before=(e.Recorded(missing, self.task.id, 0, 1),))

    def take_over(self) -> Line:
        self.policy = msgspec.structs.replace(self.policy, owner=f"w{len(self.log)}")
        return self.entry(before=self.policy.recover(self.state))

    def tell(self, event: e.Event) -> Line:
        return self.entry(arrived(event, self.task.id, f"in-{len(self.log)}"))

    def entry(self, *consumed: Incoming, before: tuple[e.Recorded, ...] = ()) -> Line:
        self.incoming += consumed
        records, state = follow(self.policy, self.state, consumed, before)
        self.causes.append(Cause(self.policy, consumed, before, records))
        entry = Entry(
            VERSION,
            f"e{len(self.log)}",
            state.seq + 1,
            state.head,
            consumed=tuple(item.consumed for item in consumed),
            events=tuple(to_record(recorded) for recorded in (*before, *records)),
        )
        self.log.append(encode_entry(entry))
        self.recorded, self.state = records, seal(state, sha256_hex(self.log[-1]))
        return self

    @property
    def task(self) -> Any:
        assert self.state.active is not None
        return self.state.active

    @property
    def run(self) -> SwarmRun:
        run: SwarmRun = self.task.run
        return run

    @property
    def child(self) -> Child:
        (child,) = self.task.children.values()
        return child  # type: ignore[no-any-return]

    @property
    def told(self) -> str:
        return self.child.delegated.message.text

    @property
    def outcome(self) -> Outcome:
        ended = self.state.finished.get("t")
        assert ended is not None
        return ended

    @property
    def types(self) -> list[str]:
        return [recorded.event.type for recorded in self.recorded]


def follow(
    policy: SwarmPolicy, state: ThreadState, consumed: Sequence[Incoming], before: Sequence[e.Recorded] = ()
) -> tuple[list[e.Recorded], ThreadState]:
    """What is decided until nothing is to be recorded, and the state then."""
    records: list[e.Recorded] = []
    state = apply_events(state, consumed, before)
    while (decision := policy.decide(state)).record:
        records += decision.record
        state = apply_events(state, (), decision.record)
    assert decision.perform == ()
    return records, state


# ---- the way of a task ----


def test_the_entry_is_started_with_the_task_and_may_hand_over_to_the_others() -> None:
    line = Line()
    assert line.types == ["task.started", "node.started", "task.delegated"]
    assert line.recorded[0].event.coordinator == "swarm"  # type: ignore[attr-defined]
    given = line.child.delegated
    assert given.target.participant == "researcher"
    assert given.handoffs == (e.Member("writer", "writes"), e.Member("counter", "counts words"))
    assert given.limits is None


def test_the_named_entry_begins() -> None:
    assert Line(swarm(entry="writer")).child.delegated.target.participant == "writer"


def test_an_answer_without_handoff_ends_the_work() -> None:
    artifact = Artifact("report.md", (TextPart("# Report"),))
    line = Line().ends(text="done", output={"n": 1}, artifacts=(artifact,))
    assert line.types == ["node.completed", "task.completed"]
    assert (line.outcome.text, line.outcome.output, line.outcome.artifacts) == ("done", {"n": 1}, (artifact,))
    assert line.outcome.usage == Usage(10, 5)


def test_a_handoff_is_one_decision_from_one_members_end_to_the_nexts_task() -> None:
    line = Line()
    given = line.child.delegated
    end = e.TaskOutcome(given.target, "completed", call=given.call, handoff=e.Handoff("writer", "write it up", {"facts": 3}))
    state = apply_events(line.state, [arrived(end, "t", "in-end")], ())
    decision = line.policy.decide(state)
    assert [item.event.type for item in decision.record] == ["node.completed", "handoff.made", "node.started", "task.delegated"]
    assert decision.record[1].event == e.HandoffMade("researcher", "writer", "write it up", {"facts": 3})
    assert line.policy.decide(apply_events(state, (), decision.record)).record == ()


def test_several_rounds_count_each_members_runs_and_add_up_what_they_used() -> None:
    line = Line().hands_to("writer").hands_to("researcher").hands_to("writer")
    assert line.run.path == ("researcher", "writer", "researcher", "writer")
    assert line.run.handoffs == 3
    assert line.child.delegated.call == "writer#2"
    line.ends(text="the end")
    assert line.outcome.usage == Usage(40, 20)
    assert isinstance(line.outcome.run, SwarmRun)
    assert {name: message.text for name, message in line.outcome.run.results.items()} == {
        "researcher": "go on",
        "writer": "the end",
    }


def test_a_swarm_of_one_passes_the_request_on_as_it_is() -> None:
    line = Line(swarm(members=MEMBERS[:1]), text="hello")
    assert line.child.delegated.message == user("hello")
    assert line.child.delegated.handoffs == ()


# ---- memory ----


def threads(line: Line) -> list[str]:
    """The threads of the tasks that were given, in order."""
    state, found = START, []
    for number in range(len(line.log)):
        state = fold_log(line.log[number : number + 1], line.incoming, state)
        if state.active is not None and state.active.children:
            found += [child.delegated.target.thread for child in state.active.children.values()]
    return found


def test_a_member_has_one_thread_for_all_its_stints_of_all_tasks_of_the_session() -> None:
    line = Line().hands_to("writer").hands_to("researcher").ends(text="done").send("t2", "more")
    first, second, third, later = threads(line)
    assert first == third == later != second


def test_another_thread_of_the_swarm_has_other_threads_of_its_members() -> None:
    elsewhere = msgspec.structs.replace(START, ref=ThreadRef("swarm", "s", "other"))
    _, state = follow(swarm(), elsewhere, [submitted("t")])
    assert state.active is not None
    assert state.active.children["researcher#1"].delegated.target != Line().child.delegated.target


def test_with_reset_every_stint_has_a_thread_of_its_own() -> None:
    line = Line(swarm(reset=True)).hands_to("writer").hands_to("researcher").ends(text="done").send("t2", "more")
    assert len(set(threads(line))) == 4


# ---- what members are told ----


def test_the_entry_is_told_the_request_then_the_others_and_how_to_hand_over() -> None:
    told = Line(text="Report on AI").told
    assert told.startswith("Report on AI\n\n")
    assert "- writer: writes\n- counter: counts words\n" in told
    assert "handoff_to_agent" in told
    assert told.endswith("your answer ends the work.")


def test_the_next_member_is_told_in_this_order() -> None:
    line = Line(text="Report on AI").hands_to("writer", "write it up", facts=[1, 2]).hands_to("researcher", "check", ok=True)
    parts = [
        "writer handed the task over to you: check",
        "The user's request: Report on AI",
        "At work so far: researcher → writer",
        '{"researcher":{"facts":[1,2]},"writer":{"ok":true}}',
        "- writer: writes",
        "If you do not hand over, your answer ends the work.",
    ]
    places = [line.told.index(part) for part in parts]
    assert places == sorted(places)


def test_later_facts_of_a_member_join_its_earlier_ones() -> None:
    line = Line().hands_to("writer", a=1, b=1).hands_to("researcher").hands_to("writer", b=2)
    assert '{"researcher":{"a":1,"b":2}}' in line.told


def test_files_and_data_of_the_request_reach_every_member() -> None:
    attached = (FilePart("image/png", uri="https://example.org/a.png"), DataPart({"n": 1}))
    line = Line(message=Message("user", (TextPart("Look"), *attached)))
    assert line.child.delegated.message.parts[:3] == (TextPart("Look"), *attached)
    line.hands_to("writer")
    assert line.child.delegated.message.parts[1:] == attached


def test_nothing_of_another_members_answer_is_told_but_what_it_handed_over() -> None:
    line = Line().ends(text="private thoughts", handoff=e.Handoff("writer", "write"))
    assert "private thoughts" not in line.told


# ---- members that cannot hand over ----


def test_a_member_that_cannot_hand_over_gives_its_answer_back_to_the_giver() -> None:
    line = Line().hands_to("counter", "count them")
    assert line.child.delegated.handoffs == ()
    assert "handoff_to_agent" not in line.told
    line.ends(text="42 words")
    assert line.types == ["node.completed", "handoff.made", "node.started", "task.delegated"]
    assert line.recorded[1].event == e.HandoffMade("counter", "researcher", "42 words", {"answer": "42 words"})
    assert line.told.startswith("counter, to whom you had handed the task over, answered: 42 words")
    assert line.run.contexts == {"counter": {"answer": "42 words"}}
    assert line.ends(text="done").outcome.text == "done"


def test_a_structured_answer_that_is_given_back_is_shared_as_it_is() -> None:
    line = Line().hands_to("counter").ends(output={"words": 42})
    assert line.run.contexts == {"counter": {"answer": {"words": 42}}}
    assert 'answered: {"words":42}' in line.told


def test_answers_that_are_given_back_are_no_handoffs_of_the_limit() -> None:
    line = Line(swarm(max_handoffs=2)).hands_to("counter").ends(text="1").hands_to("counter").ends(text="2")
    assert line.child.delegated.target.participant == "researcher"
    assert line.hands_to("writer").outcome.reason == "limit_handoffs"


def test_as_the_entry_it_ends_the_work() -> None:
    line = Line(swarm(entry="counter"))
    assert line.told == "do it"
    assert line.ends(text="42").outcome.text == "42"


# ---- the form asked for ----

SCHEMA = {"type": "object", "required": ["n"]}


def test_the_schema_of_the_answer_goes_to_whoever_may_give_the_answer() -> None:
    line = Line(output_schema=SCHEMA)
    assert line.child.delegated.output_schema == SCHEMA
    assert line.hands_to("counter").child.delegated.output_schema is None
    assert line.ends(text="42").child.delegated.output_schema == SCHEMA
    assert line.ends(text='{"n": 1}').outcome.output == {"n": 1}


@pytest.mark.parametrize("answer", [{"text": "no json"}, {"output": {"m": 1}}])
def test_an_answer_that_does_not_fit_the_schema_is_a_failure(answer: dict[str, Any]) -> None:
    outcome = Line(output_schema=SCHEMA).ends(**answer).outcome
    assert outcome.reason == "output_invalid"
    assert "researcher" in outcome.text


# ---- failures ----


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        ("failed", "limit_turns", "limit_turns"),
        ("failed", "", "member_failed"),
        ("failed", "undeliverable", "member_failed"),
        ("rejected", "", "member_failed"),
        ("canceled", "somebody did not like it", "member_failed"),
    ],
)
def test_a_member_that_does_not_finish_fails_the_task_and_is_named(state: str, reason: str, expected: str) -> None:
    line = Line().ends(state, "it broke", reason=reason)
    assert line.types == ["node.completed", "task.failed"]
    assert (line.outcome.state, line.outcome.reason) == ("failed", expected)
    assert line.outcome.text.startswith(f"The member researcher did not finish: {state}")
    assert line.outcome.text.endswith("it broke")


def test_a_handoff_to_nobody_on_the_bus_gives_the_task_back_to_the_giver() -> None:
    line = Line().hands_to("writer").is_nobody()
    assert line.types == ["node.completed", "node.started", "task.delegated"]
    assert line.recorded[0].event.state == "failed"  # type: ignore[attr-defined]
    assert line.child.delegated.target.participant == "researcher"
    assert "handoff to writer failed: no participant named writer is on the bus" in line.told
    assert "Hand over to somebody else (counter)" in line.told
    assert line.run.path == ("researcher", "writer", "researcher")
    assert line.ends(text="I did it myself").outcome.text == "I did it myself"


def test_handing_over_to_nobody_again_and_again_ends_at_the_limit_of_iterations() -> None:
    line = Line(swarm(max_iterations=5))
    for _ in range(2):
        line.hands_to("writer").is_nobody()
    assert line.hands_to("writer").outcome.reason == "limit_iterations"


def test_an_entry_that_is_nobody_on_the_bus_fails_the_task() -> None:
    outcome = Line().is_nobody().outcome
    assert outcome.reason == "member_failed"
    assert "nobody" in outcome.text


@pytest.mark.parametrize("target", ["boss", ""])
def test_a_handoff_to_a_name_that_is_no_member_any_more_fails_and_lists_the_members(target: str) -> None:
    line = Line().hands_to(target)
    assert line.types == ["node.completed", "task.failed"]
    assert line.outcome.reason == "definition_changed"
    assert "researcher, writer, counter" in line.outcome.text


def test_the_member_at_work_still_ends_the_work_if_it_is_no_member_any_more() -> None:
    line = Line().hands_to("writer")
    line.policy = swarm(members=MEMBERS[:1])
    assert line.ends(text="done").outcome.text == "done"


def test_an_answer_for_a_giver_that_is_no_member_any_more_fails() -> None:
    line = Line().hands_to("writer").hands_to("counter")
    line.policy = swarm(members=(MEMBERS[0], MEMBERS[2]))
    assert line.ends(text="42").outcome.reason == "definition_changed"


def test_a_task_that_was_begun_by_what_was_no_swarm_then_fails() -> None:
    started = e.Recorded(e.TaskStarted("w0"), "t", attempt=1)
    records, _ = follow(swarm(), START, [submitted("t")], [started])
    assert [item.event.reason for item in records] == ["definition_changed"]  # type: ignore[attr-defined]


# ---- limits ----


def test_max_handoffs_ends_the_task_naming_limit_value_and_who_was_next() -> None:
    line = Line(swarm(max_handoffs=2)).hands_to("writer").hands_to("researcher")
    line.hands_to("writer")
    assert line.types == ["node.completed", "task.failed"]
    assert line.outcome.reason == "limit_handoffs"
    assert "max_handoffs=2" in line.outcome.text
    assert "writer" in line.outcome.text
    assert isinstance(line.outcome.run, SwarmRun)
    assert set(line.outcome.run.results) == {"researcher", "writer"}  # partial results are kept


def test_max_iterations_ends_the_task() -> None:
    outcome = Line(swarm(max_iterations=2)).hands_to("writer").hands_to("researcher").outcome
    assert outcome.reason == "limit_iterations"
    assert "max_iterations=2" in outcome.text


def test_max_iterations_counts_answers_that_are_given_back() -> None:
    outcome = Line(swarm(max_iterations=2)).hands_to("counter").ends(text="42").outcome
    assert outcome.reason == "limit_iterations"


def test_too_few_members_in_the_last_stints_end_the_task() -> None:
    line = Line(swarm(window=4, min_unique=3)).hands_to("writer").hands_to("researcher").hands_to("writer")
    line.hands_to("researcher")
    assert line.outcome.reason == "repetitive_handoff"
    assert "repetitive_handoff_min_unique_agents=3" in line.outcome.text
    assert "The last 4 stints" in line.outcome.text


def test_enough_different_members_in_the_last_stints_go_on() -> None:
    line = Line(swarm(window=3, min_unique=2)).hands_to("writer").hands_to("researcher").hands_to("writer")
    assert line.run.path[-1] == "writer"


def test_the_tasks_own_time_ends_it_and_the_member_is_told_to_end() -> None:
    line = Line(swarm(execution_timeout=60.0))
    child = line.child.delegated
    line.time_up("")
    assert line.outcome.reason == "limit_execution_time"
    assert "execution_timeout=60 seconds" in line.outcome.text
    assert [orphan.task for orphan in line.state.orphans] == [child.child]


def test_a_members_time_ends_the_task_and_the_member_is_told_to_end() -> None:
    line = Line(swarm(node_timeout=30.0))
    child = line.child.delegated
    line.time_up()
    assert line.types == ["node.completed", "task.failed"]
    assert line.outcome.reason == "limit_node_time"
    assert "node_timeout=30 seconds" in line.outcome.text
    assert [orphan.task for orphan in line.state.orphans] == [child.child]


def test_the_time_of_a_stint_that_has_ended_does_not_matter() -> None:
    line = Line().hands_to("writer").time_up("researcher#1")
    assert line.types == []


def test_an_answer_that_arrives_together_with_the_end_of_the_time_counts_and_a_handoff_does_not() -> None:
    for handoff, expected in ((None, "completed"), (e.Handoff("writer"), "failed")):
        line = Line()
        given = line.child.delegated
        line.entry(
            arrived(e.TimerFired(timer_of("t", "")), "t", "in-timer"),
            arrived(e.TaskOutcome(given.target, "completed", assistant("x"), call=given.call, handoff=handoff), "t", "in-end"),
        )
        assert line.types == ["node.completed", f"task.{expected}"]


@pytest.mark.parametrize("bound", ["execution_timeout", "node_timeout"])
def test_no_timer_is_armed_for_a_bound_that_is_off(bound: str) -> None:
    line = Line(swarm(**{bound: None}))
    assert (line.task.timeout is None) == (bound == "execution_timeout")
    assert (line.task.timeouts == {}) == (bound == "node_timeout")


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(total_tokens=15), "limit_total_tokens"),
        (Limits(output_tokens=5), "limit_output_tokens"),
        (Limits(seconds=2.0), "limit_seconds"),
    ],
)
def test_the_tasks_limits_hold_for_all_members_together(limits: Limits, reason: str) -> None:
    line = Line(limits=limits)
    assert line.child.delegated.limits == msgspec.structs.replace(limits, turns=None)
    assert line.ends(elapsed_ms=2000, handoff=e.Handoff("writer")).outcome.reason == reason


def test_turns_are_no_limit_of_a_swarm() -> None:
    line = Line(limits=Limits(turns=0)).hands_to("writer").hands_to("researcher")
    assert line.child.delegated.limits is None


def test_a_swarm_too_far_down_the_chain_fails_and_names_the_chain() -> None:
    outcome = Line(chain=tuple(f"p{number}" for number in range(MAX_DEPTH - 1))).outcome
    assert outcome.reason == "depth"
    assert "p0 → p1" in outcome.text
    assert "swarm" in outcome.text


# ---- cancel, takeover, questions ----


def test_a_cancel_ends_the_task_and_its_member_is_told_to_end() -> None:
    line = Line().hands_to("writer")
    child = line.child.delegated
    line.cancel()
    assert line.outcome.state == "canceled"
    assert [(orphan.target, orphan.task) for orphan in line.state.orphans] == [(child.target, child.child)]


def test_the_end_of_a_member_of_a_canceled_task_changes_nothing() -> None:
    line = Line()
    given = line.child.delegated
    line.cancel()
    line.entry(arrived(e.TaskOutcome(given.target, "completed", assistant("x"), call=given.call), "t", "in-late"))
    assert line.types == []


def test_a_process_that_takes_over_records_only_that_however_many_came_before() -> None:
    line = Line()
    for _ in range(8):
        line.take_over()
        assert line.types == []
    assert line.ends(text="done").outcome.text == "done"


def test_a_question_of_a_member_is_passed_on_and_its_time_does_not_run_out() -> None:
    line = Line()
    given = line.child.delegated
    line.tell(e.TaskQuestion(given.target, given.child, given.call, "q", user("which?"), "researcher"))
    assert line.types == ["input.required"]
    assert line.time_up().types == line.time_up("").types == []
    assert line.entry(arrived(e.TaskInput("q", user("both")), "t", "in-answer")).types == ["input.answered"]


def test_the_next_task_waits_until_the_swarm_has_answered() -> None:
    line = Line().send("t2")
    assert line.types == []
    assert line.ends(text="done").types == ["node.completed", "task.completed", "task.started", "node.started", "task.delegated"]


# ---- laws ----

Act = Callable[[Line], Line]

ACTS: dict[str, Act] = {
    "answer": lambda line: line.ends(text="done"),
    "to writer": lambda line: line.hands_to("writer", fact=1),
    "to researcher": lambda line: line.hands_to("researcher"),
    "to counter": lambda line: line.hands_to("counter"),
    "to nobody": lambda line: line.hands_to("ghost"),
    "fail": lambda line: line.ends("failed", "broken", reason="limit_turns"),
    "canceled below": lambda line: line.ends("canceled", reason="why not"),
    "undeliverable": lambda line: line.is_nobody(),
    "node time": lambda line: line.time_up(),
    "task time": lambda line: line.time_up(""),
    "cancel": lambda line: line.entry(arrived(e.TaskCancel(), line.task.id, f"stop-{len(line.log)}")),
    "take over": lambda line: line.take_over(),
    "another task": lambda line: line.send(f"t{len(line.log)}"),
}
LIKELY = ["answer", "to writer", "to researcher", "to counter", "undeliverable", "take over"]
acts = st.lists(st.sampled_from(LIKELY * 3 + list(ACTS)), max_size=25)
bounds = st.fixed_dictionaries(
    {
        "max_handoffs": st.integers(1, 6),
        "max_iterations": st.integers(1, 8),
        "window": st.sampled_from([0, 3]),
        "min_unique": st.just(2),
        "reset": st.booleans(),
    }
)


def play(script: list[str], **changes: Any) -> Line:
    line = Line(swarm(**changes))
    for act in script:
        line = line.send(f"t{len(line.log)}") if line.state.active is None else ACTS[act](line)
    return line


@given(acts, bounds)
def test_from_every_prefix_of_the_log_the_same_follows(script: list[str], changes: dict[str, Any]) -> None:
    line = play(script, **changes)
    state = START
    for number, cause in enumerate(line.causes):
        assert swarm(**changes).decide(state).record == ()
        records, after = follow(cause.policy, state, cause.consumed, cause.before)
        assert records == cause.records
        state = fold_log(line.log[: number + 1], line.incoming, START)
        assert seal(after, state.head) == state
    assert state == line.state


@given(acts, bounds)
def test_at_rest_one_member_is_at_work_or_nothing_is(script: list[str], changes: dict[str, Any]) -> None:
    line = play(script, **changes)
    assert swarm(**changes).decide(line.state).record == ()
    if line.state.active is None:
        assert line.state.queue == ()
    else:
        assert line.child.open
        assert line.child.delegated.target.participant == line.run.current


@given(acts, bounds)
def test_no_task_goes_beyond_its_bounds(script: list[str], changes: dict[str, Any]) -> None:
    line = play(script, **changes)
    runs = [outcome.run for _, outcome in line.state.finished.items()]
    runs.append(line.run if line.state.active is not None else None)
    for run in runs:
        if isinstance(run, SwarmRun):
            assert len(run.path) <= changes["max_iterations"]
            assert run.handoffs - run.handoffs_by.get("counter", 0) <= changes["max_handoffs"]


@given(st.lists(st.sampled_from(["to writer", "to researcher", "to counter", "undeliverable"]), min_size=8, max_size=8))
def test_members_that_never_answer_come_to_an_end(script: list[str]) -> None:
    line = Line(swarm(max_iterations=8))
    for act in script:
        if line.state.active is not None:
            line = ACTS[act](line)
    assert line.outcome.state == "failed"
