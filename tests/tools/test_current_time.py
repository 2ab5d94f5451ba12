"""The clock: real zones, and names that are paths."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from busagents.errors import ToolArgumentsInvalid
from busagents.tools import current_time


def test_the_time_is_now_in_the_zone_asked_for() -> None:
    before = datetime.now(UTC)
    told = current_time("Asia/Kolkata")
    moment = datetime.fromisoformat(told["time"])
    assert moment.utcoffset() == timedelta(hours=5, minutes=30)
    assert before - timedelta(seconds=1) <= moment <= datetime.now(UTC)
    assert told["weekday"] == f"{moment:%A}"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/localtime", "Europe/../../x", "\0", "America", "", "x" * 100_000, "\ud800"]
)
def test_a_name_that_is_no_zone_reads_no_file(name: str) -> None:
    with pytest.raises(ToolArgumentsInvalid, match="there is no time zone") as refusal:
        current_time(name)
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize(("name", "zone"), [("New York", "America/New_York"), ("europe/berlin", "Europe/Berlin")])
def test_a_near_name_gets_a_suggestion(name: str, zone: str) -> None:
    with pytest.raises(ToolArgumentsInvalid, match=f"did you mean .*{zone}"):
        current_time(name)
