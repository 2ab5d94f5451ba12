"""Tells a remote agent that its task is not wanted any more. The task ends here whether or not it could be told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from busagents.domain import events as e
from busagents.domain.remote_decider import CANCEL, link_of, own_context, sends
from busagents.domain.state import Task, ThreadState
from busagents.domain.storable_text import storable
from busagents.ports.remote import RemoteError, RemoteNotCancelable, RemotePeer, RemoteTaskUnknown
from busagents.runtime.performer import Work

_PATIENCE = 5.0  # seconds in which the remote may take it
_AGAIN = 0.5  # seconds between two tries


async def cancel_remote(work: Work, task: Task, peer: Callable[[], Awaitable[RemotePeer]]) -> list[e.Recorded]:
    """Cancel the remote task of a task that is canceled. Ends in the result of the step `a2a.cancel`."""
    call = next(item for item in task.calls if item.part.name == CANCEL and item.status != "done")
    event: e.Event
    try:
        async with asyncio.timeout(_PATIENCE):
            event = e.ToolCompleted(call.part.call, await _cancel(work.state, task, peer), work.elapsed())
    except TimeoutError:
        text = "the remote agent did not take the cancel in time: its task may still run"
        event = e.ToolFailed(call.part.call, "timeout", text, work.elapsed())
    return [e.Recorded(event, task.id, 0, call.attempt)]


async def _cancel(state: ThreadState, task: Task, peer: Callable[[], Awaitable[RemotePeer]]) -> str:
    while True:
        try:
            remote = await peer()
            found = link_of(state).remote or await _found(remote, state, task)
            if not found:
                return "no remote task is known: nothing was canceled"
            return (await remote.cancel(found)).state
        except (RemoteNotCancelable, RemoteTaskUnknown) as error:
            return f"it could not be canceled: {storable(str(error))}"
        except RemoteError:
            await asyncio.sleep(_AGAIN)


async def _found(remote: RemotePeer, state: ThreadState, task: Task) -> str:
    """The task that the remote made of a message whose answer is not known."""
    if not remote.lists:
        return ""
    link = link_of(state)
    ids = {call.part.call for call in sends(task)}
    tasks = await remote.find(link.context or own_context(state.ref))
    named = [item.id for item in tasks if ids & set(item.received)]
    return named[0] if named else tasks[0].id if len(tasks) == 1 and not link.context else ""
