"""The signals that end `busagents up`: the first asks it to drain and stop, the second to end at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """`first` and `second` are set as the signals arrive; `down` sets `first` itself."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()

    def heard(self) -> None:
        """One more signal."""
        (self.second if self.first.is_set() else self.first).set()


@contextlib.contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Listen for SIGINT, SIGTERM and SIGHUP (the terminal was closed) until the block ends."""
    loop = asyncio.get_running_loop()
    signals = StopSignals()
    for number in _SIGNALS:
        loop.add_signal_handler(number, signals.heard)
    try:
        yield signals
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
