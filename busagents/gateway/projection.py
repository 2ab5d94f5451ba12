"""A task's own facts as A2A's task and updates. Pure: the same facts give the same updates, whoever reads them, and a task is
what a client gets who applies the updates one by one.

What is written right now goes into the artifact `answer` piece by piece, and has no place. The record then says the rest of it;
where it differs from what was shown, it replaces it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from busagents.domain import events as e
from busagents.domain import messages as m
from busagents.gateway.bus import Fact, Piece
from busagents.gateway.live_answer import ANSWER, LiveAnswer
from busagents.gateway.parts import shown
from busagents.gateway.place import Place
from busagents.gateway.sent import answer_message_id, sent_with
from busagents.gateway.types import (
    INTERRUPTED,
    TERMINAL,
    Artifact,
    ArtifactUpdate,
    Message,
    Part,
    Status,
    StatusUpdate,
    StreamItem,
    Task,
    TaskState,
)

OURS = "busagents"  # the key of what we add to A2A's metadata
REJECTED = frozenset(["refused", "rejected"])  # reasons of a failure by which the participant did not want the task
_ASKING: dict[str, TaskState] = {"authorization": "auth-required"}  # by a question's purpose

Recorded = StatusUpdate | ArtifactUpdate


class Saved(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a projection needs to go on, without what was said and made."""

    sender: str
    status: Status
    metadata: dict[str, Any]
    questions: dict[str, e.InputRequired] = {}


class Projection:
    """One reader's view of a task. Give it the facts in the log's order, and the pieces between them as they come."""

    def __init__(self, task: str, context: str, participant: str) -> None:
        self.id = task
        self.context = context
        self.participant = participant
        self.submitted: e.TaskSubmitted | None = None
        self.sender = ""
        self.inputs: dict[str, e.TaskInput] = {}  # answers that were given, by their entry
        self.questions: dict[str, e.InputRequired] = {}  # those that wait for an answer, the oldest first
        self.lacks_answers = False  # an answer counts that this reader was not given
        self.place = Place()
        self._status = Status("submitted")
        self._artifacts: dict[str, Artifact] = {}
        self._history: list[Message] = []
        self._answers: list[Message] = []  # those that count, until the status says that
        self._metadata: dict[str, Any] = {"participant": participant}
        self._told = 0  # pieces of progress
        self._live = LiveAnswer(task, context)

    @classmethod
    def load(cls, task: str, context: str, participant: str, saved: Saved) -> Projection:
        """One that goes on where another was saved. It has neither history nor artifacts."""
        view = cls(task, context, participant)
        view.sender, view._status, view._metadata = saved.sender, saved.status, saved.metadata
        view.questions = saved.questions
        return view

    def save(self) -> Saved:
        """What load() takes."""
        return Saved(self.sender, self._status, self._metadata, self.questions)

    @property
    def status(self) -> Status:
        """Where the task is, since when, and what was said then; another object after each change."""
        return self._status

    @property
    def state(self) -> TaskState:
        """Where the task is."""
        return self._status.state

    @property
    def ended(self) -> bool:
        """It is over."""
        return self._status.state in TERMINAL

    @property
    def rests(self) -> bool:
        """It is over, or waits for the caller."""
        return self.ended or self._status.state in INTERRUPTED

    @property
    def asks(self) -> bool:
        """It is over, or waits for an answer: a stream ends here."""
        return self.ended or self._status.state == "input-required"

    def task(self, history_length: int | None = None) -> Task:
        """The task as of here, with so many of the newest messages (None: all; 0: no history)."""
        kept = self._history if history_length is None else self._history[max(0, len(self._history) - history_length) :]
        history = tuple(kept) if history_length != 0 else None
        artifacts = tuple(self._artifacts.values())
        return Task(self.id, self.context, self._status, artifacts, history, {OURS: dict(self._metadata)})

    def replay(self, facts: Iterable[Fact], *, upto: Place | None = None, history_length: int | None = None) -> list[StreamItem]:
        """Take facts. The task as of `upto` (None: as of all of them) comes first, then the updates behind that."""
        first: StreamItem | None = None
        behind: list[StreamItem] = []
        for fact in facts:
            for update in self._note(fact):
                if first is None and upto is not None and upto < self.place.next(fact.position):
                    first = StreamItem(self.task(history_length), str(upto))
                items = self._step(fact, update)
                if first is not None:
                    behind += items
        return [first or StreamItem(self.task(history_length), str(self.place)), *behind]

    def take(self, fact: Fact) -> list[StreamItem]:
        """Take a fact; its updates as this reader needs them."""
        items: list[StreamItem] = []
        for update in self._note(fact):
            items += self._step(fact, update)
        return items

    def piece(self, piece: Piece) -> list[StreamItem]:
        """Show what is written right now. The task does not change by it."""
        if self.ended:
            return []
        if piece.text:
            return [StreamItem(self._live.piece(piece))]
        if piece.progress is None or self.state != "working":
            return []
        said = Part(text=piece.progress) if isinstance(piece.progress, str) else Part(data=piece.progress, has_data=True)
        self._told += 1
        message = self._says(f"{self.id}.{self.place}.progress-{self._told}", (said,))
        return [StreamItem(self._moved("working", self._status.timestamp, message))]

    def _step(self, fact: Fact, update: Recorded) -> list[StreamItem]:
        items: list[StreamItem] = []
        self.place = self.place.next(fact.position)
        told: Recorded = update
        if isinstance(update, ArtifactUpdate):
            if update.artifact.artifact_id == ANSWER:
                told = self._live.told(update)
            self._artifacts[update.artifact.artifact_id] = update.artifact
        else:
            # What an agent says before it uses tools is a message; and a task that failed has no answer.
            if self._live.showing and (update.status.state in TERMINAL or isinstance(fact.event, e.ModelCompleted)):
                items.append(StreamItem(self._live.void()))
            self._replaced(update.status)
            self._metadata |= (update.metadata or {}).get(OURS, {})
        items.append(StreamItem(told, str(self.place)))
        return items

    def _replaced(self, status: Status) -> None:
        """What the status said goes into the history, and what was answered behind it."""
        said, now = self._status.message, status.message
        if said is not None and (now is None or now.message_id != said.message_id):
            self._history.append(said)
        self._history += self._answers
        self._answers.clear()
        self._status = status

    def _note(self, fact: Fact) -> list[Recorded]:
        """Keep what a fact says; the updates it is for every reader."""
        time = stamp(fact.time)
        match fact.event:
            case e.TaskSubmitted():
                self._submitted(fact, fact.event, time)
            case e.TaskInput():
                self.inputs.setdefault(fact.entry, fact.event)
            case e.TaskStarted() if self.state == "submitted":
                return [self._moved("working", time)]
            case e.ModelCompleted(message) if message.tool_calls and message.text.strip():
                return [self._moved(self.state, time, self._says(f"{fact.entry}.said", shown(message.parts)))]
            case e.InputRequired(request):
                self.questions.setdefault(request, fact.event)
                return [self._waits(time)]
            case e.InputAnswered(request, answer):
                return self._answered(request, answer, time)
            case e.TaskCompleted():
                return self._completed(fact.event, time)
            case e.TaskFailed(reason, text, usage):
                state: TaskState = "rejected" if reason in REJECTED else "failed"
                said = self._says(f"{fact.entry}.failed", (Part(text=text or reason),), {"reason": reason})
                return [self._moved(state, time, said, usage)]
            case e.TaskCanceled(reason, usage):
                why = self._says(f"{fact.entry}.canceled", (Part(text=reason),)) if reason else None
                return [self._moved("canceled", time, why, usage)]
        return []

    def _submitted(self, fact: Fact, event: e.TaskSubmitted, time: str) -> None:
        if self.sender:
            return  # the same again
        self.submitted, self.sender, self.place = event, event.sender, Place(fact.position)
        self._status = Status("submitted", None, time)
        kept = sent_with(event)
        message = Message(
            kept.message_id or fact.entry,
            "user",
            shown(event.prompt.parts, kept.parts),
            self.context,
            self.id,
            kept.reference_task_ids,
            kept.extensions,
            kept.metadata,
        )
        self._history.append(message)

    def _answered(self, request: str, answer: str, time: str) -> list[Recorded]:
        self.questions.pop(request, None)
        given = self.inputs.get(answer)
        if given is not None:
            self._answers.append(Message(answer_message_id(answer), "user", shown(given.message.parts), self.context, self.id))
        elif answer:
            self.lacks_answers = True
        if self.ended:
            return []
        return [self._waits(time) if self.questions else self._moved("working", time)]

    def _waits(self, time: str) -> StatusUpdate:
        required = next(iter(self.questions.values()))
        told: dict[str, Any] = {"request": required.request, "purpose": required.purpose}
        if required.asker:
            told["asker"] = required.asker
        if required.answer_schema is not None:
            told["answerSchema"] = required.answer_schema
        said = self._says(f"{self.id}.{required.request}", shown(required.message.parts), told)
        return self._moved(_ASKING.get(required.purpose, "input-required"), time, said)

    def _completed(self, event: e.TaskCompleted, time: str) -> list[Recorded]:
        updates: list[Recorded] = []
        parts: tuple[Part, ...] = shown(event.message.parts)
        if event.output is not None:
            parts = (*parts, Part(data=event.output, has_data=True))
        if any(part.text is None or part.text for part in parts):
            updates.append(self._result(Artifact(ANSWER, parts, ANSWER)))
        for number, item in enumerate(event.artifacts, start=1):
            updates.append(self._result(Artifact(f"artifact-{number}", shown(item.parts), item.name, item.description)))
        return [*updates, self._moved("completed", time, None, event.usage)]

    def _result(self, artifact: Artifact) -> ArtifactUpdate:
        return ArtifactUpdate(self.id, self.context, artifact, last_chunk=True)

    def _moved(self, state: TaskState, time: str, message: Message | None = None, usage: m.Usage | None = None) -> StatusUpdate:
        final = state in TERMINAL or state == "input-required"  # an authorization is given elsewhere: the stream stays open
        metadata = {OURS: {"usage": msgspec.to_builtins(usage)}} if usage is not None and usage.total_tokens else None
        return StatusUpdate(self.id, self.context, Status(state, message, time), final, metadata)

    def _says(self, message_id: str, parts: tuple[Part, ...], ours: dict[str, Any] | None = None) -> Message:
        metadata = {OURS: ours} if ours else None
        return Message(message_id, "agent", parts, self.context, self.id, metadata=metadata)


def stamp(time: str) -> str:
    """A time of the log as A2A writes it: RFC 3339, UTC, milliseconds."""
    if len(time) == 24 and time.endswith("Z"):
        return time
    try:
        parsed = datetime.fromisoformat(time)
    except ValueError:
        return time
    utc = parsed.astimezone(UTC) if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
