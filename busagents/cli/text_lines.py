"""Text as it comes: the answer on stdout as it is written, and what others write on stderr, line by line."""

from __future__ import annotations

import sys

from busagents.cli.output import note, printable

_WIDTH = 80  # characters after which a line of others' text is broken


class Line:
    """Text on stdout that knows whether its line has ended."""

    def __init__(self) -> None:
        self._open = False

    def write(self, text: str) -> None:
        """Print it now."""
        if not text:
            return
        sys.stdout.write(printable(text) if sys.stdout.isatty() else text)
        sys.stdout.flush()
        self._open = not text.endswith("\n")

    def end(self) -> None:
        """End the line, if one is open."""
        if self._open:
            sys.stdout.write("\n")
            sys.stdout.flush()
            self._open = False

    def remark(self, text: str) -> None:
        """Say something in grey on stderr, between lines."""
        if sys.stdout.isatty():  # else the text is read by a program, and stays as the model wrote it
            self.end()
        note(text, colour="grey")


class Beside:
    """The text of somebody who writes while others do: whole lines, each with the name before it."""

    def __init__(self, line: Line, head: str) -> None:
        self._line = line
        self._head = head
        self._waiting = ""

    def write(self, text: str) -> None:
        """Print the lines that are complete, or long enough."""
        self._waiting += text
        while (piece := self._next()) is not None:
            self._say(piece)

    def end(self) -> None:
        """Print what waits for the end of its line."""
        self.write("\n")

    def _next(self) -> str | None:
        line, newline, rest = self._waiting.partition("\n")
        if len(line) > _WIDTH:
            space = line.rfind(" ", 1, _WIDTH + 1)
            end = space if space > 0 else _WIDTH
            self._waiting = self._waiting[end:].removeprefix(" ")
            return line[:end]
        if not newline:
            return None
        self._waiting = rest
        return line

    def _say(self, text: str) -> None:
        if text.strip():
            self._line.remark(self._head + text)
