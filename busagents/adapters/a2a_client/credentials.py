"""Credentials of remote agents, from the environment of the process that speaks to them. They never reach the log."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

PREFIX = "BUSAGENTS_A2A_"


class Credentials(msgspec.Struct, frozen=True):
    """What is sent to prove who asks. `variable` is what its environment variables begin with."""

    variable: str
    token: str = ""
    api_key: str = ""

    def headers(self, api_key_header: str) -> dict[str, str]:
        """The headers of a request."""
        found = {}
        if self.token:
            found["Authorization"] = f"Bearer {self.token}"
        if self.api_key:
            found[api_key_header] = self.api_key
        return found

    def __repr__(self) -> str:  # it ends up in tracebacks and logs
        return f"Credentials({self.variable!r}, token={'…' if self.token else ''!r}, api_key={'…' if self.api_key else ''!r})"


def credentials_of(name: str, env: Mapping[str, str]) -> Credentials:
    """The credentials of the remote agent `name`: `BUSAGENTS_A2A_<NAME>_TOKEN` and `…_API_KEY`."""
    variable = PREFIX + re.sub(r"[^A-Z0-9]", "_", name.upper())
    return Credentials(variable, env.get(f"{variable}_TOKEN", "").strip(), env.get(f"{variable}_API_KEY", "").strip())
