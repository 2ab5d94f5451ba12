"""The posts of one push configuration: one after the other, each until it is taken or nobody believes in it any more."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from busagents.domain.codec import sha256_hex
from busagents.domain.events import TaskSubmitted
from busagents.domain.subjects import ThreadRef
from busagents.gateway.bus import Fact, GatewayBus
from busagents.gateway.exchange import encode
from busagents.gateway.place import Place
from busagents.gateway.projection import Projection, stamp
from busagents.gateway.push_store import Values
from busagents.gateway.types import PushConfig, StreamItem
from busagents.gateway.wire_v1 import stream_response

LOG = logging.getLogger("busagents.gateway.push")
_FINISH = 2.0  # seconds that a post may still take when this process is told to stop
_ENCODER = msgspec.json.Encoder()

Find = Callable[[str], Awaitable[ThreadRef | None]]


class PushFailed(Exception):
    """A post was not taken. `for_good`: it never will be. Nothing secret is in the text."""

    def __init__(self, message: str, *, for_good: bool = False) -> None:
        super().__init__(message)
        self.for_good = for_good


class Target(Protocol):
    """What posts."""

    async def post(self, config: PushConfig, body: bytes) -> None:
        """Post it; returns when it was taken. Raises PushFailed."""
        ...


class Patience(msgspec.Struct, frozen=True):
    """Seconds. `first`: until a refused post is repeated, then twice as long each time, `longest` at most; `give_up`: after so long
    without success nothing more is posted there. `orphan`: a configuration whose task is not given in that time is forgotten. `beat`:
    between two signs of life for what is held. `idle`: a task that is quiet for so long is laid aside if there are too many.
    """

    first: float = 1.0
    longest: float = 3600.0
    give_up: float = 24 * 3600.0
    orphan: float = 3600.0
    beat: float = 3.0
    idle: float = 30.0


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far the posts of a configuration are. `since` and `again` are Unix times: since when they fail, when to try again."""

    place: str = ""
    failed: int = 0
    since: float = 0.0
    again: float = 0.0
    over: bool = False


_PROGRESS = msgspec.json.Decoder(Progress)


class Activity:
    """When a task was last posted about. `aside`: it makes room for others."""

    def __init__(self) -> None:
        self.aside = False
        self.touch()

    def touch(self) -> None:
        """Just now."""
        self._at = time.monotonic()

    @property
    def quiet(self) -> float:
        """Seconds since."""
        return time.monotonic() - self._at


class PushWork(msgspec.Struct, frozen=True):
    """A task whose configurations, under `key` at `revision`, this replica holds."""

    bus: GatewayBus
    configs: Values
    places: Values
    target: Target
    patience: Patience
    ref: ThreadRef
    key: str
    revision: int


class _Over(Exception):
    """Nothing more is posted there."""


class _Replaced(Exception):
    """The configurations were changed, or another replica works on them."""


class Lane:
    """`stored` is when the configuration was stored: the task as of then is posted first, and then each update."""

    def __init__(self, work: PushWork, config: PushConfig, stored: str, activity: Activity) -> None:
        self._work = work
        self._config = config
        self._stored = stamp(stored)
        self._activity = activity
        self._key = f"{work.key}.{sha256_hex(config.id.encode(errors='surrogatepass'))[:32]}"
        self._progress = Progress()
        self._revision = 0

    async def run(self) -> bool:
        """Post until the task has ended. True: all was posted, or given up; False: it is no longer ours to do.

        Raises:
            BusError, LogError: the bus is away, the log cannot be trusted.
        """
        await self._read_progress()
        if self._progress.over:
            return True
        try:
            await self._follow()
        except _Replaced:
            return False
        except _Over:
            pass
        return True

    async def _follow(self) -> None:
        work = self._work
        task_id = self._config.task_id
        watch = await work.bus.watch(work.ref, task_id)
        try:
            view = Projection(task_id, work.ref.session, work.ref.participant)
            for item in self._behind(view, watch.past):
                await self._tell(item)
            if view.ended:
                return
            async with contextlib.aclosing(watch.items()) as coming:
                async for fact in coming:
                    if isinstance(fact, Fact):  # what is written right now is told once it is recorded
                        for item in view.take(fact):
                            await self._tell(item)
                    if view.ended:
                        return
        finally:
            await watch.close()

    def _behind(self, view: Projection, past: Sequence[Fact]) -> list[StreamItem]:
        """What is stored and was not posted."""
        if self._progress.place:
            return view.replay(past, upto=Place.parse(self._progress.place))[1:]
        given = next((number for number, fact in enumerate(past, start=1) if isinstance(fact.event, TaskSubmitted)), 0)
        older = next((number for number, fact in enumerate(past) if stamp(fact.time) >= self._stored), len(past))
        first = max(given, older)
        items = view.replay(past[:first])
        for fact in past[first:]:
            items += view.take(fact)
        return items

    async def _tell(self, item: StreamItem) -> None:
        if not item.place:
            return
        body = encode(stream_response(item.update))
        while True:
            await asyncio.sleep(max(0.0, self._progress.again - time.time()))
            found = await self._work.configs.read(self._work.key)
            if found is None or found[1] > self._work.revision:
                raise _Replaced
            if await self._finished(asyncio.ensure_future(self._once(body, item.place))):
                return

    @staticmethod
    async def _finished(post: asyncio.Future[bool]) -> bool:
        """The post's result. Who is canceled lets it end first, for a little while: else it is posted once more."""
        try:
            return await asyncio.shield(post)
        except asyncio.CancelledError:
            await asyncio.wait([post], timeout=_FINISH)
            post.cancel()
            await asyncio.wait([post])
            raise

    async def _once(self, body: bytes, place: str) -> bool:
        try:
            await self._work.target.post(self._config, body)
        except PushFailed as error:
            await self._failed(error)
            return False
        self._activity.touch()
        await self._note(Progress(place))
        return True

    async def _failed(self, error: PushFailed) -> None:
        patience, before, now = self._work.patience, self._progress, time.time()
        since = before.since or now
        where = f"{urlsplit(self._config.url).hostname} (task {self._config.task_id}, configuration {self._config.id})"
        if error.for_good or now - since >= patience.give_up:
            LOG.warning("nothing more is posted to %s after %d tries: %s", where, before.failed + 1, error)
            await self._note(replace(before, over=True))
            raise _Over
        delay = min(patience.longest, patience.first * 2.0 ** min(before.failed, 30)) * random.uniform(0.5, 1.0)
        LOG.info("a post to %s was not taken: %s; again in %.1f s", where, error, delay)
        await self._note(replace(before, failed=before.failed + 1, since=since, again=now + delay))

    async def _read_progress(self) -> None:
        found = await self._work.places.read(self._key)
        if found is not None:
            self._progress, self._revision = _PROGRESS.decode(found[0]), found[1]
        else:
            self._progress, self._revision = Progress(), 0

    async def _note(self, progress: Progress) -> None:
        """Raises _Replaced: another replica notes too."""
        if not await self._work.places.write(self._key, _ENCODER.encode(progress), revision=self._revision):
            raise _Replaced
        await self._read_progress()
