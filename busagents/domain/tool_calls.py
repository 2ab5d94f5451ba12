"""What to do with the tool calls of an agent's turn: ask for approval, start, give to a participant, hand over, resume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from busagents.domain import events as e
from busagents.domain.approval import approval_of, approved_part, ask_approval, verdict
from busagents.domain.decision import CheckApproval, Command, Decision, RunHooks, RunTool
from busagents.domain.delegation import delegate, lasting_thread, too_deep
from busagents.domain.fold_task import belongs_to
from busagents.domain.handoff import HANDOFF_TOOL, read_handoff
from busagents.domain.participant_input import read_input, with_conversation
from busagents.domain.state import Call, Task, ThreadState
from busagents.errors import ToolArgumentsInvalid


class Target(msgspec.Struct, frozen=True):
    """Whom a participant tool gives its calls to, and how; see Participant.as_tool."""

    participant: str
    share_context: bool = False
    preserve_context: bool = False
    delegate: bool = False


class ToolPolicy(msgspec.Struct, frozen=True):
    """What deciding needs to know of a tool. `approval` "asked": a function of the tool's says whether it is needed."""

    recovery: e.RecoveryClass
    sequential: bool = False
    approval: Literal["never", "always", "asked"] = "never"
    target: Target | None = None


class CallPolicy(msgspec.Struct, frozen=True):
    """An agent's tools, how many of them run at once, and whether hooks stand before them."""

    tools: Mapping[str, ToolPolicy]
    concurrency: int
    hooks: bool = False

    def decide(self, state: ThreadState, task: Task) -> Decision:
        """What to record, or what is outstanding, while calls of the turn are open."""
        running = [call for call in task.calls if call.status == "started"]
        alone = any(self._tool(call.part.name).sequential for call in running)
        room = self.concurrency - len(running)
        record: list[e.Event] = []
        checks: list[Command] = []
        for call in task.calls:
            if call.status == "suspended" and not waits(task, call.part.call):
                if alone or room <= 0 or (running and self._tool(call.part.name).sequential):
                    continue  # it goes on once those that run have ended
                again = e.ToolStarted(call.part.call, call.part.name, call.recovery)
                return Decision((e.Recorded(again, task.id, task.turn, call.attempt + 1),))
            if call.status != "requested":
                continue
            event = self._before_start(state, task, call)
            if isinstance(event, CheckApproval | RunHooks):
                checks.append(event)
            elif event is not None:
                record.append(event)
            elif not self._held(task, call):
                policy = self._tool(call.part.name)
                if alone or room <= 0 or (policy.sequential and room < self.concurrency):
                    break  # order is the model's: a later call does not overtake
                alone, room = policy.sequential, room - 1
                record.append(e.ToolStarted(call.part.call, call.part.name, policy.recovery))
        if record:
            return Decision(tuple(_recorded(event, task) for event in record))
        return Decision(perform=(*checks, *(_run(task, call) for call in running)))

    def _tool(self, name: str) -> ToolPolicy:
        # A tool that does not exist has no effect: it may be "run" again, to tell the model so.
        return self.tools.get(name, ToolPolicy("read_only"))

    def _held(self, task: Task, call: Call) -> bool:
        """It waits for a person's approval."""
        ask = approval_of(task, call)
        return ask is not None and ask.open

    def _before_start(self, state: ThreadState, task: Task, call: Call) -> e.Event | CheckApproval | RunHooks | None:
        """What stands before, or in place of, starting a call; None if nothing does."""
        policy = self._tool(call.part.name)
        if call.part.name == HANDOFF_TOOL and task.submitted.handoffs and HANDOFF_TOOL not in self.tools:
            return _handoff_result(task, call)
        if policy.approval == "asked" and call.approval is None:
            return CheckApproval(task.id, task.turn, call.part)
        if policy.approval == "always" or call.approval:
            ask = approval_of(task, call)
            if ask is None:
                return ask_approval(state, task, call.part)
            said = verdict(ask)
            if said is not None and said.decision == "reject":
                why = f": {said.reason}" if said.reason else "."
                return e.ToolFailed(call.part.call, "rejected", f"A person rejected this call{why}", task.elapsed_ms)
            if said is None:
                return None
        if policy.target is None:
            return None
        if self.hooks and not call.hooked:
            return RunHooks(task.id, task.turn, "before_tool", call.part.call)
        return _delegation(state, task, call, policy.target)


def waits(task: Task, call: str) -> bool:
    """Whether what a suspended call (or function: "") waits for is still to come."""
    children = any(child.open for key, child in task.children.items() if belongs_to(call, key))
    asks = any(ask.open for ask in task.asks.values() if ask.required.call == call and ask.required.child is None)
    return children or asks


def handed_over(task: Task) -> e.Handoff | None:
    """Whom the turn's calls hand the task over to, if they do."""
    for call in reversed(task.calls):
        if call.part.name == HANDOFF_TOOL and task.submitted.handoffs and not call.is_error:
            return read_handoff(call.part, task.submitted.handoffs)[0]
    return None


def _handoff_result(task: Task, call: Call) -> e.Event:
    made, problem = read_handoff(call.part, task.submitted.handoffs)
    if made is None:
        return e.ToolFailed(call.part.call, "handoff", problem, task.elapsed_ms)
    later = task.calls[[other.part.call for other in task.calls].index(call.part.call) + 1 :]
    others = [item.part for item in later if item.part.name == HANDOFF_TOOL]
    last = next((other for part in reversed(others) if (other := read_handoff(part, task.submitted.handoffs)[0])), None)
    if last is not None:
        text = f"Only one can go on, and the last handoff of a turn counts: the task went to {last.target}."
        return e.ToolFailed(call.part.call, "handoff", text, task.elapsed_ms)
    return e.ToolCompleted(call.part.call, f"Handed over to {made.target}.", task.elapsed_ms)


def _delegation(state: ThreadState, task: Task, call: Call, target: Target) -> e.Event:
    deep = too_deep(state, task)
    if deep is not None:
        return e.ToolFailed(call.part.call, "depth", f"The task cannot be passed on: {deep}.", task.elapsed_ms)
    part = call.part if call.edited else approved_part(task, call)[0]
    try:
        request = read_input(part.name, part.arguments)
    except ToolArgumentsInvalid as error:
        return e.ToolFailed(call.part.call, "invalid_arguments", str(error), task.elapsed_ms)
    earlier = list(state.messages)[:-1] if target.share_context else []  # without the turn that calls
    message = with_conversation(request, earlier)
    thread = lasting_thread(state, part.name) if target.preserve_context else None
    given = delegate(state, task, part.call, target.participant, message, thread=thread, ends_task=target.delegate)
    return given.event


def _run(task: Task, call: Call) -> RunTool:
    part, edited = approved_part(task, call)
    return RunTool(task.id, task.turn, call.attempt, part, edited)


def _recorded(event: e.Event, task: Task) -> e.Recorded:
    return e.Recorded(event, task.id, task.turn, attempt=1)
