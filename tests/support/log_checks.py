"""What must hold of a log after any fault: chains verify, one terminal event a task, nothing recorded twice."""

from __future__ import annotations

import asyncio
from collections import Counter

from busagents.adapters.jetstream.api import call
from busagents.adapters.jetstream.bus import JetStreamBus
from busagents.domain import events as e
from busagents.domain.subjects import STREAM, inbox_consumer
from busagents.runtime.client.client import Client
from busagents.runtime.client.task_event import TaskEvent


async def checked_events(client: Client, session: str) -> list[TaskEvent]:
    """The session's events, after checking that a fresh fold accepts its log and that its tasks ended once."""
    await client.replay(session)  # verifies every chain
    events = [event async for event in client.history(session)]
    submitted = {event.task for event in events if isinstance(event.event, e.TaskSubmitted)}
    ended = Counter(event.task for event in events if isinstance(event.event, e.TERMINAL))
    assert ended == dict.fromkeys(submitted, 1)
    turns = Counter((event.task, event.turn) for event in events if isinstance(event.event, e.ModelCompleted))
    assert set(turns.values()) <= {1}, "a model call that had completed was made again"
    results = Counter(
        (event.task, event.turn, event.event.call)
        for event in events
        if isinstance(event.event, e.ToolCompleted | e.ToolFailed | e.ToolUnknown)
    )
    assert set(results.values()) <= {1}, "a tool call has two results"
    return events


def types(events: list[TaskEvent]) -> list[str]:
    """The event types, `task.submitted` left out."""
    return [event.type for event in events if event.kind == "ev"]


async def inbox_empty(client: Client, participant: str) -> None:
    """Wait until every message to the participant is acknowledged."""
    assert isinstance(client.bus, JetStreamBus)
    while True:
        info = await call(client.bus.client, f"CONSUMER.INFO.{STREAM}.{inbox_consumer(participant)}")
        if not info["num_pending"] and not info["num_ack_pending"]:
            return
        await asyncio.sleep(0.02)
