"""A remote task as its updates tell it: how far it is, what it has said, and its results put together."""

from __future__ import annotations

from busagents.domain.messages import Artifact, DataPart, Message, Part, TextPart, assistant
from busagents.domain.storable_text import storable
from busagents.ports.remote import (
    ENDED,
    INTERRUPTED,
    RemoteArtifact,
    RemoteChunk,
    RemoteReply,
    RemoteState,
    RemoteStatus,
    RemoteTask,
    RemoteUpdate,
)

_BETWEEN = "\n\n"  # between the texts of two artifacts


class RemoteView:
    """`asked` is the mark of a question that was answered: while the task still stands there, it has not gone on."""

    def __init__(self, asked: str = "") -> None:
        self.task = ""
        self.context = ""
        self.state: RemoteState = "submitted"
        self.message: Message | None = None
        self.mark = ""
        self.reply: Message | None = None
        self.whole = True  # nothing was missed since the first update
        self._asked = asked
        self._artifacts: dict[str, _Growing] = {}

    @property
    def ended(self) -> bool:
        """It has its outcome."""
        return self.reply is not None or self.state in ENDED

    @property
    def settled(self) -> bool:
        """Nothing more comes by itself."""
        return self.ended or (self.state in INTERRUPTED and not self.stale)

    @property
    def stale(self) -> bool:
        """It still stands where it asked what was answered."""
        return self.state in INTERRUPTED and bool(self._asked) and self.mark == self._asked

    def asks_again(self) -> None:
        """It has not gone on for so long that it must be asking the same again."""
        self._asked = ""

    def apply(self, update: RemoteUpdate) -> str:
        """Take an update in. Returns the text that is new in it."""
        match update:
            case RemoteReply(message, context):
                self.reply, self.context = message, context or self.context
                return message.text
            case RemoteTask(task, context, state, message, artifacts, mark):
                before = self.text()
                self._at(task, context, state, message, mark)
                if artifacts:
                    self._artifacts = {item.id: _Growing(item) for item in artifacts}
                after = self.text()
                return after[len(before) :] if after.startswith(before) else ""
            case RemoteStatus(task, context, state, message, mark):
                self._at(task, context, state, message, mark)
                return ""
            case RemoteChunk(task, context, artifact, append):
                self.task, self.context = task or self.task, context or self.context
                return self._chunk(artifact, append)

    def text(self) -> str:
        """The text of all artifacts so far."""
        return _BETWEEN.join(filter(None, (item.text() for item in self._artifacts.values())))

    def answer(self) -> tuple[Message, tuple[Artifact, ...]]:
        """What the task's answer is here: the texts and data of its artifacts, or what it said at its end if it made none; and the
        artifacts that hold files.
        """
        if self.reply is not None:
            return _stored(self.reply), ()
        files = [item for item in self._artifacts.values() if item.holds_files]
        plain = [item for item in self._artifacts.values() if not item.holds_files]
        text = _BETWEEN.join(filter(None, (item.text() for item in plain)))
        data = [part for item in plain for part in item.parts() if isinstance(part, DataPart)]
        parts: tuple[Part, ...] = (*((TextPart(text),) if text else ()), *data)
        if not parts and self.message is not None:
            parts = self.message.parts
        if not parts:
            parts = tuple(part for item in files for part in item.parts() if isinstance(part, TextPart))
        return _stored(Message("assistant", parts)), tuple(item.artifact() for item in files)

    def said(self, default: str) -> Message:
        """What it said with its state."""
        return _stored(self.message) if self.message is not None and self.message.parts else assistant(default)

    def _at(self, task: str, context: str, state: RemoteState, message: Message | None, mark: str) -> None:
        self.task, self.context = task or self.task, context or self.context
        self.state, self.message, self.mark = state, message, mark

    def _chunk(self, artifact: RemoteArtifact, append: bool) -> str:
        known = self._artifacts.get(artifact.id)
        new = "".join(part.text for part in artifact.parts if isinstance(part, TextPart))
        if append and known is not None:
            known.add(artifact)
            return new
        first = known is None
        behind = bool(new) and first and any(item.text() for item in self._artifacts.values())
        self._artifacts[artifact.id] = _Growing(artifact)
        return (_BETWEEN if behind else "") + new if first else ""


class _Growing:
    """An artifact that may come in pieces. Text that goes on is joined once, when it is asked for."""

    def __init__(self, artifact: RemoteArtifact) -> None:
        self._id = artifact.id
        self._name, self._description = "", ""
        self._parts: list[list[str] | Part] = []
        self.holds_files = False
        self.add(artifact)

    def add(self, artifact: RemoteArtifact) -> None:
        """A further piece."""
        self._name = artifact.name or self._name
        self._description = artifact.description or self._description
        for part in artifact.parts:
            last = self._parts[-1] if self._parts else None
            if isinstance(part, TextPart):
                if isinstance(last, list):
                    last.append(part.text)
                else:
                    self._parts.append([part.text])
            else:
                self._parts.append(part)
                self.holds_files |= not isinstance(part, DataPart)

    def parts(self) -> tuple[Part, ...]:
        """What there is of it."""
        return tuple(TextPart(storable("".join(item))) if isinstance(item, list) else item for item in self._parts)

    def text(self) -> str:
        """Its text parts joined."""
        return "".join("".join(item) for item in self._parts if isinstance(item, list))

    def artifact(self) -> Artifact:
        """As it is kept here."""
        return Artifact(storable(self._name or self._id or "artifact"), self.parts(), storable(self._description))


def _stored(message: Message) -> Message:
    """With text that can be stored, and at least one part."""
    parts = tuple(TextPart(storable(part.text)) if isinstance(part, TextPart) else part for part in message.parts)
    return Message("assistant", parts or (TextPart(""),))
