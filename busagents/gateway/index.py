"""Which tasks callers have: a projection of the log, kept in a temporary file. Without it, it is made anew."""

from __future__ import annotations

import asyncio
import sqlite3
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from busagents.domain import events as e
from busagents.domain.subjects import ThreadRef
from busagents.gateway.bus import Fact, GatewayBus
from busagents.gateway.errors import InvalidParams
from busagents.gateway.projection import Projection, Saved, stamp
from busagents.gateway.sent import sender_of
from busagents.gateway.types import Caller, ListRequest, Task, TaskPage

_BATCH = 1000  # facts in one transaction
_MOST = 100  # tasks on a page
_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -4096;
CREATE TABLE task (
    participant TEXT NOT NULL, session TEXT NOT NULL, thread TEXT NOT NULL, id TEXT NOT NULL, sender TEXT NOT NULL,
    state TEXT NOT NULL, since TEXT NOT NULL, position INTEGER NOT NULL, saved BLOB NOT NULL,
    PRIMARY KEY (id, participant, session, thread)
) WITHOUT ROWID;
CREATE INDEX newest ON task (sender, since DESC, position DESC, id DESC);
CREATE INDEX context ON task (session, sender);
"""
_ENCODER = msgspec.json.Encoder()
_SAVED = msgspec.json.Decoder(Saved)
_CURSOR = msgspec.json.Decoder(tuple[str, Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)], str])


class TaskIndex:
    """Brought up to the log's tip before each answer. Its memory does not grow with the log. `close` forgets it."""

    def __init__(self, bus: GatewayBus) -> None:
        self._bus = bus
        self._position = 0
        self._asked = 0
        self._served = 0
        self._reading = asyncio.Lock()
        self._using = asyncio.Lock()
        # An empty name: a file of the database's own, that nobody else sees and that goes with the process, however it ends.
        self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._db.executescript(_SCHEMA)

    async def page(self, caller: Caller, request: ListRequest, participant: str | None = None) -> TaskPage:
        """A page of the caller's tasks, without history and artifacts.

        Raises:
            InvalidParams: a page size or token, or a time, that cannot be.
        """
        wanted, values = _conditions(caller, request, participant)
        after, behind = _cursor(request.page_token)
        await self.catch_up()
        columns = "id, participant, session, since, position, saved"
        order = "ORDER BY since DESC, position DESC, id DESC LIMIT ?"
        async with self._using:
            rows, total = await asyncio.to_thread(
                lambda: (
                    self._db.execute(
                        f"SELECT {columns} FROM task WHERE {wanted}{after} {order}",
                        (*values, *behind, request.page_size + 1),
                    ).fetchall(),
                    self._db.execute(f"SELECT count(*) FROM task WHERE {wanted}", values).fetchone()[0],
                )
            )
        more = len(rows) > request.page_size
        rows = rows[: request.page_size]
        token = _token(rows[-1][3], rows[-1][4], rows[-1][0]) if more else ""
        return TaskPage(tuple(_task(row[0], row[1], row[2], row[5]) for row in rows), token, request.page_size, total)

    async def find(self, task_id: str) -> ThreadRef | None:
        """The thread of the task of that id; None if there is none, or several."""
        await self.catch_up()
        query = "SELECT participant, session, thread FROM task WHERE id = ? LIMIT 2"
        async with self._using:
            rows = await asyncio.to_thread(lambda: self._db.execute(query, (task_id,)).fetchall())
        return ThreadRef(*rows[0]) if len(rows) == 1 else None

    async def catch_up(self) -> None:
        """Read what was stored until now. Who asks while another reads waits, and those who wait read once for all."""
        self._asked += 1
        ticket = self._asked
        async with self._reading:
            if self._served >= ticket:
                return
            upto = self._asked
            await self._read()
            self._served = upto

    async def close(self) -> None:
        """Drop it."""
        async with self._using:
            self._db.close()

    async def _read(self) -> None:
        batch: list[tuple[ThreadRef, Fact]] = []
        position = self._position
        async for position, ref, fact in self._bus.scan(after=self._position):
            if fact is not None:
                batch.append((ref, fact))
            elif len(batch) >= _BATCH:  # an entry is whole
                await self._store(batch, position)
                batch = []
        if position > self._position:
            await self._store(batch, position)

    async def _store(self, batch: Sequence[tuple[ThreadRef, Fact]], position: int) -> None:
        async with self._using:
            await asyncio.to_thread(self._write, batch)
            self._position = position

    def _write(self, batch: Sequence[tuple[ThreadRef, Fact]]) -> None:
        views: dict[tuple[str, ThreadRef], Projection | None] = {}
        positions: dict[tuple[str, ThreadRef], int] = {}
        for ref, fact in batch:
            key = (fact.task, ref)
            if key not in views:
                views[key] = self._load(*key)
            view = views[key]
            if view is None:
                if not isinstance(fact.event, e.TaskSubmitted) or fact.event.parent:
                    continue  # of another participant's task: not a caller's
                view = views[key] = Projection(fact.task, ref.session, ref.participant)
            before = view.status
            view.take(fact)
            if view.status is not before:
                positions[key] = fact.position
        self._db.execute("BEGIN")
        for (task, ref), position in positions.items():
            view = views[task, ref]
            assert view is not None, "only those that moved"
            row = (*_names(ref), task, view.sender, view.state, view.status.timestamp, position, _ENCODER.encode(view.save()))
            self._db.execute("INSERT OR REPLACE INTO task VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        self._db.execute("COMMIT")

    def _load(self, task: str, ref: ThreadRef) -> Projection | None:
        query = "SELECT saved FROM task WHERE id = ? AND participant = ? AND session = ? AND thread = ?"
        row = self._db.execute(query, (task, *_names(ref))).fetchone()
        return Projection.load(task, ref.session, ref.participant, _SAVED.decode(row[0])) if row is not None else None


def _names(ref: ThreadRef) -> tuple[str, str, str]:
    return ref.participant, ref.session, ref.thread


def _task(task: str, participant: str, session: str, saved: bytes) -> Task:
    view = Projection.load(task, session, participant, _SAVED.decode(saved))
    return msgspec.structs.replace(view.task(0), artifacts=None)


def _conditions(caller: Caller, request: ListRequest, participant: str | None) -> tuple[str, tuple[Any, ...]]:
    if not 1 <= request.page_size <= _MOST:
        raise InvalidParams(
            f"pageSize={request.page_size} is not from 1 to {_MOST}", (("pageSize", f"must be from 1 to {_MOST}"),)
        )
    conditions = {
        "sender = ?": None if caller.may_see_all else sender_of(caller),
        "session = ?": request.context_id or None,
        "state = ?": request.state,
        "participant = ?": participant or None,
        "since > ?": _time(request.status_after) if request.status_after else None,
    }
    wanted = {text: value for text, value in conditions.items() if value is not None}
    return " AND ".join(wanted) or "1", tuple(wanted.values())


def _time(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        message = f"{text[:80]!r} is no time: use RFC 3339, such as 2026-01-31T12:00:00.000Z"
        raise InvalidParams(message, (("statusTimestampAfter", "is no time"),)) from None
    return stamp(text)


def _token(since: str, position: int, task: str) -> str:
    return urlsafe_b64encode(_ENCODER.encode((since, position, task))).decode().rstrip("=")


def _cursor(token: str) -> tuple[str, tuple[Any, ...]]:
    """The condition, and its values, for what is behind a page."""
    if not token:
        return "", ()
    try:
        values = _CURSOR.decode(urlsafe_b64decode(token.encode() + b"=" * (-len(token) % 4)))
    except (ValueError, msgspec.DecodeError):  # not base64, not Unicode, not ours
        raise InvalidParams(
            f"{token[:80]!r} is no page token: use nextPageToken of the page before", (("pageToken", "is not of this server"),)
        ) from None
    return " AND (since, position, id) < (?, ?, ?)", values
