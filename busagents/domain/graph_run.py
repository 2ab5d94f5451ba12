"""What a graph's task has done so far: which nodes ran, with what result, and which edges were taken. Built only by the fold.

`open`, `ended` and `touched` name the few nodes that a decision has to look at, so that a decision costs the same in a graph of
five nodes and of five hundred.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from busagents.domain.events import EdgesChosen, InputsChosen, NodeCompleted, NodeStarted, OutputsReduced


class NodeRun(msgspec.Struct, frozen=True, gc=False):
    """One node. `run` counts its starts, `visits` those that were no retry, `pruned` how often it was known not to run.

    `result` is its last end, and `led_on` whether an edge was taken after it. `chosen` is what was decided of its edges; None while that is open, because it runs again.
    `taken` and `skipped` name the nodes whose edges to it were decided since it was last started or pruned. `inputs` and
    `reduced` are of the run they name.
    """

    run: int = 0
    visits: int = 0
    pruned: int = 0
    retries: int = 0  # used in this visit
    items: int | None = None
    result: NodeCompleted | None = None
    chosen: EdgesChosen | None = None
    led_on: bool = False
    taken: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    inputs: InputsChosen | None = None
    reduced: OutputsReduced | None = None

    @property
    def rounds(self) -> int:
        """How often it was its turn, to run or to be passed over."""
        return self.visits + self.pruned


_NEW = NodeRun()


class GraphRun(msgspec.Struct, frozen=True, gc=False):
    """A graph's run. `steps` counts starts of nodes; `order` has the nodes in the order they ended; `lost` those that failed
    and found no edge for that.
    """

    nodes: dict[str, NodeRun] = {}
    steps: int = 0
    order: tuple[str, ...] = ()
    open: tuple[str, ...] = ()  # started, not ended
    ended: tuple[str, ...] = ()  # their edges are not decided
    touched: tuple[str, ...] = ()  # an edge to them was decided, and they were not started or pruned since
    lost: tuple[str, ...] = ()

    def node(self, name: str) -> NodeRun:
        """What is known of a node."""
        return self.nodes.get(name, _NEW)

    def started(self, event: NodeStarted) -> GraphRun:
        """A node was started. One that had ended and whose edges are open is tried again."""
        name = event.node
        known = self.node(name)
        again = name in self.ended
        now = replace(
            known,
            run=event.run,
            visits=known.visits + (not again),
            retries=known.retries + 1 if again else 0,
            items=event.items,
            chosen=None,
            taken=known.taken if again else (),  # those that came in meanwhile are for its next visit
            skipped=known.skipped if again else (),
            reduced=None,
        )
        return replace(
            self,
            nodes={**self.nodes, name: now},
            steps=self.steps + 1,
            open=(*self.open, name),
            ended=_without(self.ended, name),
            touched=self.touched if again else _without(self.touched, name),
        )

    def completed(self, event: NodeCompleted) -> GraphRun:
        """A node ended."""
        name = event.node
        return replace(
            self,
            nodes={**self.nodes, name: replace(self.node(name), result=event)},
            order=(*self.order, name),
            open=_without(self.open, name),
            ended=(*self.ended, name),
        )

    def chose(self, event: EdgesChosen) -> GraphRun:
        """A node's edges were decided."""
        if event.error:
            return replace(self, nodes={**self.nodes, event.node: replace(self.node(event.node), chosen=event)})
        nodes = dict(self.nodes)
        known = self.node(event.node)
        touched = self.touched
        if event.run:
            now = replace(known, chosen=event, led_on=bool(event.taken))
        else:
            now = replace(known, chosen=event, pruned=known.pruned + 1, taken=(), skipped=())
            touched = _without(touched, event.node)
        nodes[event.node] = now
        for target in event.taken:
            before = nodes.get(target, _NEW)
            nodes[target] = replace(before, taken=(*before.taken, event.node))
        for target in event.skipped:
            before = nodes.get(target, _NEW)
            nodes[target] = replace(before, skipped=(*before.skipped, event.node))
        known_targets = set(touched)
        touched = (*touched, *(target for target in (*event.taken, *event.skipped) if target not in known_targets))
        failed = known.result is not None and known.result.state != "completed"
        lost = (*self.lost, event.node) if event.run and failed and not event.taken else self.lost
        return replace(self, nodes=nodes, ended=_without(self.ended, event.node), touched=touched, lost=lost)

    def inputs(self, event: InputsChosen) -> GraphRun:
        """A node's inputs were made."""
        return replace(self, nodes={**self.nodes, event.node: replace(self.node(event.node), inputs=event)})

    def reduced(self, event: OutputsReduced) -> GraphRun:
        """A node's results were reduced."""
        if event.run != self.node(event.node).run:
            return self  # it was given up meanwhile
        return replace(self, nodes={**self.nodes, event.node: replace(self.node(event.node), reduced=event)})


def _without(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    if name not in names:
        return names
    at = names.index(name)
    return names[:at] + names[at + 1 :]
