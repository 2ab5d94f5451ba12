"""How a node's run ended, as its children's ends say it, and how a graph's task ends by its nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from busagents.domain import events as e
from busagents.domain.decision import fail_task
from busagents.domain.fold_coordination import node_call
from busagents.domain.graph_input import as_text, joined
from busagents.domain.graph_run import NodeRun
from busagents.domain.graph_shape import scattered
from busagents.domain.messages import Message, Usage, assistant
from busagents.domain.output import check_output, parse_output
from busagents.domain.state import Task

Schema = dict[str, Any] | None


def item_calls(node: str, known: NodeRun) -> Sequence[str]:
    """The calls of a run's tasks: one, or one for each item."""
    call = node_call(node, known.run)
    return [call] if known.items is None else [f"{call}.{index}" for index in range(known.items)]


def all_ended(task: Task, node: str, known: NodeRun) -> bool:
    """Whether every task of the run has ended."""
    call, children = node_call(node, known.run), task.children
    calls = (call,) if known.items is None else (f"{call}.{index}" for index in scattered(range(known.items)))
    for item in calls:
        child = children.get(item)
        if child is None or child.outcome is None:
            return False
    return True


def first_missing(task: Task, node: str, known: NodeRun) -> int:
    """How many of a run's items were given away. They are given away in order."""
    call = node_call(node, known.run)
    low, high = 0, known.items or 0
    if high and f"{call}.{high - 1}" in task.children:
        return high
    while low < high:
        middle = (low + high) // 2
        if f"{call}.{middle}" in task.children:
            low = middle + 1
        else:
            high = middle
    return low


def run_outcomes(task: Task, node: str, known: NodeRun) -> list[e.TaskOutcome]:
    """The ends of a run's tasks, in order."""
    children = [task.children.get(call) for call in item_calls(node, known)]
    return [child.outcome for child in children if child is not None and child.outcome is not None]


def node_ended(task: Task, node: str, known: NodeRun, schema: Schema, *, reduces: bool) -> e.NodeCompleted:
    """The node's end, once every task of its run has ended."""
    ends = [_completed(node, known.run, outcome, schema) for outcome in run_outcomes(task, node, known)]
    if known.items is None:
        return ends[0]
    usage = sum((end.usage for end in ends), Usage())
    elapsed = max((end.elapsed_ms for end in ends), default=0)
    for index, end in enumerate(ends):
        if end.state != "completed":
            said = f"item {index} of {known.items}: {end.message.text if end.message is not None else end.reason}"
            return e.NodeCompleted(node, known.run, end.state, assistant(said), end.reason, None, usage, elapsed)
    made = known.reduced
    if reduces and made is not None and made.error:
        text = f"its reduce= raised {made.error}"
        return e.NodeCompleted(node, known.run, "failed", assistant(text), "reduce_failed", None, usage, elapsed)
    message: Message | None
    if reduces and made is not None:
        message, output = made.message, made.output
    else:
        output = [_value(end) for end in ends]
        message = assistant(as_text(output))
    return e.NodeCompleted(node, known.run, "completed", message, "", output, usage, elapsed)


def failed_run(node: str, run: int, reason: str, text: str) -> e.NodeCompleted:
    """A run that ended in no answer, for a reason of the graph's own."""
    return e.NodeCompleted(node, run, "failed", assistant(text), reason)


def item_results(task: Task, node: str, known: NodeRun, schema: Schema) -> list[e.NodeCompleted]:
    """What a reducer reads: the end of each item's task, in order."""
    return [_completed(node, known.run, outcome, schema) for outcome in run_outcomes(task, node, known)]


def fail_by(task: Task, ended: e.NodeCompleted) -> e.Recorded:
    """The graph's end by a node that failed."""
    said = ended.message.text if ended.message is not None else ""
    why = ended.reason or ended.state
    return fail_task(task, why, f"node {ended.node!r} failed ({why}){': ' + said if said else ''}")


def complete_by(task: Task, ends: Sequence[tuple[str, e.NodeCompleted]]) -> e.Recorded:
    """The graph's answer: that of its one end, or those of several, each under its id."""
    if len(ends) == 1:
        message, output = ends[0][1].message or assistant(""), ends[0][1].output
    else:
        text, output = joined(ends)
        message = assistant(text)
    schema = task.submitted.output_schema
    if schema is not None:
        output, problem = _fitting(message.text, output, schema)
        if problem is not None:
            return fail_task(task, "output_invalid", f"the graph's answer does not fit the schema asked for: {problem}")
    return e.Recorded(e.TaskCompleted(message, task.usage, output), task.id, task.turn, max(1, task.attempt))


def fail_stuck(task: Task, results: Iterable[tuple[str, e.NodeCompleted]]) -> e.Recorded:
    """The end of a task in which nothing can go on and no end was reached."""
    told = [f"{name} {ended.state}" for name, ended in results]
    text = (
        f"Nothing is left to run and no end of the graph was reached ({', '.join(told) or 'no node ran'}): no edge out of the last "
        "nodes was taken. Give them an edge without when=, or one for every case."
    )
    return fail_task(task, "stuck", text)


def _completed(node: str, run: int, outcome: e.TaskOutcome, schema: Schema) -> e.NodeCompleted:
    usage, elapsed = outcome.usage, outcome.elapsed_ms
    if outcome.state == "rejected":
        return e.NodeCompleted(node, run, "failed", outcome.message, outcome.reason or "rejected", None, usage, elapsed)
    if outcome.state != "completed":
        reason = outcome.reason or ("canceled" if outcome.state == "canceled" else "error")
        return e.NodeCompleted(node, run, outcome.state, outcome.message, reason, None, usage, elapsed)
    output = outcome.output
    if schema is not None:
        said = outcome.message.text if outcome.message is not None else ""
        output, problem = _fitting(said, output, schema)
        if problem is not None:
            text = assistant(f"the answer does not fit the node's output_type: {problem}")
            return e.NodeCompleted(node, run, "failed", text, "output_invalid", None, usage, elapsed)
    return e.NodeCompleted(node, run, "completed", outcome.message, "", output, usage, elapsed)


def _fitting(text: str, output: Any, schema: dict[str, Any]) -> tuple[Any, str | None]:
    """The output as it was given, or read from the text, and what is wrong with it."""
    if output is None:
        return parse_output(text, schema)
    return output, check_output(output, schema)


def _value(ended: e.NodeCompleted) -> Any:
    return ended.output if ended.output is not None else ended.message.text if ended.message is not None else ""
