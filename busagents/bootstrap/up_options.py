"""What `up` is asked for, what it reports, and where it shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from busagents.settings import Durability

SUPERVISOR = "busagents"  # the label of lines that `up` itself writes; participants cannot have this name


class UpOptions(msgspec.Struct, frozen=True):
    """What the command line asks for. `paths` are folders, files or modules with definitions; times are seconds."""

    paths: Sequence[str]
    data_dir: Path
    durability: Durability = "power"
    ephemeral: bool = False
    nats_url: str | None = None  # somebody else's server; None: start one
    nats_user: str | None = None  # for nats_url
    nats_password: str | None = None
    nats_port: int | None = None  # None: 4222 or the next free one; 0: any
    scale: Mapping[str, int] = {}
    only: Sequence[str] = ()
    reload: bool = False
    shutdown_timeout: float = 20.0
    exit_on_failure: bool = False

    def __repr__(self) -> str:  # a traceback or a log line must not show the password
        return f"UpOptions(paths={self.paths!r}, data_dir={str(self.data_dir)!r})"


class Ready(msgspec.Struct, frozen=True):
    """What is known when every participant has started or failed to."""

    pid: int
    nats_url: str
    data_dir: str
    durability: str
    ephemeral: bool
    participants: list[dict[str, Any]]  # name, kind, description, replicas, state, failure, at (a URL)
    problems: list[dict[str, str]]  # files that could not be read: path, message
    default_port_taken: bool = False


class Screen(Protocol):
    """Where `up` shows what happens."""

    def line(self, label: str, text: str) -> None:
        """A line printed by, or said about, the process `label`."""
        ...

    def ready(self, ready: Ready) -> None:
        """Everything that can start has started."""
        ...
