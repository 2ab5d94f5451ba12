"""Which host names and origins a request may carry: against DNS rebinding and pages of other sites."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")  # it goes into the URLs of cards
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is this machine's own and nobody else's."""
    bare = host.strip("[]").lower()
    if bare == "localhost":
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


class HostRule:
    """Allows this machine's names, addresses as numbers, which no name server can point elsewhere, and `allowed` names.

    A name may begin with `*.`; `*` allows every host.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        self._any = "*" in allowed
        self._names = _LOOPBACK_NAMES | {name.lower() for name in allowed}
        self._suffixes = tuple(name[1:].lower() for name in allowed if name.startswith("*."))
        self._last = ""  # most requests carry the same

    def allows(self, host: str) -> bool:
        """Whether a Host header, with or without a port, may be served."""
        if host and host == self._last:
            return True
        allowed = _HOST.fullmatch(host) is not None and (self._any or self._is_allowed(host))
        if allowed:
            self._last = host
        return allowed

    def _is_allowed(self, host: str) -> bool:
        name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
        name = name.lower().rstrip(".")
        return name in self._names or name.endswith(self._suffixes) or _is_address(name)


class OriginRule:
    """Allows pages of the gateway's own host and of `allowed` origins such as `https://app.example`; `*` allows all."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._any = "*" in allowed
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed)

    def allows(self, origin: str, host: str) -> bool:
        """Whether an Origin header may stand in a request to `host`. Without one the request comes from no page."""
        if not origin or self._any or origin.lower() in self._allowed:
            return True
        return urlsplit(origin).netloc.lower() == host.lower() != ""

    def shares_with(self, origin: str) -> bool:
        """Whether pages of that origin were named, so that their browsers may be told so."""
        return bool(origin) and (self._any or origin.lower() in self._allowed)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
