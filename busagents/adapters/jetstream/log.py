"""The event log on JetStream: fenced appends with every ambiguous outcome resolved, and batched direct reads."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Any, Literal

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from busagents.adapters.jetstream.api import ApiError, call
from busagents.domain.subjects import (
    LOG_PREFIX,
    STREAM,
    ThreadRef,
    log_subject,
    parse_log_subject,
    session_filter,
    thread_filter,
)
from busagents.errors import AppendUnresolved, BusUnreachable, EntryTooLarge, Fenced, InvalidName, LogFull
from busagents.ports.log import StoredMessage

_FULL = {10077, 10002, 10023, 10047}
_LOOK_AT_HEAD = {10071, 10158, 10164}
_NO_MESSAGE = 10037
_PAGE = 500


class JetStreamLog:
    """ports.log.EventLog on one stream. `deadline` in seconds bounds how long an append tries to learn its outcome."""

    def __init__(self, client: Client, *, deadline: float = 60.0) -> None:
        self._client = client
        self._deadline = deadline

    async def append(self, ref: ThreadRef, body: bytes, *, entry_id: str, head: int, types: str) -> int:
        """See EventLog.append."""
        headers = {
            "Nats-Expected-Last-Subject-Sequence": str(head),
            "Nats-Msg-Id": entry_id,
            "Nats-Expected-Stream": STREAM,
            "Busagents-Type": types,
        }
        subject = log_subject(ref, "ev")
        end = time.monotonic() + self._deadline
        while time.monotonic() < end:
            position = await self._publish(subject, body, headers)
            if position is not None:
                return position
            last = await self._leader_last(subject, end)
            if last is not None and last.entry_id == entry_id:
                return last.position  # stored; only the confirmation was lost
            if (last.position if last is not None else 0) != head:
                raise Fenced(f"another process appended to thread {ref} first: it owns the thread now")
            await asyncio.sleep(random.uniform(0.02, 0.1))
        raise _unresolved(subject, self._deadline)

    async def send(self, ref: ThreadRef, kind: Literal["in", "stop"], body: bytes, *, entry_id: str, types: str) -> int:
        """See EventLog.send."""
        headers = {"Nats-Msg-Id": entry_id, "Nats-Expected-Stream": STREAM, "Busagents-Type": types}
        subject = log_subject(ref.checked(), kind)
        end = time.monotonic() + self._deadline
        while time.monotonic() < end:
            position = await self._publish(subject, body, headers)
            if position is not None:
                return position
            await asyncio.sleep(random.uniform(0.02, 0.1))
        raise _unresolved(subject, self._deadline)

    async def _publish(self, subject: str, body: bytes, headers: dict[str, str]) -> int | None:
        """The position it was stored at, or None when that is not known."""
        try:
            reply = await self._client.request(subject, body, timeout=2, headers=headers)
        except nats.errors.MaxPayloadError:
            raise EntryTooLarge(
                f"an entry of {len(body)} bytes for {subject} is above the server's limit of {self._client.max_payload}: "
                "split it, or raise max_payload"
            ) from None
        except (nats.errors.Error, TimeoutError, OSError):
            return None
        answer: dict[str, Any] = msgspec.json.decode(reply.data)
        problem = answer.get("error")
        if problem is None:
            return int(answer["seq"])
        code, err_code = problem.get("code", 0), problem.get("err_code", 0)
        if err_code in _FULL:  # before the 503 test: a full store is a 503 too
            raise LogFull(
                f"the log is full ({problem.get('description', '')}): nothing was stored. "
                f"Raise max_bytes of stream {STREAM}, or archive old sessions"
            )
        if err_code not in _LOOK_AT_HEAD and code != 503:
            raise BusUnreachable(f"the server refuses entries for {subject}: {problem.get('description')} ({err_code})")
        return None

    async def head(self, ref: ThreadRef) -> StoredMessage | None:
        """See EventLog.head."""
        return await self._leader_last(log_subject(ref, "ev"), time.monotonic() + self._deadline)

    async def _leader_last(self, subject: str, end: float) -> StoredMessage | None:
        while True:
            try:
                raw = await call(self._client, f"STREAM.MSG.GET.{STREAM}", {"last_by_subj": subject}, timeout=2)
            except ApiError as error:
                if error.err_code == _NO_MESSAGE:
                    return None
                if time.monotonic() > end:
                    raise _unresolved(subject, self._deadline) from None
            except BusUnreachable:
                if time.monotonic() > end:
                    raise _unresolved(subject, self._deadline) from None
            else:
                return _from_api(raw["message"])
            await asyncio.sleep(random.uniform(0.02, 0.1))

    def read_thread(self, ref: ThreadRef, *, after: int = 0) -> AsyncIterator[StoredMessage]:
        """See EventLog.read_thread."""
        return self._read(thread_filter(ref), after)

    def read_session(self, session: str, *, after: int = 0) -> AsyncIterator[StoredMessage]:
        """See EventLog.read_session."""
        return self._read(session_filter(session), after)

    def read_participant(self, participant: str, *, after: int = 0) -> AsyncIterator[StoredMessage]:
        """See EventLog.read_participant."""
        return self._read(f"{LOG_PREFIX}.{participant}.>", after)

    async def _read(self, subject_filter: str, after: int) -> AsyncIterator[StoredMessage]:
        position = after
        while True:
            page = await self._page(subject_filter, position + 1)
            for message in page:
                stored = _from_direct(message)
                position = int(message.headers["Nats-Sequence"]) if message.headers else position
                if stored is not None:
                    yield stored
            if len(page) < _PAGE:
                return

    async def _page(self, subject_filter: str, start: int) -> list[Msg]:
        """One batched direct get (ADR-31): messages until a status message ends the page."""
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox)
        try:
            query = msgspec.json.encode({"batch": _PAGE, "next_by_subj": subject_filter, "seq": start})
            await self._client.publish(f"$JS.API.DIRECT.GET.{STREAM}", query, reply=inbox)
            page: list[Msg] = []
            while True:
                message = await subscription.next_msg(timeout=5)
                status = (message.headers or {}).get("Status")
                if status is None:
                    page.append(message)
                elif status in ("204", "404"):
                    return page
                else:
                    raise BusUnreachable(f"the log cannot be read now (status {status}): try again when the cluster has a leader")
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise BusUnreachable(f"the log cannot be read now ({type(error).__name__}): check the NATS server") from None
        finally:
            await subscription.unsubscribe()


def _unresolved(subject: str, seconds: float) -> AppendUnresolved:
    return AppendUnresolved(
        f"after {seconds:g} s it is not known whether an entry for {subject} was stored: check the NATS server"
    )


def _from_direct(message: Msg) -> StoredMessage | None:
    headers = message.headers or {}
    return _stored(
        headers["Nats-Subject"],
        int(headers["Nats-Sequence"]),
        headers.get("Nats-Msg-Id"),
        message.data,
        headers.get("Nats-Time-Stamp", ""),
    )


def _stored(subject: str, position: int, entry_id: str | None, body: bytes, stamp: str) -> StoredMessage | None:
    try:
        ref, kind = parse_log_subject(subject)
    except InvalidName:  # someone stored under a subject that no participant can have: nobody's entry
        return None
    return StoredMessage(ref, kind, position, entry_id, body, stamp)


def _from_api(raw: dict[str, Any]) -> StoredMessage | None:
    import base64

    headers = base64.b64decode(raw.get("hdrs", "")).decode()
    entry_id = next((line[12:].strip() for line in headers.split("\r\n") if line.startswith("Nats-Msg-Id:")), None)
    return _stored(raw["subject"], raw["seq"], entry_id, base64.b64decode(raw.get("data", "")), raw.get("time", ""))
