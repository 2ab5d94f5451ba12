"""How often the work on a message raised in this process. Its deliveries do not say: they count takeovers and drains too."""

from __future__ import annotations

from collections import OrderedDict

_MESSAGES = 1024


class FailureCount:
    """Per message, by its position in the log; the ones unseen for longest are forgotten."""

    def __init__(self) -> None:
        self._counts: OrderedDict[int, int] = OrderedDict()

    def add(self, position: int) -> int:
        """One more; returns how many there are now."""
        self._counts[position] = self._counts.pop(position, 0) + 1
        if len(self._counts) > _MESSAGES:
            self._counts.popitem(last=False)
        return self._counts[position]

    def forget(self, position: int) -> None:
        """The work on it went well, or was given up."""
        self._counts.pop(position, None)
