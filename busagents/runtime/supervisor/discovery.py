"""Find the participants: ask a forked child, so that user code is never imported by the supervisor or the warm parent."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence

import msgspec

from busagents.errors import DefinitionError
from busagents.runtime.supervisor.replica import Participant
from busagents.runtime.supervisor.warm_parent import WarmParent

_TIMEOUT = 60.0


class Problem(msgspec.Struct, frozen=True):
    """A file or module that could not be read as a definition, and why."""

    path: str
    message: str


class Discovery(msgspec.Struct, frozen=True):
    """What was found, in order of declaration."""

    participants: list[Participant] = []
    errors: list[Problem] = []


async def discover(warm: WarmParent, target: str, paths: Sequence[str], *, on_line: Callable[[str], None]) -> Discovery:
    """Run `target` ("module:function") in a child with {"paths": [...]} and return the one line it reports.

    Raises:
        DefinitionError: the child ended without an answer, or took longer than a minute.
    """
    child = await warm.spawn("discover", target, {"paths": list(paths)}, on_line=on_line)
    done, _ = await asyncio.wait({child.exited}, timeout=_TIMEOUT)
    if not done:
        await warm.signal(child, signal.SIGKILL)
        raise DefinitionError(f"importing {', '.join(paths)} took longer than {_TIMEOUT:g} s: move slow work out of the import")
    if not child.lines:
        reason = child.tail[-1] if child.tail else f"exit status {child.exited.result()}"
        raise DefinitionError(f"cannot read the services in {', '.join(paths)}: {reason}")
    return msgspec.json.decode(child.lines[-1], type=Discovery)
