"""What `busagents up` shows while it runs: prefixed lines of its children, and a banner when all is ready."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from busagents.bootstrap.up_options import SUPERVISOR, Ready
from busagents.cli.output import Colour, emit_json, note

_COLOURS: tuple[Colour, ...] = ("cyan", "green", "magenta", "yellow", "blue")


class TextScreen:
    """Lines and banner on stderr. `model_notice` says which model agents without one use."""

    def __init__(self, model_notice: str, *, quiet: bool) -> None:
        self._quiet = quiet
        self._model_notice = model_notice
        self._colours: dict[str, Colour] = {}
        self._next = cycle(_COLOURS)
        self._width = 0

    def line(self, label: str, text: str) -> None:
        """Show a child's line with its name in front; when quiet, only what `up` itself says."""
        if self._quiet and label != SUPERVISOR:
            return
        colour = self._colours.get(label)
        if colour is None:
            colour = self._colours[label] = next(self._next)
            self._width = max(self._width, len(label))
        note(f" {text}", head=f"{label.ljust(self._width)} |", colour=colour)

    def ready(self, ready: Ready) -> None:
        """Show the banner."""
        for problem in ready.problems:
            note(f"busagents: left out: {problem['message']}")
        kept = "kept until this run ends" if ready.ephemeral else "kept"
        store = f"{ready.data_dir} ({kept}, durability {ready.durability})"
        rows = [
            ("bus", ready.nats_url + (" (4222 was taken)" if ready.default_port_taken else "")),
            *(("http", _served(row)) for row in ready.participants if row["at"]),
            ("data", f"{ready.data_dir} (the log is on that server)" if ready.durability == "external" else store),
            ("ready", _who(ready)),
            ("model", self._model_notice.removeprefix("model ")),
            ("next", _what_next(ready)),
        ]
        for head, text in rows:
            note(f"  {text}", head=head.ljust(5), colour="bold")


class JsonScreen:
    """One JSON object on stdout when ready; lines still go to stderr."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def line(self, label: str, text: str) -> None:
        """Show a child's line with its name in front; when quiet, only what `up` itself says."""
        if not self._quiet or label == SUPERVISOR:
            note(f"{label} | {text}")

    def ready(self, ready: Ready) -> None:
        """Print the object."""
        emit_json(ready)


def _served(row: dict[str, Any]) -> str:
    return f"{row['at']}/agents/<name> (A2A), {row['at']}/v1 (plain HTTP)"


def _who(ready: Ready) -> str:
    up = [row for row in ready.participants if row["state"] == "ready"]
    names = [row["name"] + (f"×{row['replicas']}" if row["replicas"] != 1 else "") for row in up]
    text = f"{len(up)} of {len(ready.participants)}" if len(up) < len(ready.participants) else str(len(up))
    text += f": {', '.join(names)}" if names else ""
    for row in ready.participants:
        if row["failure"]:
            text += f"\n       {row['name']} is not running: {row['failure']}"
    return text


def _what_next(ready: Ready) -> str:
    names = [row["name"] for row in ready.participants if row["state"] == "ready"]
    first = "research_analyst" if "research_analyst" in names else names[0] if names else None
    return f'busagents send {first} "…"' if first else "busagents logs"
