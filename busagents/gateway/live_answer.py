"""The answer as one reader saw it being written, and what is still to be said once it is recorded."""

from __future__ import annotations

from msgspec.structs import replace

from busagents.gateway.bus import Piece
from busagents.gateway.types import Artifact, ArtifactUpdate, Part

ANSWER = "answer"  # the id of the artifact that is the task's answer


class LiveAnswer:
    """Pieces of one attempt after the other. A new attempt replaces what the one before showed."""

    def __init__(self, task: str, context: str) -> None:
        self._task = task
        self._context = context
        self._attempt = (0, 0)
        self._shown: list[str] = []

    @property
    def showing(self) -> bool:
        """The reader sees text that no record holds yet."""
        return bool(self._shown)

    def piece(self, piece: Piece) -> ArtifactUpdate:
        """The update that shows a piece of text."""
        attempt = (piece.turn, piece.attempt)
        append = bool(self._shown) and attempt == self._attempt
        if not append:
            self._attempt, self._shown = attempt, []
        self._shown.append(piece.text)
        return self._update((Part(text=piece.text),), append=append)

    def void(self) -> ArtifactUpdate:
        """What was shown is not the answer: it is taken back. Parts cannot be empty, a text can."""
        self._shown = []
        return self._update((Part(text=""),), append=False)

    def told(self, recorded: ArtifactUpdate) -> ArtifactUpdate:
        """The recorded answer as this reader needs it: what is not shown yet, or the whole in place of what was."""
        shown, self._shown = "".join(self._shown), []
        first, *others = recorded.artifact.parts
        if not shown or first.text is None or not first.text.startswith(shown):
            return recorded
        rest = first.text[len(shown) :]
        parts = tuple(others) if others and not rest else (Part(text=rest), *others)
        return replace(recorded, artifact=replace(recorded.artifact, parts=parts), append=True)

    def _update(self, parts: tuple[Part, ...], *, append: bool) -> ArtifactUpdate:
        return ArtifactUpdate(self._task, self._context, Artifact(ANSWER, parts, ANSWER), append)
