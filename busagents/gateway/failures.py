"""What the bus raises, as A2A's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from busagents.errors import BusError, EntryTooLarge, InvalidInput, InvalidName, LogError
from busagents.gateway.errors import A2AError, InvalidParams, Unavailable


@contextmanager
def bus_failures() -> Iterator[None]:
    """A block that works on the bus.

    Raises:
        InvalidParams: the bus cannot hold what the caller sent.
        Unavailable: the bus is away or full.
        A2AError: the log cannot be trusted or understood.
    """
    try:
        yield
    except (EntryTooLarge, InvalidInput, InvalidName) as error:
        raise InvalidParams(str(error)) from error
    except (UnicodeEncodeError, RecursionError, msgspec.EncodeError) as error:
        raise InvalidParams(f"the request cannot be stored as JSON ({error}): send Unicode text and plain values") from error
    except BusError as error:
        raise Unavailable(str(error)) from error
    except LogError as error:
        raise A2AError(str(error)) from error
