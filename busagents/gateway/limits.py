"""How much one caller may ask for: a token bucket for the rate, and a count of calls that are open at once."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from busagents.gateway.errors import TooManyRequests

_KEPT = 10_000  # callers; the longest idle one is forgotten first, and starts with a full bucket again
_OPEN_RETRY = 1.0  # seconds; nobody knows when a stream ends


class _Use:
    __slots__ = ("at", "open", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        self.at = at
        self.open = 0


class Limiter:
    """Counts per caller.

    Args:
        rate: requests per second on average; 0: no limit.
        burst: requests at once after a pause; 0: two seconds' worth.
        open_calls: requests and streams open at once.
    """

    def __init__(
        self, *, rate: float = 0.0, burst: int = 0, open_calls: int = 4096, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = float(burst or max(1.0, 2 * rate))
        self._open_calls = open_calls
        self._now = now
        self._uses: OrderedDict[str, _Use] = OrderedDict()

    def enter(self, caller: str) -> None:
        """Count a call in; each that returns is counted out by `leave`.

        Raises:
            TooManyRequests: with the seconds after which it is worth trying again.
        """
        use = self._uses.get(caller)
        if use is None:
            use = self._uses[caller] = _Use(self._burst, self._now())
            self._forget_idle()
        else:
            self._uses.move_to_end(caller)
        if use.open >= self._open_calls:
            raise TooManyRequests(
                f"{use.open} calls of yours are open, and no more are allowed at once: end some first", _OPEN_RETRY
            )
        if self._rate:
            now = self._now()
            use.tokens = min(self._burst, use.tokens + (now - use.at) * self._rate)
            use.at = now
            if use.tokens < 1.0:
                wait = (1.0 - use.tokens) / self._rate
                raise TooManyRequests(f"more than {self._rate:g} requests a second: wait {wait:.1f} s", wait)
            use.tokens -= 1.0
        use.open += 1

    def leave(self, caller: str) -> None:
        """A call that entered is over."""
        use = self._uses.get(caller)
        if use is not None:
            use.open -= 1

    def _forget_idle(self) -> None:
        while len(self._uses) > _KEPT:
            name, use = next(iter(self._uses.items()))
            if use.open:
                return  # the longest known is at work: let it grow by one rather than search
            del self._uses[name]
