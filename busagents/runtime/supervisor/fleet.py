"""All replicas of all participants: started, scaled, reloaded, stopped together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from busagents.errors import UsageError
from busagents.runtime.supervisor.replica import Participant, Replica, Surroundings
from busagents.runtime.supervisor.sources import source_of


def choose(
    participants: Sequence[Participant], *, only: Sequence[str] = (), scale: Mapping[str, int] | None = None
) -> dict[Participant, int]:
    """The participants to run and the replicas of each: `scale` over what the definition says; `only` names, if any.

    Raises:
        UsageError: `only` or `scale` names a participant that was not found, or two have one name.
    """
    scale = scale or {}
    found: dict[str, Participant] = {}
    for participant in participants:
        other = found.setdefault(participant.name, participant)
        if other is not participant:
            raise UsageError(f"two participants are named {other.name!r}: {other.ref} and {participant.ref}; rename one")
    for name in (*only, *scale):
        if name not in found:
            raise UsageError(f"no participant is named {name!r}: found {', '.join(found) or 'none'}")
    return {p: scale.get(p.name, p.replicas) for p in participants if not only or p.name in only}


class Fleet:
    """The running replicas, in order of declaration."""

    def __init__(self, around: Surroundings, *, shutdown_timeout: float) -> None:
        self._around = around
        self._shutdown_timeout = shutdown_timeout
        self._running: dict[Replica, asyncio.Task[None]] = {}
        self._stopping = False
        self.gave_up = asyncio.Event()  # a replica is in state crash-loop or failed
        self.all_over = asyncio.Event()  # every replica is

    @property
    def replicas(self) -> list[Replica]:
        """Every replica, also those that were given up."""
        return list(self._running)

    def rows(self) -> list[dict[str, Any]]:
        """What `ps` shows."""
        return [replica.row() for replica in self._running]

    def start(self, chosen: Mapping[Participant, int]) -> None:
        """Start the replicas of each participant."""
        for participant, count in chosen.items():
            for number in range(count):
                replica = Replica(participant, number, self._around)
                task = asyncio.ensure_future(replica.run())
                self._running[replica] = task
                task.add_done_callback(lambda _: self._note_ended())

    async def settled(self) -> None:
        """Wait until every replica is ready, or is known not to become ready."""
        await asyncio.gather(*(replica.settled.wait() for replica in self._running))

    async def reload(self, chosen: Mapping[Participant, int], changed: set[Path], unread: set[Path]) -> None:
        """Make the fleet what `chosen` says; restart, gracefully, what is defined in a `changed` file.

        A changed file that defines no participant is taken as shared by all of them. What is defined in an `unread` file,
        one that cannot be imported now, runs on as it is.
        """
        sources = {source_of(participant.ref) for participant in chosen}
        shared = bool(changed - unread - sources - {source_of(replica.participant.ref) for replica in self._running})
        old = {replica.participant: replica for replica in self._running}
        renew = {p for p in chosen if p not in old or shared or source_of(p.ref) in changed}
        dropped = [p for p in old if p not in chosen and source_of(p.ref) not in unread]
        await self._retire([r for r in self._running if r.participant in renew or r.participant in dropped])
        self.start({participant: count for participant, count in chosen.items() if participant in renew})

    async def stop(self) -> None:
        """Stop every replica; those that do not drain in time are killed."""
        self._stopping = True
        await self._retire(list(self._running))

    async def _retire(self, replicas: Iterable[Replica]) -> None:
        replicas = list(replicas)
        await asyncio.gather(*(replica.stop(self._shutdown_timeout) for replica in replicas))
        await asyncio.gather(*(self._running[replica] for replica in replicas))
        for replica in replicas:
            del self._running[replica]

    def _note_ended(self) -> None:
        if self._stopping:
            return
        given_up = [replica for replica in self._running if replica.failure]
        if given_up:
            self.gave_up.set()
        if len(given_up) == len(self._running):
            self.all_over.set()
