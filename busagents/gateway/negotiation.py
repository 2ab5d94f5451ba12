"""What caller and server agree on before a call: the version and the extensions (specification 1.0.1, sections 3.6 and 4.6)."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from busagents.gateway.errors import ExtensionSupportRequired, VersionNotSupported

V1 = "1.0"
V03 = "0.3"
_PATCH = re.compile(r"(1\.0|0\.3)\.[0-9]{1,6}")  # the patch number takes no part

HOW = "send the header `A2A-Version: 1.0`"


def version(header: str, query: str) -> str:
    """What the header says, or else the query; 0.3 if neither says anything. Raises VersionNotSupported."""
    asked = header.strip() or query.strip()
    if asked in (V1, V03):
        return asked
    if not asked:
        return V03  # it had no such header
    if patched := _PATCH.fullmatch(asked):
        return patched[1]
    raise VersionNotSupported(f"A2A-Version {asked[:40]!r} is not supported: this server speaks 1.0 and 0.3; {HOW}")


def not_v1(what: str, asked: str) -> VersionNotSupported:
    """A call of 1.0 from a caller of 0.3, or from one that forgot the header."""
    return VersionNotSupported(f"{what} is of A2A 1.0, and the call is of {asked} (no A2A-Version means 0.3): {HOW}")


class Extensions(msgspec.Struct, frozen=True):
    """The extensions of a participant, by URI."""

    supported: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()


ExtensionsOf = Callable[[str], Extensions]
"""The extensions of a participant by its name."""

NO_EXTENSIONS = Extensions()


def activated(extensions: Extensions, header: str) -> str:
    """Of those the caller names, the ones we have, as the answer's `A2A-Extensions`. Raises ExtensionSupportRequired."""
    named = [uri.strip() for uri in header.split(",")]
    missing = sorted(extensions.required.difference(named))
    if missing:
        raise ExtensionSupportRequired(
            f"this agent requires the extensions {', '.join(missing)}: name them in the header `A2A-Extensions` if you support them"
        )
    return ", ".join(uri for uri in dict.fromkeys(named) if uri in extensions.supported or uri in extensions.required)
