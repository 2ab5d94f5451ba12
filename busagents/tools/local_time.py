"""The time, anywhere."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from busagents.domain.tool import tool
from busagents.errors import ToolArgumentsInvalid


@tool(read_only=True)
def current_time(timezone: str = "UTC") -> dict[str, str]:
    """Tell today's date and the time now in a time zone.

    Args:
        timezone: An IANA name such as "Europe/Berlin" or "America/Los_Angeles".
    """
    now = datetime.now(UTC if timezone.upper() == "UTC" else _zone(timezone))
    return {"time": now.isoformat(timespec="seconds"), "weekday": f"{now:%A}", "timezone": timezone}


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder, such as "America"
        raise ToolArgumentsInvalid(f"there is no time zone {name[:60]!r}{_suggest(name)}") from None


def _suggest(name: str) -> str:
    """Name zones like `name`, or those of the city in it."""
    zones = sorted(available_timezones())
    if not zones:
        return ": this machine has no time zone data, only UTC works until the operator installs the tzdata package"
    name = name[:60]
    city = name.rsplit("/", 1)[-1].strip().replace(" ", "_").lower()
    close = [zone for zone in zones if city and zone.lower().endswith("/" + city)]
    close = close or difflib.get_close_matches(name, zones, n=3)
    return f"; did you mean {' or '.join(close[:3])}?" if close else '; use an IANA name such as "Europe/Berlin", or "UTC"'
