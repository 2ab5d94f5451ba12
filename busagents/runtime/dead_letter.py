"""Dead letters: a message that cannot be worked on ends as a recorded `task.failed`, so that nobody waits for it."""

from __future__ import annotations

from busagents.domain import events as e
from busagents.domain.codec import derived_id
from busagents.domain.decision import close_calls
from busagents.domain.outbox import outgoing, unconfirmed
from busagents.domain.thread import apply_events
from busagents.ports.log import Delivery
from busagents.runtime.journal import Journal
from busagents.runtime.outbox import Outbox

MAX_FAILURES = 5  # deliveries on which the worker itself raised
# Deliveries whose process ended before it recorded anything. A dead link takes one each ack wait too, for the 30 s for which the
# server keeps its pull: those must not add up to this.
MAX_UNSTARTED = 100

REASON = "dead_letter"


async def record_dead_letter(journal: Journal, outbox: Outbox, delivery: Delivery, why: str) -> bool:
    """Fail the delivery's task and the one at work in its thread; the thread's next task works. True if none waits there.

    Raises:
        Fenced, BusError, LogError: the failure could not be recorded.
    """
    thread = await journal.open(delivery.message.ref)
    incoming = await journal.incoming(delivery.message)
    consumed = [incoming] if incoming.id in thread.incoming else []
    state = apply_events(thread.state, consumed, ())
    text = f"given up after {delivery.deliveries} deliveries: {why}"
    records: list[e.Recorded] = []
    if state.active is not None:
        records += close_calls(state.active, why)
        records.append(e.Recorded(e.TaskFailed(REASON, text, state.active.usage), state.active.id, state.active.turn))
    tasks = [recorded.task for recorded in incoming.events] or [derived_id("task", incoming.id)]
    open_tasks = dict.fromkeys(task for task in tasks if state.task_state(task) == "submitted" or incoming.problem)
    records += [e.Recorded(e.TaskFailed(REASON, text), task) for task in open_tasks]
    if records or consumed:
        before, after = thread.state, apply_events(state, (), records)
        await journal.append(thread, consumed, records, state=after)
        await outbox.deliver(thread.ref, outgoing(before, records, after))
    if since := thread.state.seen.get(incoming.id):  # what broke may have broken before anything was told
        await outbox.deliver(thread.ref, unconfirmed(thread.state, since))
    return thread.state.idle and not thread.incoming
