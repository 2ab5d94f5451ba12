"""A task that is followed for one caller: its view, and what comes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from busagents.gateway.bus import Fact, Watch
from busagents.gateway.place import Place
from busagents.gateway.projection import Projection
from busagents.gateway.types import StreamItem


class Following:
    """Take from it in one place at a time. `items` are the task as of `upto` and the updates behind that, as stored when it began."""

    def __init__(self, watch: Watch, view: Projection, *, upto: Place | None = None) -> None:
        self.view = view
        self.items = view.replay(watch.past, upto=upto)
        self._watch = watch
        self._coming = watch.items()

    async def next(self) -> tuple[Fact | None, list[StreamItem]]:
        """The next fact, taken, or None for something live; and its updates."""
        item = await anext(self._coming)
        if isinstance(item, Fact):
            return item, self.view.take(item)
        return None, self.view.piece(item)

    async def until_rest(self) -> AsyncIterator[StreamItem]:
        """Updates until the task is over or waits for the caller."""
        while not self.view.rests:
            for item in (await self.next())[1]:
                yield item

    async def until_asked(self) -> AsyncIterator[StreamItem]:
        """Updates until the task is over or asks the caller something; an authorization is given elsewhere."""
        while not self.view.asks:
            for item in (await self.next())[1]:
                yield item

    async def until_end(self) -> AsyncIterator[StreamItem]:
        """Updates until the task is over."""
        while not self.view.ended:
            for item in (await self.next())[1]:
                yield item

    async def ended_within(self, seconds: float) -> None:
        """Wait for the end of the task, so long at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.view.ended:
                    await self.next()

    async def close(self) -> None:
        """Stop following. The task goes on."""
        await self._coming.aclose()
        await self._watch.close()
