"""`busagents run`: participants in the foreground. What a container runs."""

from __future__ import annotations

from typing import Annotated

import typer

from busagents.cli.options import DataDir, Json, Nats


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("run")(run)


def run(
    ref: Annotated[str, typer.Argument(help="What to run: services/hello.py, services/hello.py:hello or module:name.")],
    nats: Nats = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Run a participant, or all that a file declares, in this process until Ctrl-C or SIGTERM; then finish or give back what it holds."""
    import os

    from busagents.bootstrap.connection import find_connection
    from busagents.bootstrap.participant import main

    where = find_connection(nats, data_dir)
    payload = {"ref": ref, "nats_url": where.url, "nats_user": where.user, "nats_password": where.password}

    def ready(name: str) -> None:
        from busagents.cli.output import emit_json, note

        if as_json:
            emit_json({"ready": name, "pid": os.getpid(), "nats_url": where.url})
        else:
            note(f"{name} is ready (pid {os.getpid()}); Ctrl-C stops it")

    main(payload, on_ready=ready)
