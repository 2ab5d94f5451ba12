"""A graph at work: its conditions, inputs and reducers run once, in the form they have, and see what was recorded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from busagents import FunctionTask, agent
from busagents.adapters.memory.bus import MemoryBus
from busagents.adapters.memory.store import MemoryStore
from busagents.domain.graph import Edge, Graph, Node
from busagents.domain.graph_decider import graph_policy
from busagents.domain.graph_state import GraphState, NodeResult
from busagents.errors import TaskFailed
from busagents.runtime.client.client import Client
from busagents.runtime.clock import SystemClock
from busagents.runtime.graph_performer import GraphPerformer
from busagents.runtime.journal import Journal
from busagents.runtime.status import StatusWriter
from busagents.runtime.worker import Worker
from tests.support.log_checks import checked_events, types
from tests.support.workers import working

PATIENCE = 30


@agent("echo")
async def echo(task: FunctionTask) -> str:
    return task.text


@agent("shout")
async def shout(task: FunctionTask) -> str:
    return task.text.upper()


@agent("broken")
async def broken(task: FunctionTask) -> str:
    raise ValueError("no")


@asynccontextmanager
async def one_process(graph: Graph, store: MemoryStore) -> AsyncIterator[None]:
    """A process of the graph, which drains when the block ends."""
    bus, clock, stop, ready = MemoryBus(store, ack_wait=5.0), SystemClock(), asyncio.Event(), asyncio.Event()
    policy, performer, journal = graph_policy(graph, "w"), GraphPerformer(graph), Journal(bus, clock, always_replay=True)
    worker = Worker(bus, clock, journal, graph.name, policy, performer, slots=8, heartbeat=2, status=StatusWriter(None))
    running = asyncio.create_task(worker.run(ready.set, stop))
    await ready.wait()
    try:
        yield
    finally:
        stop.set()
        await running
        await bus.close()


@asynccontextmanager
async def at_work(graph: Graph) -> AsyncIterator[Client]:
    """The functions above and the graph, on one bus."""
    store = MemoryStore()
    async with working(store, echo, shout, broken) as client, one_process(graph, store):
        yield client


async def answer_of(graph: Graph, text: str = "hello", **options: Any) -> str:
    async with at_work(graph) as client:
        task = await client.send(graph.name, text, session="s", **options)
        return (await task.result(timeout=PATIENCE)).text


async def failure_of(graph: Graph) -> TaskFailed:
    with pytest.raises(TaskFailed) as caught:
        await answer_of(graph)
    return caught.value


async def test_functions_work_one_after_the_other() -> None:
    assert await answer_of(Graph("g", [Edge(echo, shout)], nodes=[echo, Node(shout, input="{echo} {task}")])) == "HELLO HELLO"


async def test_conditions_are_sync_or_async_and_see_the_state() -> None:
    seen: list[GraphState] = []
    threads: list[bool] = []

    def long(state: GraphState) -> bool:
        seen.append(state)
        threads.append(threading.current_thread() is threading.main_thread())
        return len(state.text("echo")) > 100

    async def short(state: GraphState, *, invocation_state: dict[str, Any]) -> bool:
        await asyncio.sleep(0)
        return not long(state) and invocation_state == {}

    two = Node(echo, "two", input="short")
    assert await answer_of(Graph("g", [Edge(echo, shout, long), Edge(echo, two, short)])) == "short"
    assert threads == [False, True]
    state = seen[0]
    assert (state.task.text, state.task.session) == ("hello", "s")
    assert (state.completed, state.failed, state.execution_order) == (("echo",), (), ("echo",))
    assert state.results["echo"].run == 1


async def test_a_condition_runs_once_for_each_end_of_its_source() -> None:
    asked: list[int] = []

    def again(state: GraphState) -> bool:
        asked.append(len(state.execution_order))
        return len(asked) < 3

    await answer_of(Graph("g", [Edge(echo, echo, again)], entry=echo, max_steps=9))
    assert asked == [1, 2, 3]


async def test_a_condition_that_raises_fails_the_task_and_names_its_edge() -> None:
    def wrong(state: GraphState) -> bool:
        raise KeyError("x")

    failure = await failure_of(Graph("g", [Edge(echo, shout, wrong)]))
    assert failure.reason == "condition_failed"
    assert "wrong on the edge echo → shout raised KeyError: 'x'" in str(failure)


async def test_a_condition_that_exits_fails_the_task_and_not_the_process() -> None:
    def leave(state: GraphState) -> bool:
        raise SystemExit(3)

    assert (await failure_of(Graph("g", [Edge(echo, shout, leave)]))).reason == "condition_failed"


async def test_an_error_edge_leads_on_from_a_failure() -> None:
    def said_no(state: GraphState) -> bool:
        return "no" in state.results["broken"].text and state.failed == ("broken",)

    assert await answer_of(
        Graph("g", [Edge(broken, shout), Edge(broken, Node(echo, input="{broken}"), said_no, on_error=True)])
    ) == ("ValueError: no")


async def test_a_function_makes_what_a_node_is_asked() -> None:
    async def question(state: GraphState) -> str:
        return f"about {state.task.text}"

    assert await answer_of(Graph("g", nodes=[Node(echo, input=question)])) == "about hello"
    assert await answer_of(Graph("g", nodes=[Node(echo, input=lambda state: {"n": 1})])) == '{"n":1}'


async def test_an_input_function_whose_result_is_no_json_fails_the_node() -> None:
    failure = await failure_of(Graph("g", nodes=[Node(echo, input=lambda state: object())]))
    assert failure.reason == "input_failed"
    assert "not JSON" in str(failure)


async def test_a_list_is_worked_on_at_once_and_joined_as_json() -> None:
    many = Node(shout, over=lambda state: list("abc"), input="<{item}>")
    assert await answer_of(Graph("g", nodes=[many])) == '["<A>","<B>","<C>"]'


async def test_an_over_function_that_returns_no_list_fails_the_node() -> None:
    failure = await failure_of(Graph("g", nodes=[Node(shout, over=lambda state: 3)]))
    assert failure.reason == "input_failed"
    assert "return a list" in str(failure)


async def test_a_reducer_makes_one_result_of_many() -> None:
    def total(results: list[NodeResult]) -> str:
        return "+".join(result.text for result in results)

    assert await answer_of(Graph("g", nodes=[Node(shout, over="task", reduce=total)]), '["a", "b"]') == "A+B"
    assert await answer_of(Graph("g", nodes=[Node(shout, over="task", reduce=total)]), "[]") == ""
    assert (
        await answer_of(Graph("g", nodes=[Node(shout, over="task", reduce=lambda results: {"n": len(results)})]), '["a"]')
        == '{"n":1}'
    )


async def test_a_reducer_that_raises_fails_the_node() -> None:
    def wrong(results: list[NodeResult]) -> str:
        raise LookupError("gone")

    async with at_work(Graph("g", nodes=[Node(shout, over="task", reduce=wrong)])) as client:
        task = await client.send("g", '["a"]', session="s")
        with pytest.raises(TaskFailed, match="wrong: LookupError: gone"):
            await task.result(timeout=PATIENCE)


async def test_structured_results_are_of_the_declared_type() -> None:
    @dataclass
    class Found:
        n: int

    def enough(state: GraphState) -> bool:
        found = state.output("echo")
        return isinstance(found, Found) and found.n == 3

    assert (
        await answer_of(
            Graph("g", [Edge(Node(echo, output_type=Found), Node(shout, input="{echo.output.n}"), enough)]), '{"n": 3}'
        )
        == "3"
    )


async def test_what_functions_said_is_in_the_log_and_each_task_ends_once() -> None:
    graph = Graph("g", [Edge(echo, Node(shout, over=lambda state: ["a"], reduce=lambda results: "x"), lambda state: True)])
    async with at_work(graph) as client:
        task = await client.send("g", "hello", session="s")
        await task.result(timeout=PATIENCE)
        told = types(await checked_events(client, "s"))
    assert [told.count(kind) for kind in ("edges.chosen", "inputs.chosen", "outputs.reduced", "task.completed")] == [2, 1, 1, 3]


async def test_a_condition_that_answers_after_its_graph_failed_changes_nothing() -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(state: GraphState) -> bool:
        asked.set()
        await go_on.wait()
        return True

    async def wait_for_it(state: GraphState) -> str:
        await asked.wait()
        return "fail"

    graph = Graph("g", [Edge(echo, shout, slow)], nodes=[echo, Node(broken, input=wait_for_it)])
    async with at_work(graph) as client:
        task = await client.send("g", "one", session="s")
        with pytest.raises(TaskFailed, match="ValueError: no"):
            await task.result(timeout=PATIENCE)
        go_on.set()
        again = await client.send("g", "two", session="s")
        with pytest.raises(TaskFailed, match="ValueError: no"):
            await again.result(timeout=PATIENCE)
        await client.replay("s")  # verifies the log


async def test_two_hundred_and_fifty_items_are_joined_in_order() -> None:
    many = Node(
        shout,
        over=lambda state: [f"n{number}" for number in range(250)],
        reduce=lambda results: " ".join(r.text for r in results),
    )
    assert await answer_of(Graph("g", nodes=[many])) == " ".join(f"N{number}" for number in range(250))


async def test_a_condition_that_a_process_did_not_live_to_record_is_asked_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("busagents.runtime.worker._DRAIN_GRACE", 0.1)
    reached, asked = asyncio.Event(), []

    async def first_time_slow(state: GraphState) -> bool:
        asked.append(state.execution_order)
        if len(asked) == 1:
            reached.set()
            await asyncio.sleep(3600)
        return True

    graph = Graph("g", [Edge(echo, shout, first_time_slow)])
    store = MemoryStore()
    async with working(store, echo, shout) as client:
        async with one_process(graph, store):
            task = await client.send("g", "hello", session="s")
            await reached.wait()
        async with one_process(graph, store):
            assert (await task.result(timeout=PATIENCE)).text == "HELLO\n\nECHO:\nHELLO"
        await checked_events(client, "s")
    assert asked == [("echo",), ("echo",)]


async def test_more_items_than_fit_one_entry_are_given_away_in_several() -> None:
    many = Node(shout, over=lambda state: ["n" * 2000] * 600, reduce=lambda results: str(sum(len(r.text) for r in results)))
    assert await answer_of(Graph("g", nodes=[many])) == "1200000"
