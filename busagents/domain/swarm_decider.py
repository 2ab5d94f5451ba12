"""decide for a swarm: who goes on, until a member answers instead of handing over. Pure and level-triggered.

    queued, canceled                     → start it, end it
    nobody was at work                   → the entry begins
    a member is at work                  → wait; fail when its time, or the task's, is up
    it handed over                       → the next member begins, within the limits
    it answered                          → that is the swarm's answer, or goes back to the giver if it cannot hand over
    it is nobody on the bus              → the giver has the task again
    it failed, was rejected or canceled  → the task fails, naming it

What follows from a member's end is one decision, so that one entry holds it: there is no state in between to recover from.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from busagents.domain import events as e
from busagents.domain.agent_decider import limit_reached
from busagents.domain.decision import Decision, cancel_task, fail_task, recover, settle_first, start_next
from busagents.domain.delegation import delegate, lasting_thread, too_deep
from busagents.domain.fold_coordination import node_call
from busagents.domain.limits import Limits
from busagents.domain.messages import Message, assistant
from busagents.domain.output import check_output, parse_output
from busagents.domain.state import Task, ThreadState
from busagents.domain.swarm import Swarm
from busagents.domain.swarm_brief import first_brief, handed_lead, next_brief, returned_lead, undelivered_lead
from busagents.domain.swarm_run import SwarmRun
from busagents.errors import ChainBroken

_NO_SWARM_THEN = (
    "The task was begun by a participant of this name that was no swarm: the definition changed while the task was at work. "
    "Submit it again."
)


class SwarmMember(msgspec.Struct, frozen=True):
    """What deciding needs to know of a member; see Participant."""

    name: str
    description: str = ""
    hands_over: bool = True


class SwarmPolicy(msgspec.Struct, frozen=True):
    """What deciding needs to know of a swarm; see Swarm. Timeouts are in seconds."""

    owner: str
    definition: str
    limits: Limits
    members: tuple[SwarmMember, ...]
    entry: str
    max_handoffs: int = 20
    max_iterations: int = 20
    execution_timeout: float | None = 900.0
    node_timeout: float | None = 300.0
    window: int = 0
    min_unique: int = 0
    reset: bool = False

    def decide(self, state: ThreadState) -> Decision:
        """What to record now. A swarm has no effects: what it starts are others' tasks."""
        if (first := settle_first(state)) is not None:
            return first
        task = state.active
        if task is None:
            return start_next(
                state,
                owner=self.owner,
                definition=self.definition,
                limits=self.limits,
                coordinator="swarm",
                timeout=self.execution_timeout,
            )
        if task.cancel is not None:
            return cancel_task(task)
        if not isinstance(task.run, SwarmRun):
            return Decision((fail_task(task, "definition_changed", _NO_SWARM_THEN),))
        return Decision(tuple(_Step(self, state, task, task.run).records()))

    def recover(self, state: ThreadState) -> tuple[e.Recorded, ...]:
        """What to record when this process takes over a thread that another had at work."""
        if state.active is not None:
            # No process ends because of a swarm: it runs nobody's code. A task that waits long sees many of them come and go.
            state = replace(state, active=replace(state.active, stalls=0))
        return recover(state, owner=self.owner, definition=self.definition)

    def member(self, name: str) -> SwarmMember | None:
        """The member of that name, if there is one."""
        return next((member for member in self.members if member.name == name), None)

    def others(self, name: str) -> tuple[e.Member, ...]:
        """Whom a member may hand over to; nobody if it cannot."""
        member = self.member(name)
        if member is not None and not member.hands_over:
            return ()
        return tuple(e.Member(other.name, other.description) for other in self.members if other.name != name)


def swarm_policy(swarm: Swarm, owner: str) -> SwarmPolicy:
    """What deciding needs to know of a swarm, for the process `owner`."""
    return SwarmPolicy(
        owner,
        swarm.definition_hash,
        swarm.limits,
        tuple(SwarmMember(member.name, member.description, member.hands_over) for member in swarm.members),
        swarm.entry.name,
        swarm.max_handoffs,
        swarm.max_iterations,
        swarm.execution_timeout,
        swarm.node_timeout,
        swarm.repetitive_handoff_detection_window,
        swarm.repetitive_handoff_min_unique_agents,
        swarm.reset,
    )


class _Step(msgspec.Struct, frozen=True):
    """The next step of a task at work."""

    policy: SwarmPolicy
    state: ThreadState
    task: Task
    run: SwarmRun

    def records(self) -> list[e.Recorded]:
        """What to record now; nothing while a member is at work."""
        member = self.run.current
        if not member:
            message = first_brief(self.task.submitted.prompt, self.policy.others(self.policy.entry), self.state.messages[:-1])
            return self._begin(self.policy.entry, message, answers=True)
        call = node_call(member, self.run.runs(member))
        child = self.task.children.get(call)
        if child is None:
            raise ChainBroken(f"member {member!r} of {self.state.ref} was started without a task: the log was altered")
        if child.outcome is not None:  # what is done counts, even if its time was up when it arrived
            return self._ended(child.outcome)
        if "" in self.task.expired:
            return [self._fail(*self._time_is_up())]
        if call in self.task.expired:
            seconds = self.task.timeouts.get(call, 0.0)
            text = f"{member} did not end within node_timeout={seconds:g} seconds: raise it, or ask for less."
            failed = e.NodeCompleted(member, self.run.runs(member), "failed", reason="limit_node_time")
            return [self._recorded(failed), self._fail("limit_node_time", text)]
        return []

    def _ended(self, outcome: e.TaskOutcome) -> list[e.Recorded]:
        """Everything that follows from a member's end."""
        member, giver = self.run.current, self.run.giver
        if outcome.state == "completed":
            if outcome.handoff is not None:
                follows = self._hand_over(outcome.handoff)
            elif giver and not self._hands_over(member):
                follows = self._give_back(giver, outcome)
            else:
                follows = [self._complete(outcome)]
        elif outcome.reason == "undeliverable" and giver not in ("", member) and self._hands_over(giver):
            lead = undelivered_lead(member, _said(outcome), self.policy.others(giver))
            follows = self._go_on(giver, lead, self.run)
        else:
            follows = [self._member_failed(outcome)]
        return [self._recorded(self._node_completed(outcome)), *follows]

    def _node_completed(self, outcome: e.TaskOutcome) -> e.NodeCompleted:
        return e.NodeCompleted(
            self.run.current,
            self.run.runs(self.run.current),
            "failed" if outcome.state == "rejected" else outcome.state,
            outcome.message,
            outcome.reason or ("rejected" if outcome.state == "rejected" else ""),
            outcome.output,
            outcome.usage,
            outcome.elapsed_ms,
        )

    def _hand_over(self, handoff: e.Handoff) -> list[e.Recorded]:
        source = self.run.current
        made = sum(number for member, number in self.run.handoffs_by.items() if self._hands_over(member))
        if made >= self.policy.max_handoffs:
            text = (
                f"The swarm reached max_handoffs={self.policy.max_handoffs} when {source} wanted to hand over to "
                f"{handoff.target}: raise it, or tell the members when to answer."
            )
            return [self._fail("limit_handoffs", text)]
        event = e.HandoffMade(source, handoff.target, handoff.message, handoff.context)
        return self._hand(event, handed_lead(source, handoff.message))

    def _hands_over(self, member: str) -> bool:
        """Whether its handoffs are its own decisions; else they are answers that were given back."""
        known = self.policy.member(member)
        return known is None or known.hands_over

    def _give_back(self, giver: str, outcome: e.TaskOutcome) -> list[e.Recorded]:
        source, said = self.run.current, _said(outcome)
        shared = {"answer": said if outcome.output is None else outcome.output}
        return self._hand(e.HandoffMade(source, giver, said, shared), returned_lead(source, said))

    def _hand(self, event: e.HandoffMade, lead: str) -> list[e.Recorded]:
        follows = self._go_on(event.target, lead, self.run.handed_over(event))
        return follows if isinstance(follows[0].event, e.TaskFailed) else [self._recorded(event), *follows]

    def _go_on(self, name: str, lead: str, run: SwarmRun) -> list[e.Recorded]:
        """A further member's stint. `run` is what it is told of the work so far."""
        member = self.policy.member(name)
        if member is None:
            listed = ", ".join(other.name for other in self.policy.members)
            text = (
                f"The task was to go on with {name!r}, who is no member of the swarm any more (members: {listed}): "
                "the definition changed while the task was at work. Submit it again."
            )
            return [self._fail("definition_changed", text)]
        message = next_brief(lead, self.task.submitted.prompt, run, self.policy.others(name))
        return self._begin(name, message, answers=member.hands_over)

    def _begin(self, name: str, message: Message, *, answers: bool) -> list[e.Recorded]:
        """Start a member, or fail at a limit. `answers`: its answer would be the swarm's, so it has to be of the form asked for."""
        reached = self._limit(name)
        if reached is not None:
            return [self._fail(*reached)]
        run = self.run.runs(name) + 1
        given = delegate(
            self.state,
            self.task,
            node_call(name, run),
            name,
            message,
            thread=None if self.policy.reset else lasting_thread(self.state, name),
            output_schema=self.task.submitted.output_schema if answers else None,
            handoffs=self.policy.others(name),
        )
        assert isinstance(given.event, e.TaskDelegated)
        started = e.NodeStarted(name, run, given.event.target, self.policy.node_timeout)
        return [self._recorded(started), given]

    def _limit(self, name: str) -> tuple[str, str] | None:
        """The reason and text of the first limit that forbids another stint, or None."""
        policy, path = self.policy, self.run.path
        if "" in self.task.expired:
            return self._time_is_up()
        if len(path) >= policy.max_iterations:
            text = (
                f"The swarm reached max_iterations={policy.max_iterations} before {name} could go on: raise it, or ask for less."
            )
            return "limit_iterations", text
        recent = path[-policy.window :] if policy.window else ()
        if policy.window and len(recent) == policy.window and len(set(recent)) < policy.min_unique:
            return "repetitive_handoff", (
                f"The last {policy.window} stints ({' → '.join(recent)}) were of {len(set(recent))} different members, fewer than "
                f"repetitive_handoff_min_unique_agents={policy.min_unique}: tell the members when to answer, or lower it."
            )
        reached = limit_reached(replace(self.task, limits=replace(self.task.limits, turns=None)))
        if reached is not None:
            return reached
        deep = too_deep(self.state, self.task)
        return None if deep is None else ("depth", f"The task cannot be given to {name}: {deep}.")

    def _time_is_up(self) -> tuple[str, str]:
        bound = f"execution_timeout={self.task.timeout or 0:g} seconds"
        return "limit_execution_time", f"The swarm did not end within {bound}: raise it, or ask for less."

    def _complete(self, outcome: e.TaskOutcome) -> e.Recorded:
        schema, output = self.task.submitted.output_schema, outcome.output
        if schema is not None:
            problem = check_output(output, schema) if output is not None else None
            if output is None:
                output, problem = parse_output(_said(outcome), schema)
            if problem is not None:
                return self._fail(
                    "output_invalid", f"The answer of {self.run.current} does not fit the schema asked for: {problem}"
                )
        message = outcome.message if outcome.message is not None else assistant("")
        return self._recorded(e.TaskCompleted(message, self.task.usage, output, outcome.artifacts))

    def _member_failed(self, outcome: e.TaskOutcome) -> e.Recorded:
        why = f" ({outcome.reason})" if outcome.reason else ""
        said = f": {_said(outcome)}" if _said(outcome) else ""
        # Only a failure has a stable word; the reason of a cancel is whatever its sender wrote. And this swarm could be delivered.
        stable = outcome.state == "failed" and outcome.reason != "undeliverable"
        reason = (outcome.reason if stable else "") or "member_failed"
        return self._fail(reason, f"The member {self.run.current} did not finish: {outcome.state}{why}{said}")

    def _fail(self, reason: str, message: str) -> e.Recorded:
        return fail_task(self.task, reason, message)

    def _recorded(self, event: e.Event) -> e.Recorded:
        return e.Recorded(event, self.task.id, self.task.turn, max(1, self.task.attempt))


def _said(outcome: e.TaskOutcome) -> str:
    """A member's answer or error as text."""
    said = outcome.message.text if outcome.message is not None else ""
    if said or outcome.output is None:
        return said
    return msgspec.json.encode(outcome.output).decode()
