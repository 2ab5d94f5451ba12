"""The event log on JetStream: fenced appends whose every ambiguous outcome is resolved, and sends that are safe to repeat.

The law of an append. The entry id is fresh for the decision and kept over retries, so at the head it proves "this is ours".
The fence is the position of the thread's last `ev` entry. A refusal by the fence of the first copy sent is final (Fenced). After
any other answer but "stored" the head, read from the leader, decides:

    our id is at the head            stored; only the confirmation was lost
    the head has moved otherwise     Fenced: a rival was first (or ours, and then a rival)
    the head is where it was         not stored: again, same id and same fence, so a late first copy is refused
"""

from __future__ import annotations

import asyncio
import base64
import random
import time
from collections.abc import AsyncIterator
from typing import Any, Literal

import msgspec
import nats.errors
from nats.aio.client import Client

from busagents.adapters.jetstream.api import ApiError, decode
from busagents.adapters.jetstream.read import LogReader, stored_message
from busagents.adapters.jetstream.requests import NoAnswer, NobodyThere, Requests
from busagents.domain.subjects import LOG_PREFIX, STREAM, ThreadRef, log_subject, session_filter, thread_filter
from busagents.errors import AppendUnresolved, EntryTooLarge, Fenced, LogFull
from busagents.ports.log import StoredMessage

_FULL = {10077, 10002, 10023, 10047}  # max bytes, account limit, server resources
_FENCE = 10071
_LOOK_AT_HEAD = {_FENCE, 10158, 10164}  # the fence, a duplicate in flight, a fence in flight
_NO_MESSAGE = 10037
_REMEMBERED = 1024  # entries; a repetition follows its first try closely
_ANSWER = 2.0  # seconds until an unanswered publish counts as unknown


class _Problem(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _PubAck(msgspec.Struct):
    seq: int = 0
    error: _Problem | None = None


_PUB_ACK = msgspec.json.Decoder(_PubAck)


class JetStreamLog:
    """ports.log.EventLog on one stream. `deadline` in seconds bounds how long an append tries to learn its outcome."""

    def __init__(self, client: Client, *, deadline: float = 60.0) -> None:
        self._client = client
        self._deadline = deadline
        self._requests = Requests(client)
        self._sent: dict[str, None] = {}  # ids of entries tried before, in order
        self._reader = LogReader(client)

    def connection_lost(self) -> None:
        """Do not wait for answers that will not come: look at the log as soon as there is a connection."""
        self._requests.lost()
        self._reader.connection_lost()

    async def append(self, ref: ThreadRef, body: bytes, *, entry_id: str, head: int, types: str) -> int:
        """See EventLog.append."""
        headers = {
            "Nats-Expected-Last-Subject-Sequence": str(head),
            "Nats-Msg-Id": entry_id,
            "Nats-Expected-Stream": STREAM,
            "Busagents-Type": types,
        }
        subject = log_subject(ref.checked(), "ev")
        end = time.monotonic() + self._deadline
        fresh = self._sends_first(entry_id)
        while time.monotonic() < end:
            position = await self._publish(subject, body, headers, end, fresh=fresh)
            if position is not None:
                return position
            fresh = False
            last = await self._leader_last(subject, end)
            if last is not None and last.entry_id == entry_id:
                return last.position
            if (last.position if last is not None else 0) != head:
                raise Fenced(f"another process appended to thread {ref} first: it owns the thread now")
            await self._pause(subject)
        raise _unresolved(subject, self._deadline)

    async def send(self, ref: ThreadRef, kind: Literal["in", "stop"], body: bytes, *, entry_id: str, types: str) -> int:
        """See EventLog.send. Within the duplicate window a repetition is dropped by the store, later by the reader's fold."""
        headers = {"Nats-Msg-Id": entry_id, "Nats-Expected-Stream": STREAM, "Busagents-Type": types}
        subject = log_subject(ref.checked(), kind)
        end = time.monotonic() + self._deadline
        while time.monotonic() < end:
            position = await self._publish(subject, body, headers, end)
            if position is not None:
                return position
            await self._pause(subject)
        raise _unresolved(subject, self._deadline)

    async def _publish(
        self, subject: str, body: bytes, headers: dict[str, str], end: float, *, fresh: bool = False
    ) -> int | None:
        """The position it was stored at, or None when that is not known.

        `fresh`: no copy of it was sent before, so a refusal by the fence is the last word (Fenced).
        """
        try:
            reply = await self._requests.request(subject, body, timeout=_patience(end), headers=headers)
        except nats.errors.MaxPayloadError:
            raise _too_large(subject, len(body), self._client.max_payload) from None
        except NobodyThere:  # no leader now, or no stream at all
            await self._reader.check_stream()
            return None
        except NoAnswer:
            return None
        answer = _PUB_ACK.decode(reply.data)
        problem = answer.error
        if problem is None:
            return answer.seq
        if problem.err_code in _FULL:  # before the 503 test: a full store is a 503 too
            raise LogFull(
                f"the log is full ({problem.description}): nothing was stored. "
                f"Raise max_bytes of stream {STREAM}, or archive old sessions"
            )
        if problem.err_code == 10054:
            raise _too_large(subject, len(body), self._client.max_payload)
        if fresh and problem.err_code == _FENCE:
            raise Fenced(f"another process appended to the thread of {subject} first: it owns the thread now")
        if problem.err_code not in _LOOK_AT_HEAD and problem.code != 503:
            raise ApiError(problem.code, problem.err_code, problem.description).as_bus_error()
        return None

    def _sends_first(self, entry_id: str) -> bool:
        """True if no copy of the entry left this process before: a caller may repeat what ended unresolved."""
        if entry_id in self._sent:
            return False
        self._sent[entry_id] = None
        if len(self._sent) > _REMEMBERED:
            del self._sent[next(iter(self._sent))]
        return True

    async def _pause(self, subject: str) -> None:
        if self._client.is_closed:
            raise AppendUnresolved(
                f"the connection was closed before it was known whether an entry for {subject} was stored: do not close a bus in use"
            )
        await asyncio.sleep(random.uniform(0.02, 0.1))  # jitter: rivals and retries must not march in step

    async def head(self, ref: ThreadRef) -> StoredMessage | None:
        """See EventLog.head.

        Raises:
            AppendUnresolved: no leader answered before the deadline.
        """
        return await self._leader_last(log_subject(ref.checked(), "ev"), time.monotonic() + self._deadline)

    async def _leader_last(self, subject: str, end: float) -> StoredMessage | None:
        while True:
            try:
                query = msgspec.json.encode({"last_by_subj": subject})
                reply = await self._requests.request(f"$JS.API.STREAM.MSG.GET.{STREAM}", query, timeout=_patience(end))
                return _from_api(decode(reply.data)["message"])
            except ApiError as error:
                if error.err_code == _NO_MESSAGE:
                    return None
                if not error.passes:
                    raise error.as_bus_error() from None
            except (NoAnswer, NobodyThere):
                pass  # no answer is no knowledge
            if time.monotonic() > end:
                raise _unresolved(subject, self._deadline)
            await self._pause(subject)

    def read_thread(self, ref: ThreadRef, *, after: int = 0) -> AsyncIterator[StoredMessage]:
        """See EventLog.read_thread. Raises BusUnreachable when the log cannot be read now."""
        return self._reader.read(thread_filter(ref), after)

    def read_session(self, session: str, *, after: int = 0) -> AsyncIterator[StoredMessage]:
        """See EventLog.read_session."""
        return self._reader.read(session_filter(session), after)

    def read_participant(self, participant: str, *, after: int = 0) -> AsyncIterator[StoredMessage]:
        """See EventLog.read_participant."""
        return self._reader.read(f"{LOG_PREFIX}.{participant}.>", after)


def _patience(end: float) -> float:
    """Seconds to wait for an answer when nothing may take longer than until `end` (monotonic seconds)."""
    return min(_ANSWER, max(0.1, end - time.monotonic()))


def _too_large(subject: str, size: int, limit: int) -> EntryTooLarge:
    return EntryTooLarge(
        f"an entry of {size} bytes for {subject} is above the server's limit of {limit}: split it, or raise max_payload"
    )


def _unresolved(subject: str, seconds: float) -> AppendUnresolved:
    return AppendUnresolved(
        f"after {seconds:g} s it is not known whether an entry for {subject} was stored: check the NATS server"
    )


def _from_api(raw: dict[str, Any]) -> StoredMessage | None:
    headers = base64.b64decode(raw.get("hdrs", "")).decode()
    entry_id = next((line[12:].strip() for line in headers.split("\r\n") if line.startswith("Nats-Msg-Id:")), None)
    return stored_message(raw["subject"], raw["seq"], entry_id, base64.b64decode(raw.get("data", "")), raw.get("time", ""))
