"""`busagents doctor`: check this machine, the data folder and the bus."""

from __future__ import annotations

import typer

from busagents.cli.options import DataDir, Json, Nats
from busagents.cli.output import emit_list, emit_table


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("doctor")(doctor)


def doctor(nats: Nats = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Check this machine, the data folder and the bus. Exits with 1 when something is wrong. No key is ever printed."""
    import asyncio

    from busagents.bootstrap.checks import checks
    from busagents.cli.supervisor_client import data_folder
    from busagents.settings import load_settings

    found = asyncio.run(checks(load_settings(), data_folder(data_dir), nats))
    if as_json:
        emit_list(found)
    else:
        emit_table(("check", "result", "detail"), [(check.name, check.result, check.detail) for check in found])
    if any(check.result == "failed" for check in found):
        raise typer.Exit(1)
