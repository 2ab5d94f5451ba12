"""Which participants callers see, and how they answer."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from busagents.domain.subjects import RESERVED_PARTICIPANT
from busagents.gateway.bus import GatewayBus, OnBus
from busagents.gateway.projection import Projection
from busagents.gateway.types import Exposed, Message

_FRESH = 2.0  # seconds for which nobody is asked again who is live


class Exposure:
    """`only`: the names that can be called; None: all. `by_message`: those whose answers are bare messages, not tasks."""

    def __init__(self, bus: GatewayBus, *, only: Collection[str] | None = None, by_message: Collection[str] = ()) -> None:
        self._bus = bus
        self._only = frozenset(only) if only is not None else None
        self._by_message = frozenset(by_message)
        self._seen: dict[str, OnBus] = {}
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    def exposes(self, participant: str) -> bool:
        """Whether callers may know of it."""
        return participant != RESERVED_PARTICIPANT and (self._only is None or participant in self._only)

    async def participants(self) -> Sequence[Exposed]:
        """Who can be called, by name: those that are live, and those that were since this process began or are named in `only`."""
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if now >= self._asked_at + _FRESH:
                self._seen |= {item.name: item for item in await self._bus.participants()}
                for name in (self._only or frozenset()) - self._seen.keys():  # named by the operator, and not live
                    if await self._bus.known(name):
                        self._seen[name] = OnBus(name, "", "", "")
                self._asked_at = now
        return [
            Exposed(item.name, item.description, item.kind, item.version, item.skills)
            for _, item in sorted(self._seen.items())
            if self.exposes(item.name)
        ]

    def answers_by_message(self, participant: str) -> bool:
        """Whether its answers are bare messages."""
        return participant in self._by_message

    def as_message(self, view: Projection) -> Message | None:
        """A completed task's results as a bare message, if its participant answers so."""
        if not self.answers_by_message(view.participant) or view.state != "completed":
            return None
        parts = tuple(part for artifact in view.task().artifacts or () for part in artifact.parts)
        return Message(f"{view.id}.answer", "agent", parts, view.context) if parts else None
