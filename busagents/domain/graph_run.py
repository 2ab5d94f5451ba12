"""What a graph's task has done so far: which nodes ran, with what result, and which edges were taken. Built only by the fold."""

from __future__ import annotations

import msgspec

from busagents.domain.events import EdgesChosen, InputsChosen, NodeCompleted, NodeStarted, OutputsReduced


class GraphRun(msgspec.Struct, frozen=True, gc=False):
    """A graph's run."""

    def started(self, event: NodeStarted) -> GraphRun:
        """A node was started."""
        return self

    def completed(self, event: NodeCompleted) -> GraphRun:
        """A node ended."""
        return self

    def chose(self, event: EdgesChosen) -> GraphRun:
        """A node's edges were decided."""
        return self

    def inputs(self, event: InputsChosen) -> GraphRun:
        """A node's inputs were made."""
        return self

    def reduced(self, event: OutputsReduced) -> GraphRun:
        """A node's results were reduced."""
        return self
