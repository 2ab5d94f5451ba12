"""Follows a thread: its log first, then what comes live, with no gap and no repeat. The log is the truth; live is the hurry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec

from busagents.domain.subjects import ThreadRef
from busagents.ports.log import Bus, LiveMessage, StoredMessage
from busagents.runtime.client.live_session import LiveQueue
from busagents.runtime.live_feed import LiveMessageBody

_FIRST_SILENCE = 1.0  # seconds without a word after which the log is asked whether one was lost
_LONGEST_SILENCE = 10.0
_DELTAS = msgspec.json.Decoder(LiveMessageBody)


async def follow(
    bus: Bus, ref: ThreadRef, queue: LiveQueue, *, after: int, fresh: bool
) -> AsyncIterator[StoredMessage | LiveMessageBody]:
    """Yield the thread's `ev` entries behind position `after`, each once and in order, and deltas as they come.

    `queue` collects the live feed since before this began. `fresh`: nothing can be stored behind `after` yet but what the
    queue hears, so the log is not read first.
    """
    seen = after
    if not fresh:
        async for stored in _stored(bus, ref, seen):
            yield stored
            seen = stored.position
    silence = _FIRST_SILENCE
    while True:
        message = await _next(queue, silence)
        silence = min(_LONGEST_SILENCE, silence * 2) if message is None else _FIRST_SILENCE
        if message is None or (message.position > seen and message.previous > seen):  # silence, or a gap
            async for stored in _stored(bus, ref, seen):
                yield stored
                seen = stored.position
        elif not message.position:
            body = decoded(message.body)
            if body is not None:
                yield body
        elif message.position > seen:
            yield StoredMessage(ref, "ev", message.position, None, message.body)
            seen = message.position


async def _next(queue: LiveQueue, silence: float) -> LiveMessage | None:
    if not queue.empty():
        return queue.get_nowait()
    try:
        async with asyncio.timeout(silence):
            return await queue.get()
    except TimeoutError:
        return None


def decoded(body: bytes) -> LiveMessageBody | None:
    """What a live message without a position says; None if it is not one of ours."""
    try:
        return _DELTAS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):  # anybody may publish there, a newer version too; the log has what matters
        return None


async def _stored(bus: Bus, ref: ThreadRef, after: int) -> AsyncIterator[StoredMessage]:
    async for stored in bus.log.read_thread(ref, after=after):
        if stored.kind == "ev":
            yield stored
