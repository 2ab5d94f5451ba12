"""Reading the log: batched direct gets (ADR-31), page by page, without a consumer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from busagents.adapters.jetstream.api import PATIENCE, ApiError, call, call_patiently
from busagents.domain.subjects import STREAM, parse_log_subject
from busagents.errors import BusUnreachable, InvalidName
from busagents.ports.log import StoredMessage

_PAGE = 500  # entries
_BREATH = 100  # entries until other tasks have a turn
_PAGE_BYTES = 8 * 1024 * 1024  # far below what client and server buffer, so that neither drops a part of a page
_PATIENCE = 2.0  # seconds without a message until a page counts as lost
_NO_MESSAGE = 10037
_LOST = "lost"  # beside the server's status codes


class _Page:
    """One page on its way."""

    def __init__(self) -> None:
        self.messages: list[Msg] = []
        self.status: str = ""
        self.left = 0  # entries the server has behind this page
        self.done = asyncio.Event()
        self.heard = time.monotonic()

    def take(self, message: Msg) -> None:
        self.heard = time.monotonic()
        headers = message.headers or {}
        status = headers.get("Status")
        if status is None:
            self.messages.append(message)
            return
        self.status = status
        self.left = int(headers.get("Nats-Num-Pending", 0))
        self.done.set()

    def lose(self) -> None:
        if not self.done.is_set():
            self.status = _LOST
            self.done.set()


class LogReader:
    """Reads through one reply subscription, opened at the first page."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._prefix = ""
        self._pages: dict[str, _Page] = {}
        self._count = 0
        self._replicated: bool | None = None

    def connection_lost(self) -> None:
        """The pages on their way will not be completed."""
        for page in self._pages.values():
            page.lose()

    async def read(self, subject_filter: str, after: int) -> AsyncIterator[StoredMessage]:
        """Every entry that matches, behind position `after`, in order, at least up to the tip at the call.

        Raises:
            BusUnreachable: the server did not answer for 20 s.
            LogRegressed: the stream is gone.
        """
        tip = await self._leader_tip(subject_filter)
        position = after
        end = time.monotonic() + PATIENCE
        ahead: asyncio.Task[_Page] | None = None  # the next page comes while this one is worked on
        try:
            while True:
                page = await (ahead or self._page(subject_filter, position + 1, end))
                if page.messages:
                    position = _position(page.messages[-1])
                    end = time.monotonic() + PATIENCE
                ahead = asyncio.create_task(self._page(subject_filter, position + 1, end)) if page.left else None
                for count, message in enumerate(page.messages):
                    if count % _BREATH == 0:
                        await asyncio.sleep(0)
                    stored = _stored(message)
                    if stored is not None:
                        yield stored
                if page.left == 0 and position >= tip:
                    return
                if not page.messages:
                    await self._wait_for_follower(position, tip, end)
        finally:
            if ahead is not None:
                ahead.cancel()

    @staticmethod
    async def _wait_for_follower(position: int, tip: int, end: float) -> None:
        if time.monotonic() > end:
            raise BusUnreachable(
                f"the log ends at position {position} here although its leader has {tip}: wait until the cluster's replicas caught up"
            )
        await asyncio.sleep(0.02)

    async def _leader_tip(self, subject_filter: str) -> int:
        """The last matching position; 0 if none, or if only the leader can answer the reads anyway."""
        try:
            if self._replicated is None:
                info = await call_patiently(self._client, f"STREAM.INFO.{STREAM}")
                self._replicated = info["config"].get("num_replicas", 1) > 1
            if not self._replicated:
                return 0
            last = await call_patiently(self._client, f"STREAM.MSG.GET.{STREAM}", {"last_by_subj": subject_filter})
        except ApiError as error:
            if error.err_code == _NO_MESSAGE:
                return 0
            raise error.as_bus_error() from None
        return int(last["message"]["seq"])

    async def _page(self, subject_filter: str, start: int, end: float) -> _Page:
        """A whole page; what was lost on the way with a connection is asked for again until `end` (monotonic seconds)."""
        while True:
            page = await self._try_page(subject_filter, start)
            if page is not None:
                return page
            if time.monotonic() > end or self._client.is_closed:
                raise BusUnreachable("the log cannot be read: the NATS server does not answer; check that it runs")
            await asyncio.sleep(0.05)

    async def _try_page(self, subject_filter: str, start: int) -> _Page | None:
        self._count += 1
        token = str(self._count)
        page = self._pages[token] = _Page()
        query = {"batch": _PAGE, "max_bytes": _PAGE_BYTES, "next_by_subj": subject_filter, "seq": start}
        try:
            if not self._prefix:
                await self._open()
            reply = f"{self._prefix}.{token}"
            await self._client.publish(f"$JS.API.DIRECT.GET.{STREAM}", msgspec.json.encode(query), reply=reply)
            while not page.done.is_set():
                patience = page.heard + _PATIENCE - time.monotonic()
                if patience <= 0:
                    return None
                try:
                    async with asyncio.timeout(patience):
                        await page.done.wait()
                except TimeoutError:
                    continue  # more of it may have come meanwhile
        except nats.errors.Error:
            return None
        finally:
            del self._pages[token]
        if page.status in ("204", "404"):
            return page
        if page.status == _LOST:
            return None
        if page.status == "503":  # nobody answers direct gets: no leader now, or no stream at all
            await self.check_stream()
            return None
        raise BusUnreachable(
            f"the server refuses to read {subject_filter} (status {page.status}): check its version and this user's rights"
        )

    async def check_stream(self) -> None:
        """Nobody answers for the stream now: return if that can pass.

        Raises:
            LogRegressed: the stream is gone.
            BusUnreachable: the server refuses to tell.
        """
        try:
            await call(self._client, f"STREAM.INFO.{STREAM}", timeout=_PATIENCE)
        except ApiError as error:
            if not error.passes:
                raise error.as_bus_error() from None
        except BusUnreachable:
            return  # no answer is no knowledge

    async def _open(self) -> None:
        prefix = self._client.new_inbox()
        await self._client.subscribe(f"{prefix}.*", cb=self._receive)
        self._prefix = prefix

    async def _receive(self, message: Msg) -> None:
        page = self._pages.get(message.subject.rpartition(".")[2])
        if page is not None:  # else: a part of a page that was given up
            page.take(message)


def _position(message: Msg) -> int:
    return int((message.headers or {})["Nats-Sequence"])


def _stored(message: Msg) -> StoredMessage | None:
    headers = message.headers or {}
    subject, entry_id, stamp = headers["Nats-Subject"], headers.get("Nats-Msg-Id"), headers.get("Nats-Time-Stamp", "")
    return stored_message(subject, int(headers["Nats-Sequence"]), entry_id, message.data, stamp)


def stored_message(subject: str, position: int, entry_id: str | None, body: bytes, stamp: str) -> StoredMessage | None:
    """The entry, or None when someone stored it under a subject no participant can have: nobody's entry."""
    try:
        ref, kind = parse_log_subject(subject)
    except InvalidName:
        return None
    return StoredMessage(ref, kind, position, entry_id, body, stamp)
