"""A node that runs once for each item of a list."""

from __future__ import annotations

import msgspec
from graph_line import GraphLine, people

from busagents.domain import events as e
from busagents.domain.decision import ReduceOutputs
from busagents.domain.graph import Edge, Graph, Node
from busagents.domain.messages import Usage, assistant, user
from busagents.domain.thread import apply_events

A, B, C = people("abc")


def over(**options: object) -> Graph:
    """a gives a list, b works on each item, c goes on."""
    return Graph("g", [Edge(A, Node(B, **{"over": "a", **options})), Edge("b", C)])


def test_each_item_is_a_task_of_its_own_at_once() -> None:
    line = GraphLine(over()).ends("a", '["x", {"n": 1}]')
    assert [(item.call, item.message.text) for item in line.delegated] == [("b#1.0", "x"), ("b#1.1", '{"n":1}')]
    assert len({item.target for item in line.delegated}) == 2


def test_the_list_may_be_in_a_field_and_the_item_in_a_template() -> None:
    line = GraphLine(over(over="a.output.l", input="{task}: {item.n} of {a.output.of}"))
    line.ends("a", output={"l": [{"n": 1}, {"n": 2}], "of": 2})
    assert [item.message.text for item in line.delegated] == ["do it: 1 of 2", "do it: 2 of 2"]


def test_the_results_are_a_list_in_the_order_of_the_items() -> None:
    line = GraphLine(over()).ends("a", "[1, 2]").ends("b", "of 2", item=1, elapsed_ms=7)
    assert line.started == []
    line.ends("b", item=0, output={"n": 1}, elapsed_ms=5)
    assert line.started == ["c"]
    ended = line.run.node("b").result
    assert ended is not None
    assert ended.output == [{"n": 1}, "of 2"]
    assert (ended.usage, ended.elapsed_ms) == (Usage(20, 10), 7)
    assert line.asked("c#1").text == 'do it\n\nb:\n[{"n":1},"of 2"]'


def test_an_empty_list_is_done_at_once() -> None:
    line = GraphLine(over()).ends("a", "[]")
    assert line.started == ["b", "c"]
    assert line.run.node("b").result.output == []  # type: ignore[union-attr]


def test_what_is_no_list_fails_the_node() -> None:
    assert GraphLine(over()).ends("a", "words").outcome.reason == "input_failed"
    assert GraphLine(over()).ends("a", '{"l": []}').outcome.reason == "input_failed"


def test_an_item_that_failed_fails_the_node_once_all_have_ended() -> None:
    line = GraphLine(over()).ends("a", "[1, 2]").fails("b", "limit_turns", item=0)
    assert line.recorded == []
    line.ends("b", item=1)
    assert line.outcome.reason == "limit_turns"
    assert "item 0 of 2" in line.outcome.text


def test_a_retry_works_on_every_item_again() -> None:
    line = GraphLine(over(retries=1)).ends("a", "[1, 2]").fails("b", item=0).ends("b", item=1)
    assert [item.call for item in line.delegated] == ["b#2.0", "b#2.1"]


def test_time_that_is_up_lets_go_of_every_item_that_works() -> None:
    line = GraphLine(over(timeout=5)).ends("a", "[1, 2, 3]").ends("b", item=1)
    line.time_is_up("b")
    assert line.outcome.reason == "limit_node_time"
    assert len(line.state.orphans) == 2


def test_a_reducer_is_asked_once_every_item_has_ended() -> None:
    line = GraphLine(over(reduce=len)).ends("a", "[1, 2]").ends("b", item=0)
    assert line.todo == ()
    line.ends("b", item=1)
    assert line.todo == (ReduceOutputs("t", "b", 1),)
    line.tell(e.OutputsReduced("b", 1, assistant("2"), 2))
    assert line.started == ["c"]
    assert line.asked("c#1").text == "do it\n\nb:\n2"


def test_a_reducer_that_raised_fails_the_node() -> None:
    line = GraphLine(over(reduce=len)).ends("a", "[]")
    assert line.todo == (ReduceOutputs("t", "b", 1),)
    line.tell(e.OutputsReduced("b", 1, error="len: TypeError: no"))
    assert line.outcome.reason == "reduce_failed"


def test_what_a_reducer_says_after_its_node_was_given_up_changes_nothing() -> None:
    line = GraphLine(over(reduce=len, timeout=5, retries=1)).ends("a", "[1]").ends("b", item=0)
    line.time_is_up("b")
    line.tell(e.OutputsReduced("b", 1, assistant("late")))
    assert line.run.node("b").reduced is None
    line.ends("b", item=0)
    assert line.todo == (ReduceOutputs("t", "b", 2),)


def test_a_function_may_make_the_list() -> None:
    line = GraphLine(over(over=lambda state: [])).ends("a")
    line.tell(e.InputsChosen("b", 1, (user("x"), user("y")), many=True))
    assert [item.message.text for item in line.delegated] == ["x", "y"]


def test_a_long_list_is_given_away_by_the_hundred() -> None:
    line = GraphLine(over())
    line.ends("a", msgspec.json.encode(list(range(250))).decode(), go=False)
    given: list[list[str]] = []
    while (decision := line.agent.decide(line.state)).record:
        calls = [item.event.call for item in decision.record if isinstance(item.event, e.TaskDelegated)]
        given.append(calls)
        line.state = apply_events(line.state, (), decision.record)
    assert [len(calls) for calls in given] == [100, 100, 50]
    assert [call for calls in given for call in calls] == [f"b#1.{number}" for number in range(250)]


def test_large_items_are_given_away_in_smaller_groups() -> None:
    line = GraphLine(over())
    line.ends("a", msgspec.json.encode(["x" * 50_000] * 12).decode(), go=False)
    given: list[int] = []
    while (decision := line.agent.decide(line.state)).record:
        given.append(sum(isinstance(item.event, e.TaskDelegated) for item in decision.record))
        line.state = apply_events(line.state, (), decision.record)
    assert given == [6, 6]


def test_a_long_list_that_was_given_away_in_part_is_gone_on_with() -> None:
    line = GraphLine(over()).ends("a", msgspec.json.encode(list(range(250))).decode(), go=False)
    decision = line.agent.decide(line.state)
    line.state = apply_events(line.state, (), decision.record)
    line.take_over()
    assert len(line.task.children) == 250
    for number in range(250):
        line.ends("b", str(number), item=number)
    assert line.started == ["c"]
    assert line.run.node("b").result.output == [str(number) for number in range(250)]  # type: ignore[union-attr]


def test_many_nodes_that_follow_one_start_by_the_hundred() -> None:
    names = people(f"n{number}" for number in range(230))
    assert starts(GraphLine(Graph("g", [Edge(A, name) for name in names])).ends("a", go=False)) == [100, 100, 30]
    line = GraphLine(Graph("g", nodes=names))
    assert line.started == [name.name for name in names]


def starts(line: GraphLine) -> list[int]:
    """How many nodes each decision starts from here on."""
    counts: list[int] = []
    while (decision := line.agent.decide(line.state)).record:
        counts.append(sum(isinstance(item.event, e.NodeStarted) for item in decision.record))
        line.state = apply_events(line.state, (), decision.record)
    return counts
