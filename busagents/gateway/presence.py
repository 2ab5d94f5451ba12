"""Whether the caller is still there. Who has left waits for nothing, so what was done for him is given up: the call, not the task."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any


class Presence:
    """Ends the block when the caller leaves; `gone` tells that it was so. `after` seconds are not watched: most calls are over by
    then, and a watch costs a task.
    """

    __slots__ = ("_after", "_receive", "_task", "_timer", "_watch", "gone")

    def __init__(self, receive: Callable[[], Awaitable[MutableMapping[str, Any]]], after: float) -> None:
        self._receive = receive
        self._after = after
        self._watch: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.gone = False

    def __enter__(self) -> Presence:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        if self._after:
            self._timer = asyncio.get_running_loop().call_later(self._after, self._begin)
        else:
            self._begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        if self._timer is not None:
            self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
        if not self.gone:
            return False
        others = self._task.uncancel()  # besides our own request
        return kind is asyncio.CancelledError and not others

    def _begin(self) -> None:
        self._watch = asyncio.get_running_loop().create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self._task.cancel()
