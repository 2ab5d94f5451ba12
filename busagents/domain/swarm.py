"""A swarm, as a user declares it: participants that hand a task over to each other until one of them answers."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from busagents.domain.agent import Agent
from busagents.domain.codec import sha256_hex
from busagents.domain.handoff import HANDOFF_TOOL
from busagents.domain.limits import Limits
from busagents.domain.participant import Participant, at_least_one
from busagents.errors import DefinitionError


class Swarm(Participant):
    """Participants of whom one is at work at a time and decides who goes on: it hands over, or its answer is the swarm's.

    Members that are agents get the tool `handoff_to_agent`. A member that cannot hand over (a function, a swarm, a graph)
    gives its answer back to whoever handed over to it; as the entry it ends the work. Each member remembers its stints for
    the whole session.

    Args:
        name: how others address it; also its inbox. 1 to 64 letters, digits, `_` or `-`.
        members: agents, functions, swarms, graphs, or `Participant(name, description=…)` for one declared elsewhere. Give each
            a description: the others choose by it.
        entry: who begins, or their name; default the first member.
        description: what the swarm is for, in a sentence; others choose it by that.
        max_handoffs: how often a task may be handed over. Answers that are given back do not count.
        max_iterations: how often members may be started for a task, all together.
        execution_timeout: seconds until a task is given up; None for no bound. Waiting for a person does not count.
        node_timeout: the same for each stint of a member.
        repetitive_handoff_detection_window: a task fails if its last `window` stints were of too few members; 0 for off.
        repetitive_handoff_min_unique_agents: how many different members there must be among those stints.
        reset: members forget what they did before each stint.
        limits: bounds of each task: tokens and seconds of all members together. Turns are each member's own.
        max_parallel_tasks: how many threads one process works on at once.
        replicas: how many processes of it `busagents up` starts, unless `--scale` says otherwise.

    Raises:
        InvalidName: a name that no subject can hold.
        DefinitionError: no members, two of one name, an entry that is no member, the swarm in itself, an agent with a tool of
            its own named `handoff_to_agent`, or a bound that cannot work.
    """

    hands_over = False

    def __init__(
        self,
        name: str,
        members: Sequence[Participant],
        *,
        entry: Participant | str | None = None,
        description: str = "",
        max_handoffs: int = 20,
        max_iterations: int = 20,
        execution_timeout: float | None = 900.0,
        node_timeout: float | None = 300.0,
        repetitive_handoff_detection_window: int = 0,
        repetitive_handoff_min_unique_agents: int = 0,
        reset: bool = False,
        limits: Limits | None = None,
        max_parallel_tasks: int = 64,
        replicas: int = 1,
    ) -> None:
        super().__init__(name, description=description)
        self.members = _checked_members(name, members)
        self.entry = _checked_entry(name, self.members, entry)
        self.max_handoffs = at_least_one("max_handoffs", max_handoffs, name)
        self.max_iterations = at_least_one("max_iterations", max_iterations, name)
        self.execution_timeout = _seconds("execution_timeout", execution_timeout, name)
        self.node_timeout = _seconds("node_timeout", node_timeout, name)
        window, unique = repetitive_handoff_detection_window, repetitive_handoff_min_unique_agents
        _check_repetition(name, window, unique, len(self.members))
        self.repetitive_handoff_detection_window = window
        self.repetitive_handoff_min_unique_agents = unique
        self.reset = reset
        self.limits = limits or Limits(turns=None)
        self.max_parallel_tasks = at_least_one("max_parallel_tasks", max_parallel_tasks, name)
        self.replicas = at_least_one("replicas", replicas, name)

    @property
    def definition_hash(self) -> str:
        """The sha256 of what shapes its decisions; recorded with each task so that a change can be seen in the log."""
        bounds = (self.max_handoffs, self.max_iterations, self.execution_timeout, self.node_timeout)
        repetition = (self.repetitive_handoff_detection_window, self.repetitive_handoff_min_unique_agents)
        names = [member.name for member in self.members]
        return sha256_hex(msgspec.json.encode((self.name, names, self.entry.name, bounds, repetition, self.reset, self.limits)))

    def parts(self) -> tuple[Participant, ...]:
        """See Participant.parts: its members."""
        return self.members

    def __repr__(self) -> str:
        return f"Swarm({self.name!r}, members={[member.name for member in self.members]})"


def _checked_members(name: str, members: Sequence[Participant]) -> tuple[Participant, ...]:
    if not members:
        raise DefinitionError(f"swarm {name!r} has no members: give it at least one, for example Swarm({name!r}, [writer])")
    seen: set[str] = set()
    for member in members:
        if not isinstance(member, Participant):
            raise DefinitionError(
                f"swarm {name!r} has {member!r} as a member, which is no participant: give it an agent, an @agent function, "
                "a swarm, a graph, or Participant('name') for one that is declared elsewhere"
            )
        if member.name == name:
            raise DefinitionError(f"swarm {name!r} has itself as a member, so a task would never end: remove it from members")
        if member.name in seen:
            raise DefinitionError(
                f"swarm {name!r} has two members named {member.name!r}: members are addressed by name, so give one another name"
            )
        if isinstance(member, Agent) and HANDOFF_TOOL in member.tools:
            raise DefinitionError(
                f"agent {member.name!r} in swarm {name!r} has a tool of its own named {HANDOFF_TOOL!r}, which is how members of a "
                "swarm hand over: give that tool another name, for example with @tool(name=…)"
            )
        seen.add(member.name)
    return tuple(members)


def _checked_entry(name: str, members: Sequence[Participant], entry: Participant | str | None) -> Participant:
    if entry is None:
        return members[0]
    wanted = entry if isinstance(entry, str) else entry.name
    found = next((member for member in members if member.name == wanted), None)
    if found is None:
        listed = ", ".join(member.name for member in members)
        raise DefinitionError(
            f"swarm {name!r} shall begin with {wanted!r}, who is no member: add it to members, or use one of {listed}"
        )
    return found


def _seconds(what: str, value: float | None, name: str) -> float | None:
    if value is not None and not value > 0:
        raise DefinitionError(f"{name!r}: {what}={value} cannot work: use seconds above 0, or None for no bound")
    return value


def _check_repetition(name: str, window: int, unique: int, members: int) -> None:
    both = f"repetitive_handoff_detection_window={window} and repetitive_handoff_min_unique_agents={unique}"
    if window < 0 or unique < 0 or (window == 0) != (unique == 0):
        raise DefinitionError(f"{name!r}: {both} cannot work: use 1 or more for both, or 0 for both to turn it off")
    if unique > min(window, members) and window:
        raise DefinitionError(
            f"{name!r}: {both} would fail every task of {window} stints, as there are {members} members: "
            f"use at most {min(window, members)} for the second"
        )
