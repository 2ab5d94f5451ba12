"""Threads kept folded between their tasks. What is cached may be old: the fence on the next append tells."""

from __future__ import annotations

from collections import OrderedDict

from busagents.domain.subjects import ThreadRef
from busagents.runtime.journal import OpenThread

_THREADS = 512


class ThreadCache:
    """The most recently used idle threads."""

    def __init__(self, size: int = _THREADS) -> None:
        self._size = size
        self._threads: OrderedDict[ThreadRef, OpenThread] = OrderedDict()

    def take(self, ref: ThreadRef) -> OpenThread | None:
        """Take a thread out: only one run may have it."""
        return self._threads.pop(ref, None)

    def keep(self, thread: OpenThread) -> None:
        """Put it back; the one unused for longest goes when there are too many."""
        self._threads[thread.ref] = thread
        if len(self._threads) > self._size:
            self._threads.popitem(last=False)
