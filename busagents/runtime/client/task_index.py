"""What tasks and sessions the log has: a light projection of its entries, which keeps no conversation."""

from __future__ import annotations

from typing import Any

import msgspec

from busagents.domain import events as e
from busagents.domain.messages import Usage
from busagents.domain.state import TaskState
from busagents.domain.subjects import RESERVED_PARTICIPANT, ThreadRef
from busagents.errors import BlobMissing, NotFound, UnreadableEntry
from busagents.ports.log import Bus, StoredMessage
from busagents.runtime.client.task_event import TaskEvent, read_events


class TaskInfo(msgspec.Struct):
    """A task in a list. `position` is where it was submitted; `reason` and `text` say how it ended."""

    task: str
    ref: ThreadRef
    position: int
    submitted: e.TaskSubmitted
    submitted_at: str
    state: TaskState = "submitted"
    attempts: int = 0
    turns: int = 0
    reason: str = ""
    text: str = ""
    ended_at: str = ""
    usage: Usage = Usage()
    questions: dict[str, str] = {}  # what it waits for an answer to, by request

    def summary(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "task": self.task,
            "participant": self.ref.participant,
            "session": self.ref.session,
            "thread": self.ref.thread,
            "state": self.state,
            "prompt": self.submitted.prompt.text,
            "text": self.text,
            "reason": self.reason,
            "attempts": self.attempts,
            "turns": self.turns,
            "submitted_at": self.submitted_at,
            "ended_at": self.ended_at,
            "questions": list(self.questions.values()),
            "usage": msgspec.to_builtins(self.usage),
        }


class SessionInfo(msgspec.Struct):
    """A session in a list."""

    session: str
    participants: list[str]
    entries: int
    tasks: int
    first_at: str
    last_at: str
    position: int


class TaskIndex:
    """Feed it entries in the log's order."""

    def __init__(self) -> None:
        self._tasks: dict[tuple[ThreadRef, str], TaskInfo] = {}  # an id that a client chose is its own in its thread only
        self._sessions: dict[str, SessionInfo] = {}

    async def add(self, bus: Bus, stored: StoredMessage) -> None:
        """Take one entry in. One that cannot be read counts, and is otherwise passed over: its thread refuses, not the list."""
        if stored.ref.participant == RESERVED_PARTICIPANT:  # the stream's own genesis entry
            return
        try:
            events = await read_events(bus, stored)
        except (UnreadableEntry, BlobMissing):
            events = []
        session = stored.ref.session
        time = events[0].time if events else stored.time
        info = self._sessions.setdefault(session, SessionInfo(session, [], 0, 0, time, time, 0))
        if stored.ref.participant not in info.participants:
            info.participants.append(stored.ref.participant)
        info.entries += 1
        info.last_at, info.position = time, stored.position
        for event in events:
            self._apply(info, event)

    def _apply(self, session: SessionInfo, item: TaskEvent) -> None:
        if isinstance(item.event, e.TaskSubmitted):
            if (item.ref, item.task) not in self._tasks:
                self._tasks[item.ref, item.task] = TaskInfo(item.task, item.ref, item.position, item.event, item.time)
                session.tasks += 1
            return
        task = self._tasks.get((item.ref, item.task))
        if task is None or task.ended_at:
            return
        match item.event:
            case e.TaskStarted():
                task.state, task.attempts = "working", item.attempt
            case e.ModelRequested():
                task.turns = item.turn
            case e.InputRequired(request, message):
                task.questions[request] = message.text
                task.state = "input-required"
            case e.InputAnswered(request):
                task.questions.pop(request, None)
                task.state = "input-required" if task.questions else "working"
            case e.TaskCompleted(message, usage):
                task.state, task.text, task.usage, task.ended_at = "completed", message.text, usage, item.time
            case e.TaskFailed(reason, text, usage):
                task.state, task.reason, task.text, task.usage, task.ended_at = "failed", reason, text, usage, item.time
            case e.TaskCanceled(reason, usage):
                task.state, task.reason, task.usage, task.ended_at = "canceled", reason, usage, item.time
        if task.ended_at:
            task.questions.clear()

    def tasks(self) -> list[TaskInfo]:
        """In order of submission."""
        return list(self._tasks.values())

    def get(self, ref: ThreadRef, task: str) -> TaskInfo | None:
        """The thread's task of exactly that id, if there is one."""
        return self._tasks.get((ref, task))

    def find(self, task_id: str) -> TaskInfo:
        """The task of that id, or of a prefix of it that only one task has.

        Raises:
            NotFound: none, or several.
        """
        exact = [info for info in self._tasks.values() if info.task == task_id]
        matching = exact or [info for info in self._tasks.values() if task_id and info.task.startswith(task_id)]
        if len(matching) == 1:
            return matching[0]
        why = f"{len(matching)} tasks {'have that id' if exact else 'begin so'}" if matching else "the log has no such task"
        raise NotFound(f"task {task_id!r}: {why}; `busagents tasks list` shows them")

    def sessions(self) -> list[SessionInfo]:
        """The one that was last active first."""
        return sorted(self._sessions.values(), key=lambda info: -info.position)
