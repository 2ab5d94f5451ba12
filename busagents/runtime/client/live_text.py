"""One thread's live text without holes or repeats, whatever the feed loses, doubles or tells again to others."""

from __future__ import annotations

import asyncio
from typing import Literal

from msgspec.structs import replace

from busagents.domain import events as e
from busagents.domain.subjects import ThreadRef
from busagents.ports.log import Bus
from busagents.runtime.performer import Delta

_ASK_AGAIN = 1.0  # seconds until a text that is still missing is asked for once more


class LiveText:
    """Passes on each character of an attempt once and in order. Where one is missing, it asks the thread's owner to tell the text
    again from its beginning; what nobody tells again comes with the record.
    """

    def __init__(self, bus: Bus, ref: ThreadRef) -> None:
        self._bus = bus
        self._ref = ref
        self._attempt = ("", 0, 0)
        self._length = 0
        self._ask_at = 0.0

    async def ask(self) -> None:
        """Ask for the text so far, unless that was done just now."""
        now = asyncio.get_running_loop().time()
        if now >= self._ask_at:
            self._ask_at = now + _ASK_AGAIN
            await self._bus.ask_catch_up(self._ref)

    async def new(self, delta: Delta) -> Delta | None:
        """What the delta says that was not said before. Progress is passed on as it is."""
        if not delta.text:
            return delta
        attempt = (delta.task, delta.turn, delta.attempt)
        if attempt != self._attempt:
            if delta.task == self._attempt[0] and attempt < self._attempt:  # of a process that was thought dead
                return None
            self._attempt, self._length = attempt, 0
        if delta.at > self._length:
            await self.ask()
            return None
        text = delta.text[self._length - delta.at :]
        if not text:
            return None
        piece = replace(delta, text=text, at=self._length)
        self._length += len(text)
        return piece


class OpenTurn:
    """Where a thread is by its log: the task and the turn at work, and whether its text is recorded."""

    def __init__(self) -> None:
        self._task = ""
        self._turn = 0
        self._attempt = 0
        self._recorded = False

    @property
    def writing(self) -> bool:
        """Somebody may have written text that no record holds."""
        return bool(self._task) and not self._recorded

    def note(self, kind: str, task: str, turn: int, attempt: int) -> None:
        """A fact of the thread, by its event's type."""
        if kind == e.TaskStarted.type:
            if task != self._task:
                self._task, self._turn, self._attempt, self._recorded = task, 0, attempt, False
            elif not self._turn:  # a function begins again; an agent's turn goes on
                self._attempt = attempt
        elif kind == e.ModelRequested.type:
            self._task, self._turn, self._attempt, self._recorded = task, turn, attempt, False
        elif kind == e.ModelCompleted.type:
            self._task, self._turn, self._recorded = task, turn, True
        elif task == self._task and kind in _TERMINAL:
            self._task = ""

    def place(self, delta: Delta) -> Literal["now", "past", "unknown"]:
        """Whether a delta is of the turn at work, or of what is recorded or void already."""
        if delta.task != self._task or delta.turn > self._turn:
            return "unknown"
        if delta.turn < self._turn or (delta.text and (self._recorded or delta.attempt < self._attempt)):
            return "past"
        return "now"


_TERMINAL = {event.type for event in e.TERMINAL}
