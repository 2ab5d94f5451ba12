"""What became of a message to a remote agent whose answer is missing: it is looked for, and nothing is sent."""

from __future__ import annotations

import asyncio
from typing import Literal, Protocol

from busagents.domain.remote_decider import Link, own_context
from busagents.domain.subjects import ThreadRef
from busagents.ports.remote import (
    INTERRUPTED,
    Outbound,
    RemoteError,
    RemoteLost,
    RemotePeer,
    RemoteRefused,
    RemoteTask,
    RemoteTaskUnknown,
    RemoteUnreachable,
    RemoteUnsupported,
)

_LOOKS = (0.0, 0.5, 1.5)  # seconds before each look: what was missed may just have begun


class Pauses(Protocol):
    """Waits between tries while the remote is away; raises once that was too long."""

    async def wait(self, error: RemoteError) -> None: ...


Answer = RemoteTask | Literal["not received", "not known"]


async def search(peer: RemotePeer, ref: ThreadRef, outbound: Outbound, link: Link, pauses: Pauses) -> Answer:
    """The task that the message made, or went to; or that the remote has not received it; or that this cannot be told.

    Raises:
        RemoteUnreachable: it has been away for too long.
    """
    answer: Answer = "not known"
    if not peer.lists and not outbound.task:
        return answer
    for seconds in _LOOKS:
        await asyncio.sleep(seconds)
        answer = await _patiently(peer, ref, outbound, link, pauses)
        if isinstance(answer, RemoteTask):
            return answer
    return answer


async def _patiently(peer: RemotePeer, ref: ThreadRef, outbound: Outbound, link: Link, pauses: Pauses) -> Answer:
    while True:
        try:
            return await (_of_task(peer, outbound, link) if outbound.task else _of_context(peer, ref, outbound))
        except (RemoteLost, RemoteUnreachable) as error:
            await pauses.wait(error)
        except (RemoteRefused, RemoteUnsupported, RemoteTaskUnknown):
            return "not known"


async def _of_context(peer: RemotePeer, ref: ThreadRef, outbound: Outbound) -> Answer:
    """Of a message that begins a task. That none is found does not prove that none was begun: it may have answered without."""
    tasks = await peer.find(outbound.context or own_context(ref))
    named = [task for task in tasks if outbound.id in task.received]
    found = named or (tasks if len(tasks) == 1 and not outbound.context else [])
    return await peer.get(found[0].id) if found else "not known"  # listed tasks come without their results


async def _of_task(peer: RemotePeer, outbound: Outbound, link: Link) -> Answer:
    """Of an answer to what a task asked."""
    task = await peer.get(outbound.task)
    if delivered(task, outbound, link):
        return task
    return "not received" if task.received else "not known"


def delivered(task: RemoteTask, outbound: Outbound, link: Link) -> bool:
    """Whether a task has the message, or has left the state in which it asked."""
    return outbound.id in task.received or task.state not in INTERRUPTED or bool(link.asked and task.mark != link.asked)
