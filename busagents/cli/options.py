"""Options that several verbs share, as annotations: `as_json: Json = False`, `data_dir: DataDir = None`, `nats: Nats = None`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
