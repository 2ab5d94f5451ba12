"""A session rebuilt from its log, as of any position. Nothing is called and nothing is written."""

from __future__ import annotations

import msgspec

from busagents.domain.messages import Message
from busagents.domain.state import ThreadState
from busagents.domain.subjects import MAIN_THREAD, ThreadRef
from busagents.errors import NotFound
from busagents.ports.log import Bus
from busagents.runtime.journal import Journal, OpenThread


class Replay(msgspec.Struct, frozen=True):
    """The threads of a session, each folded up to `position` of the log (the last entry that was taken in)."""

    session: str
    position: int
    threads: dict[ThreadRef, ThreadState]

    def messages(self, participant: str | None = None) -> list[Message]:
        """The conversation of the participant's main thread (without a name: of the participant that was asked first)."""
        threads = [ref for ref in self.threads if participant in (None, ref.participant)]
        if not threads:
            return []
        main = (ref for ref in threads if ref.participant == threads[0].participant and ref.thread == MAIN_THREAD)
        return list(self.threads[next(main, threads[0])].messages)


async def replay_session(bus: Bus, journal: Journal, session: str, upto: int | None) -> Replay:
    """See Client.replay."""
    threads: dict[ThreadRef, OpenThread] = {}
    position = 0
    async for stored in bus.log.read_session(session):
        if upto is not None and stored.position > upto:
            break
        thread = threads.setdefault(stored.ref, OpenThread(stored.ref))
        await journal.take(thread, stored)
        position = stored.position
    if not position:
        what = f" up to position {upto}" if upto is not None else ""
        raise NotFound(f"session {session!r} has no entries{what}: `busagents sessions list` shows those there are")
    return Replay(session, position, {ref: thread.state for ref, thread in threads.items()})
