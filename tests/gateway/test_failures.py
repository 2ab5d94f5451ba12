"""What goes wrong on the bus, as callers are told it."""

from __future__ import annotations

import pytest

from busagents.errors import BusUnreachable, ChainBroken, EntryTooLarge, InvalidInput, InvalidName, LogFull
from busagents.gateway.errors import A2AError, InvalidParams, TaskNotFound, Unavailable
from busagents.gateway.failures import bus_failures


@pytest.mark.parametrize(
    ("raised", "told", "status"),
    [
        (BusUnreachable("away"), Unavailable, 503),
        (LogFull("full"), Unavailable, 503),
        (EntryTooLarge("long"), InvalidParams, 400),
        (InvalidInput("empty"), InvalidParams, 400),
        (InvalidName("a.b"), InvalidParams, 400),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), InvalidParams, 400),
        (RecursionError("deep"), InvalidParams, 400),
        (ChainBroken("altered"), A2AError, 500),
        (TaskNotFound("mine"), TaskNotFound, 404),
    ],
)
def test_each_failure_has_its_error(raised: Exception, told: type[A2AError], status: int) -> None:
    with pytest.raises(A2AError) as caught, bus_failures():
        raise raised
    assert (type(caught.value), caught.value.http) == (told, status)


def test_what_is_no_failure_of_the_bus_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), bus_failures():
        raise ZeroDivisionError
