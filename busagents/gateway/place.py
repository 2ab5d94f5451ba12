"""Where a reader of a task is: the `id` of a stream's events, given back as `Last-Event-ID`."""

from __future__ import annotations

import msgspec

from busagents.gateway.errors import InvalidParams


class Place(msgspec.Struct, frozen=True, order=True):
    """A reader was shown all before `position` of the log, and of the entry there the first `shown` updates. As text `57.2`."""

    position: int = 0
    shown: int = 0

    def __str__(self) -> str:
        return f"{self.position}.{self.shown}"

    def next(self, position: int) -> Place:
        """Where the reader is once one more update, of the entry at `position`, was shown."""
        return Place(position, self.shown + 1 if position == self.position else 1)

    @classmethod
    def parse(cls, text: str) -> Place:
        """The inverse of str().

        Raises:
            InvalidParams: the text is no place.
        """
        position, _, count = text.partition(".")
        if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in (position, count)):
            raise InvalidParams(
                f"{text[:80]!r} is no place in a stream: use the id of an event of the stream that was left, such as '57.2'",
                (("Last-Event-ID", "not an id of this server"),),
            )
        return cls(int(position), int(count))
