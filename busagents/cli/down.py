"""`busagents down`: stop the running system gracefully."""

from __future__ import annotations

from typing import Annotated

import typer

from busagents.cli.options import DataDir, Json
from busagents.cli.output import emit_json, note


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("down")(down)


def down(
    data_dir: DataDir = None,
    timeout: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for the end.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Stop `busagents up`: participants finish or give back what they hold, the bus stops last."""
    from busagents.cli.supervisor_client import connect_supervisor
    from busagents.errors import BusError

    with connect_supervisor(data_dir) as supervisor:
        pid = supervisor.ask("down")["stopping"]
        if not supervisor.wait_closed(timeout):
            raise BusError(
                f"`busagents up` (pid {pid}) still drains after {timeout:g} s: wait, or end it at once with `kill -9 {pid}`"
            )
    if as_json:
        emit_json({"stopped": pid})
    else:
        note(f"stopped (pid {pid})")
