"""What a graph's own functions are given: the task, and what each node has said so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import msgspec

from busagents.domain.events import NodeCompleted
from busagents.domain.graph_run import GraphRun
from busagents.domain.messages import Message


class GraphTask(msgspec.Struct, frozen=True):
    """The task a graph works on. `metadata` is what its sender put beside it."""

    id: str
    session: str
    message: Message
    metadata: Mapping[str, Any] = {}

    @property
    def text(self) -> str:
        """The request's text."""
        return self.message.text


class NodeResult(msgspec.Struct, frozen=True):
    """A node's last end. `output` is its structured answer, as the node's `output_type` if it has one. `reason` is the stable
    word of a failure, whose text is in `text`.
    """

    node: str
    state: Literal["completed", "failed", "canceled"]
    text: str = ""
    output: Any = None
    reason: str = ""
    run: int = 1
    elapsed_ms: int = 0

    @property
    def completed(self) -> bool:
        """It has an answer."""
        return self.state == "completed"


class GraphState(msgspec.Struct, frozen=True):
    """A graph's task at a moment. `results` is by node id, in order of declaration; `execution_order` has the nodes in the order
    they ended, once for each run.
    """

    task: GraphTask
    results: Mapping[str, NodeResult]
    execution_order: tuple[str, ...] = ()

    @property
    def completed(self) -> tuple[str, ...]:
        """The nodes whose last run has an answer."""
        return tuple(name for name, result in self.results.items() if result.completed)

    @property
    def failed(self) -> tuple[str, ...]:
        """The nodes whose last run has none."""
        return tuple(name for name, result in self.results.items() if not result.completed)

    def text(self, node: str) -> str:
        """A node's last answer; empty if it has not ended."""
        result = self.results.get(node)
        return result.text if result is not None else ""

    def output(self, node: str) -> Any:
        """A node's last structured answer, or None."""
        result = self.results.get(node)
        return result.output if result is not None else None


def graph_state(
    task: GraphTask, run: GraphRun, nodes: list[str], typed: Callable[[str, Any], Any] = lambda _, output: output
) -> GraphState:
    """The state as it is recorded. `typed` makes a node's output the type that was declared."""
    results: dict[str, NodeResult] = {}
    for name in nodes:
        known = run.node(name)
        if known.result is not None:
            results[name] = node_result(known.result, partial(typed, name) if known.items is None else _plainly)
    return GraphState(task, results, run.order)


def node_result(ended: NodeCompleted, typed: Callable[[Any], Any]) -> NodeResult:
    """A node's end as the user's functions see it."""
    output = typed(ended.output) if ended.output is not None and ended.state == "completed" else ended.output
    text = ended.message.text if ended.message is not None else ""
    return NodeResult(ended.node, ended.state, text, output, ended.reason, ended.run, ended.elapsed_ms)


def _plainly(output: Any) -> Any:
    return output
