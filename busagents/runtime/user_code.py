"""What comes out of the user's code, told apart from what is done to the asyncio task that runs it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from busagents.domain.storable_text import storable


def raised_by_it(error: BaseException) -> bool:
    """True for any Exception, for `sys.exit()`, and for a cancellation that nobody asked of the running task."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or not task.cancelling()
    return isinstance(error, Exception | SystemExit)


def plain_progress(progress: Any) -> Any:
    """Progress as JSON values, as far as it is; taken now, since its giver may go on changing it."""
    if isinstance(progress, str):
        return storable(progress)
    try:
        return msgspec.json.decode(msgspec.json.encode(progress, enc_hook=repr))
    except (TypeError, UnicodeError, RecursionError):
        return storable(repr(progress))
