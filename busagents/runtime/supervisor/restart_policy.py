"""When a crashed process is started again: at once, then with back-off, and not at all in a crash loop."""

from __future__ import annotations

from collections import deque

FIRST_DELAY = 0.2
LONGEST_DELAY = 10.0
HEALTHY_AFTER = 30.0
LOOP_CRASHES = 5
LOOP_WINDOW = 60.0


class RestartPolicy:
    """The decisions for one process. Pure: every method is told the time, in monotonic seconds.

    The first restart is immediate, so that work in hand waits for nobody; then 0.2 s, doubling up to 10 s.
    A process that lived 30 s has earned an immediate restart again. Five crashes within 60 s are a crash loop.
    """

    def __init__(self) -> None:
        self._crashes: deque[float] = deque(maxlen=LOOP_CRASHES)
        self._in_row = 0
        self._started = 0.0

    def started(self, now: float) -> None:
        """The process was started."""
        self._started = now

    def crashed(self, now: float) -> float | None:
        """The process ended unasked. Returns the seconds until it is to be started again, or None: a crash loop."""
        if now - self._started >= HEALTHY_AFTER:
            self._in_row = 0
        self._crashes.append(now)
        self._in_row += 1
        if len(self._crashes) == LOOP_CRASHES and now - self._crashes[0] < LOOP_WINDOW:
            return None
        if self._in_row == 1:
            return 0.0
        return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** (self._in_row - 2))
