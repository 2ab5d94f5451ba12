"""How far one task may go."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """Bounds of one task; None is unbounded. A task that reaches one ends as failed, naming the limit and its value.

    `turns` counts model calls that completed, `total_tokens` and `output_tokens` are summed over them, `seconds` is time
    spent working: waiting for a person or for a process to come back does not count.
    """

    turns: int | None = 25
    total_tokens: int | None = None
    output_tokens: int | None = None
    seconds: float | None = None

    def tightened(self, other: Limits | None) -> Limits:
        """The smaller of each bound."""
        if other is None:
            return self
        return Limits(
            turns=_least(self.turns, other.turns),
            total_tokens=_least(self.total_tokens, other.total_tokens),
            output_tokens=_least(self.output_tokens, other.output_tokens),
            seconds=_least_seconds(self.seconds, other.seconds),
        )


def _least(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else min(a, b)


def _least_seconds(a: float | None, b: float | None) -> float | None:
    return b if a is None else a if b is None else min(a, b)
