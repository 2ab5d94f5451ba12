"""Starting a node: what it is asked, in which threads, and how many tasks go into one decision."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from busagents.domain import events as e
from busagents.domain.delegation import delegate, lasting_thread, too_deep
from busagents.domain.fold_coordination import node_call
from busagents.domain.graph_input import default_input, item_message, items_of, render
from busagents.domain.graph_plan import GraphPlan, NodePlan
from busagents.domain.graph_run import GraphRun, NodeRun
from busagents.domain.messages import Message, user
from busagents.domain.state import Task, ThreadState
from busagents.domain.subjects import ThreadRef
from busagents.errors import InvalidInput

AT_ONCE = 100  # tasks given away in one decision: an entry has to stay small
BYTES_AT_ONCE = 256 * 1024  # of what they are asked, about; the last one may be larger


class CannotStart(Exception):
    """A node has no input it could be asked. `reason` is the stable word of its failure."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Starts:
    """The starts of one decision. `full` once it may hold no more."""

    def __init__(self, plan: GraphPlan, state: ThreadState, task: Task) -> None:
        self._state = state
        self._task = task
        self._room = AT_ONCE
        self._bytes = BYTES_AT_ONCE
        self._plan = plan

    @property
    def full(self) -> bool:
        """What is left to start is for the next decision."""
        return self._room <= 0 or self._bytes <= 0

    @property
    def too_deep(self) -> str | None:
        """Why the task may not be passed further down, or None."""
        return too_deep(self._state, self._task)

    def start(self, run: GraphRun, plan: NodePlan, known: NodeRun, *, again: bool) -> list[e.Recorded] | None:
        """The node's start and its tasks; None if a function of the user's has to say first what it is asked.

        Raises:
            CannotStart: its input cannot be made.
        """
        messages, many = self._asked(plan, known) if plan.asked else self._inputs(run, plan, known)
        if messages is None:
            return None
        number = known.run + 1
        started = self.started(plan, known, again=again, items=len(messages) if many else None)
        return [started, *self._give(plan, number, messages, 0, many=many)]

    def more(self, run: GraphRun, plan: NodePlan, known: NodeRun, given: int) -> list[e.Recorded]:
        """Further tasks of a node that has started, after the first `given`.

        Raises:
            CannotStart: the list is not what it was.
        """
        if self.full:
            return []
        messages, _ = self._asked(plan, known, known.run) if plan.asked else self._inputs(run, plan, known)
        if messages is None or len(messages) != known.items:
            raise CannotStart("definition_changed", f"it went over {known.items} items, and its list is another one now")
        return self._give(plan, known.run, messages, given, many=True)

    def started(self, plan: NodePlan, known: NodeRun, *, again: bool, items: int | None = None) -> e.Recorded:
        """The fact that a node starts."""
        number = known.run + 1
        call = node_call(plan.id, number) if items is None else f"{node_call(plan.id, number)}.0"
        event = e.NodeStarted(plan.id, number, self._target(plan, call), plan.timeout, items)
        return e.Recorded(event, self._task.id, self._task.turn, known.retries + 2 if again else 1)

    def _target(self, plan: NodePlan, call: str) -> ThreadRef:
        given = self._delegated(plan, call, user("")).event
        assert isinstance(given, e.TaskDelegated)
        return given.target

    def _give(self, plan: NodePlan, number: int, messages: Sequence[Message], given: int, *, many: bool) -> list[e.Recorded]:
        call = node_call(plan.id, number)
        records: list[e.Recorded] = []
        for index in range(given, len(messages)):
            if records and self.full:
                break
            self._room -= 1
            self._bytes -= len(msgspec.json.encode(messages[index]))
            records.append(self._delegated(plan, f"{call}.{index}" if many else call, messages[index]))
        return records

    def _delegated(self, plan: NodePlan, call: str, message: Message) -> e.Recorded:
        thread = lasting_thread(self._state, plan.id) if plan.lasting else None
        schema = plan.output_schema
        return delegate(self._state, self._task, call, plan.participant, message, thread=thread, output_schema=schema)

    def _asked(self, plan: NodePlan, known: NodeRun, number: int | None = None) -> tuple[Sequence[Message] | None, bool]:
        """What the user's function said. It may be open."""
        chosen = known.inputs
        if chosen is None or chosen.run != (known.run + 1 if number is None else number):
            return None, plan.many
        if chosen.error:
            raise CannotStart("input_failed", chosen.error)
        return chosen.messages, chosen.many

    def _inputs(self, run: GraphRun, plan: NodePlan, known: NodeRun) -> tuple[Sequence[Message], bool]:
        task = self._task.submitted.prompt

        def last(name: str) -> e.NodeCompleted | None:
            return run.node(name).result

        try:
            if plan.items is not None:
                items = items_of(plan.items, task, last)
                return [item_message(item, plan.template, task, last) for item in items], True
            if plan.template is not None:
                return [user(render(plan.template, task, last))], False
        except InvalidInput as error:
            raise CannotStart("input_failed", str(error)) from None
        led_here = [source for source in plan.sources if source in known.taken or self._took(run, source, plan.id)]
        results = ((source, ended) for source in led_here if (ended := last(source)) is not None)
        return [default_input(task, results)], False

    def _took(self, run: GraphRun, source: str, target: str) -> bool:
        chosen = run.node(source).chosen
        return chosen is not None and target in chosen.taken
