"""What happens in a session: the updates of all of a caller's tasks in it, in the log's order."""

from __future__ import annotations

from collections.abc import AsyncIterator

from busagents.domain.subjects import ThreadRef
from busagents.gateway.bus import Fact, GatewayBus
from busagents.gateway.errors import TaskNotFound
from busagents.gateway.exposure import Exposure
from busagents.gateway.failures import bus_failures
from busagents.gateway.place import Place
from busagents.gateway.projection import Projection
from busagents.gateway.sent import sender_of
from busagents.gateway.types import Caller, StreamItem


class LoggedSessions:
    """gateway.plain.SessionEvents, over the log."""

    def __init__(self, bus: GatewayBus, exposure: Exposure) -> None:
        self._bus = bus
        self._exposure = exposure

    async def events(self, caller: Caller, session: str, *, after: str = "") -> AsyncIterator[StreamItem]:
        """Each task when it is given, then its updates. A place counts the updates of all of them.

        Raises:
            TaskNotFound: no session of the caller's.
        """
        with bus_failures():
            start, here = Place.parse(after) if after else Place(), Place()
            sender = await self._bus.began(session)
            if sender is None or not (caller.may_see_all or sender == sender_of(caller)):
                raise TaskNotFound(f"no session {session!r}: nothing was ever given in it, or not by this caller")
            views: dict[tuple[ThreadRef, str], Projection | None] = {}  # None: it is over, or not the caller's to see
            async for ref, task, item in self._bus.session(session):
                if (ref, task) not in views:
                    exposed = self._exposure.exposes(ref.participant)
                    views[ref, task] = Projection(task, session, ref.participant) if exposed else None
                view = views[ref, task]
                if view is None:
                    continue
                for told in _told(view, item) if isinstance(item, Fact) else view.piece(item):
                    here = here.next(item.position) if told.place and isinstance(item, Fact) else here
                    if (
                        not (caller.may_see_all or view.sender == sender_of(caller))
                        or here < start
                        or (told.place and here == start)
                    ):
                        continue
                    yield StreamItem(told.update, str(here) if told.place else "")
                if view.ended:
                    views[ref, task] = None


def _told(view: Projection, fact: Fact) -> list[StreamItem]:
    is_known = view.submitted is not None
    told = view.take(fact)
    return told if is_known or view.submitted is None else [StreamItem(view.task(0), str(fact.position)), *told]
