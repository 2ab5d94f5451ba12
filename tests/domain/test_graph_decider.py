"""What a graph starts, when, and how its task ends."""

from __future__ import annotations

import pytest
from graph_line import GraphLine, people, yes
from simulated_shell import submitted

from busagents.domain import events as e
from busagents.domain.decision import ChooseEdges, ChooseInputs
from busagents.domain.graph import Edge, Graph, Node
from busagents.domain.limits import Limits
from busagents.domain.messages import DataPart, Message, TextPart, Usage, assistant
from busagents.domain.state import ThreadState
from busagents.domain.thread import apply_events

A, B, C, D, E, X = people("abcdex")


def chain(**settings: object) -> Graph:
    return Graph("g", [Edge(A, B), Edge(B, C)], **settings)  # type: ignore[arg-type]


def diamond(**settings: object) -> Graph:
    return Graph("g", [Edge(A, B), Edge(A, C), Edge(B, D), Edge(C, D)], **settings)  # type: ignore[arg-type]


def loop(**settings: object) -> Graph:
    """a, then b, which may send it back to a, or on to c."""
    settings = {"max_steps": 10, **settings}
    return Graph("g", [Edge(A, B), Edge(B, A, yes), Edge(B, C, yes)], entry=A, **settings)  # type: ignore[arg-type]


def test_a_chain_runs_one_node_after_the_other_and_answers_with_the_last() -> None:
    line = GraphLine(chain())
    assert line.started == ["a"]
    assert line.ends("a").started == ["b"]
    assert line.ends("b").started == ["c"]
    line.ends("c", "the end")
    assert line.outcome.state == "completed"
    assert line.outcome.text == "the end"
    assert line.outcome.usage == Usage(30, 15)
    assert line.run.order == ("a", "b", "c")


def test_what_follows_from_an_end_without_user_code_is_one_decision() -> None:
    line = GraphLine(chain())
    line.ends("a", go=False)
    decision = line.agent.decide(line.state)
    assert [item.event.type for item in decision.record] == ["node.completed", "edges.chosen", "node.started", "task.delegated"]


def test_nothing_is_outstanding_while_a_node_works() -> None:
    line = GraphLine(chain())
    assert line.todo == ()
    assert line.go().recorded == []


def test_nodes_that_do_not_depend_on_each_other_work_at_once() -> None:
    assert GraphLine(diamond()).ends("a").started == ["b", "c"]
    assert GraphLine(Graph("g", nodes=[A, B, C])).started == ["a", "b", "c"]


def test_a_join_waits_until_each_of_its_edges_is_decided() -> None:
    line = GraphLine(diamond()).ends("a")
    assert line.ends("c").started == []
    assert line.ends("b").started == ["d"]


def test_a_join_runs_when_only_one_of_its_edges_was_taken() -> None:
    graph = Graph("g", [Edge(A, B, yes), Edge(A, C, yes), Edge(B, D), Edge(C, D)])
    line = GraphLine(graph).ends("a")
    assert line.todo == (ChooseEdges("t", "a", 1),)
    assert line.chooses("a", "c").started == ["c"]
    assert e.EdgesChosen("b", skipped=("d",)) in [item.event for item in line.recorded]
    assert line.ends("c").started == ["d"]
    line.ends("d", "done")
    assert line.outcome.text == "done"
    assert line.run.order == ("a", "c", "d")


def test_an_any_join_runs_once_at_the_first_edge_that_is_taken() -> None:
    line = GraphLine(Graph("g", [Edge(A, B), Edge(A, C), Edge(B, D), Edge(C, D)], nodes=[A, B, C, Node(D, join="any")])).ends("a")
    assert line.ends("c").started == ["d"]
    assert line.ends("b").started == []
    line.ends("d", "done")
    assert line.outcome.text == "done"
    assert line.run.node("d").visits == 1


def test_an_any_join_waits_for_a_slower_edge_when_the_first_is_not_taken() -> None:
    nodes = [A, B, C, Node(D, join="any")]
    line = GraphLine(Graph("g", [Edge(A, B), Edge(A, C), Edge(B, D, yes), Edge(C, D)], nodes=nodes)).ends("a")
    assert line.ends("b").chooses("b").started == []
    assert line.ends("c").started == ["d"]


def test_an_any_join_is_not_passed_over_after_it_ran() -> None:
    edges = [Edge(A, B), Edge(A, C), Edge(B, D, yes), Edge(C, D), Edge(D, E)]
    line = GraphLine(Graph("g", edges, nodes=[A, B, C, Node(D, join="any"), E])).ends("a")
    assert line.ends("c").started == ["d"]
    assert line.ends("d").started == ["e"]
    line.ends("b").chooses("b")
    assert line.types == ["edges.chosen"] or line.recorded == []
    line.ends("e", "done")
    assert line.outcome.text == "done"


def test_a_node_to_which_no_edge_is_taken_is_passed_over_and_so_on_down() -> None:
    graph = Graph("g", [Edge(A, B, yes), Edge(B, C), Edge(C, E), Edge(A, D), Edge(D, E)])
    line = GraphLine(graph).ends("a").chooses("a", "d")
    passed = [item.event.node for item in line.recorded if isinstance(item.event, e.EdgesChosen) and not item.event.run]
    assert passed == ["b", "c"]
    assert line.ends("d").started == ["e"]


def test_an_edge_back_starts_its_target_again() -> None:
    line = GraphLine(loop()).ends("a").ends("b")
    assert line.chooses("b", "a").started == ["a"]
    assert line.ends("a").started == ["b"]
    assert line.ends("b").chooses("b", "c").started == ["c"]
    line.ends("c", "done")
    assert line.outcome.text == "done"
    assert line.run.order == ("a", "b", "a", "b", "c")


def test_a_node_that_leads_only_back_is_an_end_when_it_does_not() -> None:
    line = GraphLine(Graph("g", [Edge(A, B), Edge(B, A, yes)], entry=A, max_steps=9)).ends("a").ends("b")
    line.chooses("b", "a").ends("a").ends("b", "good").chooses("b")
    assert line.outcome.text == "good"


def test_a_node_that_did_lead_back_has_no_part_in_the_answer() -> None:
    line = GraphLine(Graph("g", [Edge(A, B, yes), Edge(A, C, yes), Edge(B, A, yes)], entry=A, max_steps=9))
    line.ends("a").chooses("a", "b").ends("b", "not yet").chooses("b", "a").ends("a").chooses("a", "c").ends("c", "done")
    assert line.outcome.text == "done"


def test_an_end_that_was_reached_in_an_earlier_round_is_part_of_the_answer() -> None:
    line = GraphLine(Graph("g", [Edge(A, B, yes), Edge(A, C, yes), Edge(B, A, yes)], entry=A, max_steps=9))
    line.ends("a").chooses("a", "b", "c").ends("c", "early").ends("b").chooses("b", "a").ends("a").chooses("a")
    assert line.outcome.text == "early"


def test_a_node_may_lead_back_to_itself() -> None:
    line = GraphLine(Graph("g", [Edge(A, A, yes)], entry=A, max_steps=9)).ends("a")
    assert line.chooses("a", "a").started == ["a"]
    line.ends("a", "good").chooses("a")
    assert line.outcome.text == "good"


def test_a_diamond_inside_a_cycle_joins_again_in_each_round() -> None:
    edges = [Edge(A, B), Edge(A, C), Edge(B, D), Edge(C, D), Edge(D, A, yes)]
    line = GraphLine(Graph("g", edges, entry=A, max_steps=20)).ends("a").ends("b").ends("c").ends("d").chooses("d", "a")
    assert line.ends("a").started == ["b", "c"]
    assert line.ends("b").started == []
    assert line.ends("c").started == ["d"]
    line.ends("d", "done").chooses("d")
    assert line.outcome.text == "done"


def test_an_any_join_inside_a_cycle_runs_once_in_each_round() -> None:
    edges = [Edge(A, B), Edge(A, C), Edge(B, D), Edge(C, D), Edge(D, A, yes)]
    graph = Graph("g", edges, nodes=[A, B, C, Node(D, join="any")], entry=A, max_steps=20)
    line = GraphLine(graph).ends("a").ends("b").ends("c").ends("d").chooses("d", "a").ends("a")
    assert line.ends("c").started == ["d"]
    assert line.ends("b").started == []


def test_a_branch_that_was_taken_in_one_round_may_be_passed_over_in_the_next() -> None:
    edges = [Edge(A, B, yes), Edge(A, C, yes), Edge(B, D), Edge(C, D), Edge(D, A, yes)]
    line = GraphLine(Graph("g", edges, entry=A, max_steps=20)).ends("a").chooses("a", "b").ends("b", "of b").ends("d")
    line.chooses("d", "a").ends("a").chooses("a", "c")
    assert line.ends("c", "of c").started == ["d"]
    assert line.asked("d#2").text == "do it\n\nc:\nof c"


def test_the_limit_of_node_runs_fails_the_task_and_names_itself() -> None:
    line = GraphLine(loop(max_steps=3)).ends("a").ends("b").chooses("b", "a").ends("a")
    assert line.outcome.reason == "limit_steps"
    assert "max_steps" in line.outcome.text
    line = GraphLine(loop(max_steps=None, nodes=[Node(A, max_runs=2)]))
    for _ in range(2):
        line.ends("a").ends("b").chooses("b", "a")
    assert line.outcome.reason == "limit_node_runs"
    assert "max_runs" in line.outcome.text


def test_an_entry_is_asked_the_task_as_it_came() -> None:
    message = Message("user", (TextPart("look"), DataPart({"x": 1})))
    assert GraphLine(chain(), message=message).asked("a#1") == message


def test_others_are_asked_the_task_and_what_led_to_them_in_order_of_declaration() -> None:
    line = GraphLine(diamond()).ends("a").ends("c", "of c").ends("b", "of b")
    assert line.asked("d#1").text == "do it\n\nb:\nof b\n\nc:\nof c"


def test_a_template_says_what_a_node_is_asked() -> None:
    node = Node(B, input="{{x}} {task}: {a}, {a.output.n}, {a.output.l.1}")
    line = GraphLine(Graph("g", [Edge(A, node)]))
    line.ends("a", "text", output={"n": 3, "l": ["p", "q"]})
    assert line.asked("b#1").text == "{x} do it: text, 3, q"


def test_a_field_that_the_output_does_not_have_fails_the_node() -> None:
    line = GraphLine(Graph("g", [Edge(A, Node(B, input="{a.output.n}"))])).ends("a", output={"m": 1})
    assert line.outcome.reason == "input_failed"
    assert "'n'" in line.outcome.text


def test_a_function_says_what_a_node_is_asked_and_is_recorded() -> None:
    line = GraphLine(Graph("g", [Edge(A, Node(B, input=lambda state: "x"))])).ends("a")
    assert line.todo == (ChooseInputs("t", "b", 1),)
    assert line.started == []
    line.tell(e.InputsChosen("b", 1, (assistant("made"),)))
    assert line.asked("b#1").text == "made"


def test_an_entry_may_have_its_input_made_while_others_work() -> None:
    line = GraphLine(Graph("g", nodes=[Node(A, input=lambda state: "x"), B]))
    assert line.started == ["b"]
    line.ends("b")
    line.tell(e.InputsChosen("a", 1, (assistant("made"),)))
    assert line.started == ["a"]
    line.ends("a")
    assert line.outcome.state == "completed"


def test_an_input_function_that_raised_fails_the_node() -> None:
    line = GraphLine(Graph("g", [Edge(A, Node(B, input=lambda state: "x"))])).ends("a")
    line.tell(e.InputsChosen("b", 1, error="ValueError: no"))
    assert line.outcome.reason == "input_failed"
    assert "ValueError: no" in line.outcome.text


def test_several_ends_answer_each_under_its_id() -> None:
    line = GraphLine(Graph("g", [Edge(A, B), Edge(A, C)])).ends("a").ends("c", "of c").ends("b", "of b")
    assert line.outcome.text == "b:\nof b\n\nc:\nof c"
    assert line.outcome.output is None


def test_structured_output_of_the_end_is_the_graphs() -> None:
    line = GraphLine(chain()).ends("a").ends("b").ends("c", '{"n": 1}', output={"n": 1})
    assert line.outcome.output == {"n": 1}


def test_a_node_with_an_output_type_asks_for_its_schema_and_reads_it_from_text() -> None:
    line = GraphLine(Graph("g", nodes=[Node(A, output_type=list[int])]))
    assert line.delegated[0].output_schema == {"type": "array", "items": {"type": "integer"}}
    line.ends("a", "[1, 2]")
    assert line.outcome.output == [1, 2]
    line = GraphLine(Graph("g", nodes=[Node(A, output_type=list[int])])).ends("a", "no list")
    assert line.outcome.reason == "output_invalid"


def test_a_failed_node_fails_the_graph_with_its_error_and_leaves_the_others_alone() -> None:
    line = GraphLine(diamond()).ends("a").fails("b", "limit_turns", "too long")
    assert line.outcome.reason == "limit_turns"
    assert "'b'" in line.outcome.text
    assert "too long" in line.outcome.text
    assert [orphan.target.participant for orphan in line.state.orphans] == ["c"]


def test_a_child_that_nobody_takes_is_a_failure_like_others() -> None:
    line = GraphLine(chain())
    line.tell(e.TaskUndeliverable("a#1", "no participant 'a'"))
    assert line.outcome.reason == "undeliverable"


@pytest.mark.parametrize("state", ["canceled", "rejected"])
def test_a_child_that_was_canceled_or_rejected_fails_the_graph(state: str) -> None:
    assert GraphLine(chain()).ends("a", state=state).outcome.reason == state


def test_a_failed_node_is_tried_again_in_a_new_thread_and_then_fails() -> None:
    line = GraphLine(Graph("g", [Edge(A, B)], nodes=[Node(A, retries=1)]))
    first = line.delegated[0].target
    assert line.fails("a").started == ["a"]
    assert line.delegated[0].target != first
    assert line.delegated[0].message.text == "do it"
    assert line.fails("a").outcome.reason == "error"


def test_a_retry_that_succeeds_goes_on() -> None:
    line = GraphLine(Graph("g", [Edge(A, B)], nodes=[Node(A, retries=1)])).fails("a")
    assert line.ends("a").started == ["b"]
    assert line.run.node("a").visits == 1


def test_an_error_edge_is_taken_on_failure_and_not_otherwise() -> None:
    graph = Graph("g", [Edge(A, B), Edge(A, C, on_error=True)])
    line = GraphLine(graph)
    assert line.fails("a", text="broken").started == ["c"]
    assert line.asked("c#1").text == "do it\n\na:\nbroken"
    line.ends("c", "mended")
    assert line.outcome.text == "mended"
    assert GraphLine(graph).ends("a").started == ["b"]


def test_an_error_edge_comes_after_the_retries() -> None:
    line = GraphLine(Graph("g", [Edge(A, C, on_error=True)], nodes=[Node(A, retries=1)]))
    assert line.fails("a").started == ["a"]
    assert line.fails("a").started == ["c"]


def test_an_error_edge_whose_condition_does_not_hold_leaves_the_failure_to_the_graph() -> None:
    line = GraphLine(Graph("g", [Edge(A, B), Edge(A, C, yes, on_error=True)])).fails("a", "timeout")
    assert line.chooses("a").outcome.reason == "timeout"


def test_a_node_whose_failure_may_pass_ends_only_its_branch() -> None:
    line = GraphLine(diamond(nodes=[Node(B, on_error="continue")])).ends("a").fails("b")
    assert line.ends("c", "of c").started == ["d"]
    assert line.asked("d#1").text == "do it\n\nc:\nof c"


def test_a_graph_in_which_no_end_is_reached_is_stuck_and_not_done() -> None:
    line = GraphLine(Graph("g", [Edge(A, B, yes)])).ends("a").chooses("a")
    assert line.outcome.state == "failed"
    assert line.outcome.reason == "stuck"
    line = GraphLine(chain(nodes=[Node(A, on_error="continue")])).fails("a")
    assert line.outcome.reason == "stuck"


def test_a_condition_that_raised_fails_the_task() -> None:
    line = GraphLine(Graph("g", [Edge(A, B, yes)])).ends("a").chooses("a", error="edge a → b: KeyError: 'x'")
    assert line.outcome.reason == "condition_failed"
    assert "edge a → b" in line.outcome.text


def test_the_time_of_a_task_is_bounded() -> None:
    line = GraphLine(chain(execution_timeout=5))
    assert line.task.timeout == 5
    assert line.time_is_up().outcome.reason == "limit_execution_time"
    assert [orphan.target.participant for orphan in line.state.orphans] == ["a"]


def test_the_time_of_a_node_is_bounded_and_its_task_let_go() -> None:
    line = GraphLine(chain(node_timeout=5, nodes=[Node(A, retries=1)]))
    assert line.time_is_up("a").started == ["a"]
    assert len(line.state.orphans) == 1
    assert line.time_is_up("a").outcome.reason == "limit_node_time"


def test_no_node_starts_once_the_tokens_are_spent() -> None:
    line = GraphLine(chain(limits=Limits(turns=None, total_tokens=10))).ends("a")
    assert line.outcome.reason == "limit_total_tokens"


def test_a_graph_at_the_bottom_of_a_long_chain_passes_nothing_on() -> None:
    line = GraphLine(chain(), chain=tuple(f"p{number}" for number in range(9)))
    assert line.outcome.reason == "depth"


def test_a_cancel_ends_the_task_and_its_nodes() -> None:
    line = GraphLine(diamond()).ends("a")
    line.cancel()
    assert line.outcome.state == "canceled"
    assert len(line.state.orphans) == 2


def test_the_same_participant_under_two_ids_has_a_thread_for_each() -> None:
    line = GraphLine(Graph("g", nodes=[Node(A, "one"), Node(A, "two")]))
    one, two = line.delegated
    assert one.target.participant == two.target.participant == "a"
    assert one.target != two.target


def test_a_node_that_runs_again_remembers_unless_it_is_to_begin_anew() -> None:
    def threads(graph: Graph) -> set[str]:
        line = GraphLine(graph)
        found = {line.delegated[0].target.thread}
        line.ends("a").ends("b").chooses("b", "a")
        return found | {line.delegated[0].target.thread}

    assert len(threads(loop())) == 1
    assert len(threads(loop(reset_on_revisit=True))) == 2


def test_a_takeover_goes_on_where_the_log_ends() -> None:
    line = GraphLine(diamond()).ends("a").ends("b")
    line.take_over()
    assert line.types == ["task.started"]
    assert line.ends("c").started == ["d"]


def test_a_graph_that_changed_while_it_ran_keeps_what_was_decided() -> None:
    line = GraphLine(chain()).ends("a")
    line.agent = GraphLine(Graph("g", [Edge(A, B), Edge(B, X)])).agent
    assert line.ends("b").started == ["x"]


def test_a_node_that_is_gone_fails_the_task_and_is_not_waited_for() -> None:
    line = GraphLine(chain()).ends("a")
    line.agent = GraphLine(Graph("g", [Edge(A, X)])).agent
    line.go()
    assert line.outcome.reason == "definition_changed"


def test_a_task_that_another_kind_of_participant_began_fails() -> None:
    line = GraphLine(chain())
    line.state = apply_events(ThreadState(), [submitted("t")], [e.Recorded(e.TaskStarted("w0"), "t", attempt=1)])
    line.go()
    assert line.outcome.reason == "definition_changed"
