"""A tool call that the model has decided on."""

from __future__ import annotations

from typing import Any

import msgspec

MAX_CALLS = 4  # of one kind in one turn


class PlannedCall(msgspec.Struct, frozen=True):
    """A tool call to make."""

    name: str
    arguments: dict[str, Any]

    @property
    def json(self) -> str:
        """The arguments as a model writes them."""
        return msgspec.json.encode(self.arguments).decode()
