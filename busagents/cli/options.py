"""Options that several verbs share, as annotations: `as_json: Json = False`, `data_dir: DataDir = None`, `nats: Nats = None`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def _time(seconds: float | None) -> float | None:
    if seconds is not None and not seconds >= 0:  # nan too
        raise typer.BadParameter(f"{seconds} is no time to wait: use seconds, 0 or more")
    return seconds


Timeout = Annotated[float | None, typer.Option(callback=_time, metavar="SECONDS", help="Stop waiting; the task goes on.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="The data folder of the running system.  [default: .busagents here or above]"),
]
Nats = Annotated[
    str | None,
    typer.Option(
        "--nats", metavar="URL", help="The NATS server.  [default: the running `busagents up`, else BUSAGENTS_NATS_URL]"
    ),
]
