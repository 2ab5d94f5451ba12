"""A ToolContext without a bus, for unit tests of tools."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from busagents.errors import InvalidInput


class LocalState:
    """A `State` that lives in this process. Values go through JSON, as they do on the bus."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}

    def get(self, key: str, default: Any = None) -> Any:
        """The value under `key`, or `default`."""
        return msgspec.json.decode(self._values[key]) if key in self._values else default

    def set(self, key: str, value: Any) -> None:
        """Put a JSON value under `key`.

        Raises:
            InvalidInput: the value is not JSON.
        """
        try:
            self._values[key] = msgspec.json.encode(value)
        except (TypeError, UnicodeError, RecursionError) as problem:
            raise InvalidInput(
                f"state {key!r} cannot hold a {type(value).__name__} ({problem}); store JSON: text, numbers, lists, dicts"
            ) from None

    def delete(self, key: str) -> None:
        """Remove `key`; nothing happens when it is absent."""
        self._values.pop(key, None)

    def keys(self) -> list[str]:
        """The keys, sorted."""
        return sorted(self._values)


@dataclass
class LocalToolContext:
    """Pass one to a tool that takes a `ToolContext`, then look at `state`, `session` and `emitted`."""

    participant: str = "agent"
    session_id: str = "session"
    task_id: str = "task"
    call_id: str = "call"
    attempt: int = 1
    idempotency_key: str = "key"
    cancelled: bool = False
    state: LocalState = field(default_factory=LocalState)
    session: LocalState = field(default_factory=LocalState)
    emitted: list[str | dict[str, Any]] = field(default_factory=list)

    def emit(self, progress: str | dict[str, Any]) -> None:
        """Keep the progress in `emitted`."""
        self.emitted.append(progress)
