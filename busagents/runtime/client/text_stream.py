"""A model's text as it comes, put together from best-effort deltas and the recorded turns that have the last word."""

from __future__ import annotations

from busagents.domain.events import ModelCompleted, TaskCompleted
from busagents.runtime.client.task_event import TaskEvent
from busagents.runtime.performer import Delta


class TextStream:
    """Feed it what a task's stream yields; it returns the text to show, or ""."""

    def __init__(self) -> None:
        self._turn = -1
        self._attempt = 0
        self._shown = ""  # of this turn, over all attempts
        self._attempt_text = ""  # of this attempt, without a gap
        self._done: set[int] = set()
        self._any = False

    def delta(self, delta: Delta) -> str:
        """A live piece."""
        if not delta.text or delta.turn in self._done:
            return ""
        self._enter(delta.turn)
        if delta.attempt < self._attempt:  # a process that was thought dead
            return ""
        if delta.attempt != self._attempt:
            self._attempt, self._attempt_text = delta.attempt, ""
        known = len(self._attempt_text)
        if (
            delta.at > known or delta.at + len(delta.text) <= known
        ):  # a piece is missing: it is told again, or recorded; or told twice
            return ""
        self._attempt_text += delta.text[known - delta.at :]
        return self._show(self._attempt_text)

    def event(self, event: TaskEvent) -> str:
        """A recorded event."""
        match event.event:
            case ModelCompleted(message):
                self._enter(event.turn)
                self._done.add(event.turn)
                return self._show(message.text, whole=True)
            case TaskCompleted(message, handoff=None) if event.turn == 0 or message.text != self._shown:
                turn = event.turn + 1 if event.turn else 0  # no model turn: a function's answer, or that of a call or a hook
                self._enter(turn)
                self._done.add(turn)
                return self._show(message.text, whole=True)
        return ""

    def _enter(self, turn: int) -> None:
        if turn != self._turn:
            self._any = self._any or bool(self._shown)
            self._turn, self._attempt, self._shown, self._attempt_text = turn, 0, "", ""

    def _show(self, text: str, *, whole: bool = False) -> str:
        if text.startswith(self._shown):
            lead = "\n\n" if self._any and not self._shown and text else ""
            piece, self._shown = lead + text[len(self._shown) :], text
            return piece
        if self._shown.startswith(text) and not whole:
            return ""  # the next attempt repeats what was shown
        self._shown = text
        return "\n\n" + text
