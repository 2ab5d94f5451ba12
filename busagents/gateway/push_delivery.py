"""Posts the updates of tasks to where callers want them: at least once, in order, off every stream's path.

The configurations of a task are one value in a bucket, and a durable consumer gives each value to one replica. That one follows the
task and notes after each post how far it is; if it dies, another goes on from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from datetime import datetime

import msgspec

from busagents.domain.subjects import ThreadRef
from busagents.errors import BusAgentsError, BusError
from busagents.gateway.bus import GatewayBus
from busagents.gateway.push_lane import Activity, Find, Lane, Patience, PushWork, Target
from busagents.gateway.push_store import Configs, Values, read_configs
from busagents.gateway.sent import task_ref
from busagents.ports.log import Delivery, Inbox

LOG = logging.getLogger("busagents.gateway.push")
_AWAY = 5.0  # seconds until what the bus did not do is tried again
_CHANGED = 1.0  # seconds; what was replaced or removed is not delivered again, whoever gives it back
_NOT_GIVEN = 30.0  # seconds at most between two looks whether a task has been given meanwhile


class PushDelivery:
    """One replica's part of it. `configs` is the bucket that `inbox` is of, `places` one for progress. At most `most` tasks are
    followed at once. `find` gives the thread of a task that no gateway submitted.
    """

    def __init__(
        self,
        bus: GatewayBus,
        configs: Values,
        places: Values,
        inbox: Inbox,
        target: Target,
        *,
        most: int,
        patience: Patience | None = None,
        find: Find | None = None,
    ) -> None:
        self._bus = bus
        self._configs = configs
        self._places = places
        self._inbox = inbox
        self._target = target
        self._most = most
        self._patience = patience or Patience()
        self._find = find
        self._held: dict[asyncio.Task[None], tuple[Delivery, Activity]] = {}

    async def run(self) -> None:
        """Deliver until canceled; what is held then is given back."""
        beating = asyncio.create_task(self._beat())
        try:
            async for delivery in self._inbox.deliveries():
                activity = Activity()
                task = asyncio.create_task(self._serve(delivery, activity))
                self._held[task] = (delivery, activity)
                task.add_done_callback(self._ended)
        finally:
            ending = [beating, *self._held]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)
            await self._inbox.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._held[task]
        self._inbox.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            LOG.error("a push failed by a defect", exc_info=error)  # it comes again after the ack wait

    async def _beat(self) -> None:
        """Keep what is held. When that is as much as there may be, what was quiet for long makes room."""
        while True:
            await asyncio.sleep(self._patience.beat)
            for delivery, _ in list(self._held.values()):
                await delivery.in_progress()
            if len(self._held) >= self._most:
                for task, (_, activity) in list(self._held.items()):
                    if activity.quiet > self._patience.idle:
                        activity.aside = True
                        task.cancel()

    async def _serve(self, delivery: Delivery, activity: Activity) -> None:
        try:
            again = await self._again(delivery, activity)
        except asyncio.CancelledError:
            await delivery.nak(self._patience.idle if activity.aside else 0.0)
            raise
        except BusError as error:
            LOG.warning("push: %s; trying again", error)
            again = _AWAY
        except BusAgentsError as error:
            LOG.error("push: %s", error)
            again = self._patience.longest
        if again is not None:
            await delivery.nak(again)

    async def _again(self, delivery: Delivery, activity: Activity) -> float | None:
        """Deliver all there is to come for a task. After how many seconds it has to be looked at again; None: never."""
        try:
            configs = read_configs(delivery.message.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            LOG.error("push: the value at position %d is no list of configurations", delivery.message.position)
            await delivery.term()
            return None
        revision, key = delivery.message.position, delivery.message.ref.session
        ref = await self._ref(configs)
        if ref is None or not await self._is_given(ref, configs[0].task_id):
            if time.time() - _unix(delivery) < self._patience.orphan:
                return min(_NOT_GIVEN, 0.1 * 2.0 ** min(delivery.deliveries, 10))
        else:
            work = PushWork(self._bus, self._configs, self._places, self._target, self._patience, ref, key, revision)
            lanes = [Lane(work, config, delivery.message.time, activity) for config in configs]
            if not all(await _together(lanes)):
                return _CHANGED
        return None if await self._configs.write(key, None, revision=revision) else _CHANGED

    async def _ref(self, configs: Configs) -> ThreadRef | None:
        task_id = configs[0].task_id
        ref = task_ref(task_id)
        return await self._find(task_id) if ref is None and self._find is not None else ref

    async def _is_given(self, ref: ThreadRef, task_id: str) -> bool:
        return bool(await self._bus.read(ref, task_id))


async def _together(lanes: list[Lane]) -> list[bool]:
    """Run them all to their ends. If one fails, the others are ended first."""
    running = [asyncio.ensure_future(lane.run()) for lane in lanes]
    try:
        return list(await asyncio.gather(*running))
    finally:
        for task in running:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*running, return_exceptions=True)


def _unix(delivery: Delivery) -> float:
    return msgspec.convert(delivery.message.time, datetime).timestamp()
