"""The text of a session as it comes, thread by thread: a pure helper for terminals and pages."""

from __future__ import annotations

from busagents.domain.events import TERMINAL
from busagents.domain.subjects import ThreadRef
from busagents.runtime.client.session_stream import SessionDelta
from busagents.runtime.client.task_event import TaskEvent
from busagents.runtime.client.text_stream import TextStream


class SessionText:
    """Feed it what a session's stream yields; it returns the text to show now for the item's thread (`item.ref`), or "".

    May be kept over a reconnect: what comes again is not said again.
    """

    def __init__(self) -> None:
        self._texts: dict[tuple[ThreadRef, str], TextStream] = {}

    def show(self, item: TaskEvent | SessionDelta) -> str:
        """The next piece of the thread's text."""
        if isinstance(item, SessionDelta):
            return self._text(item.ref, item.delta.task).delta(item.delta)
        if item.kind != "ev" or not item.task:
            return ""
        text = self._text(item.ref, item.task).event(item)
        if isinstance(item.event, TERMINAL):
            del self._texts[item.ref, item.task]
        return text

    def _text(self, ref: ThreadRef, task: str) -> TextStream:
        return self._texts.setdefault((ref, task), TextStream())
