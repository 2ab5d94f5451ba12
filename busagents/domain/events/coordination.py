"""What swarms and graphs decide: who goes on, which edges are taken, which nodes run."""

from __future__ import annotations

from typing import Any, Literal

from busagents.domain.events.base import Event
from busagents.domain.messages import Message, Usage
from busagents.domain.subjects import ThreadRef


class HandoffMade(Event, frozen=True, omit_defaults=True):
    """A swarm member handed over to another."""

    type = "handoff.made"

    source: str
    target: str
    message: str = ""
    context: dict[str, Any] = {}


class EdgesChosen(Event, frozen=True, omit_defaults=True):
    """Which edges out of a finished node are taken. The conditions ran user code: they are recorded, never run again.

    `taken` and `skipped` name the nodes they lead to. `run` is the node's; 0: the node itself was never to run, so neither
    are its edges. `error` says which condition raised and what; the task then fails.
    """

    type = "edges.chosen"

    node: str
    taken: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    run: int = 0
    error: str = ""


class NodeStarted(Event, frozen=True, omit_defaults=True):
    """Intent to run a node of a graph, or a member of a swarm. `run` counts the node's runs, `attempt` those after a failure.

    What it is asked is in the `task.delegated` beside it. `timeout` seconds later, by the bus's clock, it is given up.
    `items` is how many tasks it stands for if it runs once for each of a list (None: one).
    """

    type = "node.started"

    node: str
    run: int
    target: ThreadRef
    timeout: float | None = None
    items: int | None = None


class NodeCompleted(Event, frozen=True, omit_defaults=True):
    """A node's outcome. Absent after `node.started`: it still runs. `reason` is the stable word of a failure."""

    type = "node.completed"

    node: str
    run: int
    state: Literal["completed", "failed", "canceled"]
    message: Message | None = None
    reason: str = ""
    output: Any = None
    usage: Usage = Usage()
    elapsed_ms: int = 0


class InputsChosen(Event, frozen=True, omit_defaults=True):
    """What a node is asked, as the user's function made it: one message, or one for each item of a list (`many`). Recorded,
    never run again. `error`: what the function raised; the node then counts as failed.
    """

    type = "inputs.chosen"

    node: str
    run: int
    messages: tuple[Message, ...] = ()
    many: bool = False
    error: str = ""


class OutputsReduced(Event, frozen=True, omit_defaults=True):
    """What the user's reducer made of the results of a node that ran once for each item. Recorded, never run again."""

    type = "outputs.reduced"

    node: str
    run: int
    message: Message | None = None
    output: Any = None
    error: str = ""
