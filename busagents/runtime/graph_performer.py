"""Runs the functions a user gave a graph: conditions on edges, inputs, reducers. What they say is recorded, and never asked again."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from busagents.domain import events as e
from busagents.domain.decision import ChooseEdges, ChooseInputs, Command, ReduceOutputs
from busagents.domain.graph import Graph, GraphEdge, Node, function_name
from busagents.domain.graph_input import as_text, item_message
from busagents.domain.graph_outcome import item_results
from busagents.domain.graph_run import GraphRun
from busagents.domain.graph_state import GraphState, GraphTask, NodeResult, graph_state, node_result
from busagents.domain.messages import Message, assistant, user
from busagents.domain.output_type import convert_output
from busagents.domain.state import Task
from busagents.domain.storable_text import storable, told
from busagents.errors import DefinitionError, InvalidInput
from busagents.runtime.daemon_thread import in_thread
from busagents.runtime.performer import Work
from busagents.runtime.user_code import raised_by_it


class GraphPerformer:
    """See Performer."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    async def perform(self, work: Work, command: Command) -> list[e.Recorded]:
        """See Performer.perform."""
        task = work.state.active
        assert task is not None, "a graph's functions run for a started task"
        assert isinstance(task.run, GraphRun), "and for one that a graph began"
        event: e.Event
        match command:
            case ChooseEdges():
                event = await self._choose(work, task, task.run, command)
            case ChooseInputs():
                event = await self._inputs(work, task, task.run, command)
            case ReduceOutputs():
                event = await self._reduce(task, task.run, command)
            case _:
                raise DefinitionError(f"graph {self._graph.name!r} was given {command}: its log belongs to another participant")
        return [e.Recorded(event, task.id, task.turn, max(1, task.attempt))]

    async def _choose(self, work: Work, task: Task, run: GraphRun, command: ChooseEdges) -> e.EdgesChosen:
        ended = run.node(command.node).result
        failed = ended is not None and ended.state != "completed"
        taken: list[str] = []
        skipped: list[str] = []
        for edge in self._graph.edges:
            if edge.source != command.node:
                continue
            try:
                holds = edge.on_error == failed and await self._holds(edge, work, task, run)
            except BaseException as error:  # a condition is the user's code
                if not raised_by_it(error):
                    raise
                what = f"the condition {function_name(edge.when or bool)} on the edge {edge.source} → {edge.target} raised {told(error)}"
                return e.EdgesChosen(command.node, run=command.run, error=what)
            (taken if holds else skipped).append(edge.target)
        return e.EdgesChosen(command.node, tuple(taken), tuple(skipped), command.run)

    async def _holds(self, edge: GraphEdge, work: Work, task: Task, run: GraphRun) -> bool:
        return True if edge.when is None else bool(await _call(edge.when, self._state(work, task, run), task))

    async def _inputs(self, work: Work, task: Task, run: GraphRun, command: ChooseInputs) -> e.InputsChosen:
        node = self._graph.nodes[command.node]
        function = node.over if callable(node.over) else node.input
        assert callable(function), "only a function has to be asked"
        try:
            said = await _call(function, self._state(work, task, run), task)
            messages = self._items(node, said, task, run) if node.over is not None else (_message(said),)
        except BaseException as error:  # the user's code again
            if not raised_by_it(error):
                raise
            what = f"{'over' if node.over is not None else 'input'}={function_name(function)} raised {told(error)}"
            return e.InputsChosen(command.node, command.run, many=node.over is not None, error=what)
        return e.InputsChosen(command.node, command.run, messages, many=node.over is not None)

    def _items(self, node: Node, said: Any, task: Task, run: GraphRun) -> tuple[Message, ...]:
        if not isinstance(said, list | tuple):
            raise InvalidInput(f"it returned a {type(said).__name__}: return a list with what each task is about")
        prompt = task.submitted.prompt
        plain = (item if isinstance(item, Message) else _plain(item) for item in said)
        return tuple(item_message(item, node.template, prompt, lambda name: run.node(name).result) for item in plain)

    async def _reduce(self, task: Task, run: GraphRun, command: ReduceOutputs) -> e.OutputsReduced:
        node = self._graph.nodes[command.node]
        assert node.reduce is not None
        try:
            ends = item_results(task, node.id, run.node(node.id), node.output_schema)
            results: list[NodeResult] = [node_result(end, partial(self._typed, node.id)) for end in ends]
            made = await _call(node.reduce, results, task)
            if isinstance(made, Message):
                return e.OutputsReduced(node.id, command.run, made)
            if isinstance(made, str):
                return e.OutputsReduced(node.id, command.run, assistant(storable(made)))
            output = _plain(made)
        except BaseException as error:  # the user's code again
            if not raised_by_it(error):
                raise
            return e.OutputsReduced(node.id, command.run, error=f"{function_name(node.reduce)}: {told(error)}")
        return e.OutputsReduced(node.id, command.run, assistant(as_text(output)), output)

    def _state(self, work: Work, task: Task, run: GraphRun) -> GraphState:
        given = GraphTask(task.id, work.ref.session, task.submitted.prompt, task.submitted.metadata)
        return graph_state(given, run, list(self._graph.nodes), self._typed)

    def _typed(self, name: str, output: Any) -> Any:
        return convert_output(output, self._graph.nodes[name].output_type)


async def _call(function: Callable[..., Any], about: Any, task: Task) -> Any:
    """Call a function in the form it has: async, or sync in a thread. One with an `invocation_state` gets the task's metadata."""
    extra: dict[str, Any] = {"invocation_state": dict(task.submitted.metadata)} if _wants_metadata(function) else {}
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004
        return await function(about, **extra)
    said = await in_thread(lambda: function(about, **extra))
    return await said if inspect.isawaitable(said) else said


def _wants_metadata(function: Callable[..., Any]) -> bool:
    try:
        return "invocation_state" in inspect.signature(function).parameters
    except ValueError:  # a builtin that does not say what it takes
        return False


def _message(said: Any) -> Message:
    return said if isinstance(said, Message) else user(as_text(_plain(said)))


def _plain(value: Any) -> Any:
    """A value as JSON has it.

    Raises:
        InvalidInput: it is none.
    """
    if isinstance(value, str):
        return storable(value)
    try:
        return msgspec.to_builtins(value, enc_hook=_dump, str_keys=True)
    except (TypeError, NotImplementedError, UnicodeError, RecursionError) as problem:
        text = (
            f"it returned a {type(value).__name__}, which is not JSON ({problem}): return text, a list, dict, Struct or dataclass"
        )
        raise InvalidInput(text) from None


def _dump(value: Any) -> Any:
    if hasattr(value, "model_dump"):  # pydantic, without importing it
        return value.model_dump(mode="json")
    raise NotImplementedError(type(value).__name__)
