"""`busagents up -d`: the same command again, in the background."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import typer

from busagents.cli.output import emit_json, note


def start_detached(data_dir: Path, *, as_json: bool) -> None:
    """Start this command line without `-d` in a session of its own, and return when it says that it is ready.

    What it says, without what participants print, goes to `logs/up.log` in the data folder. If it ends instead, its last line is shown and its exit
    code is ours.
    """
    log_path = data_dir / "logs" / "up.log"
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    log_path.parent.mkdir(exist_ok=True)
    arguments = [item for item in sys.argv[1:] if item not in ("-d", "--detach", "--json")]
    with log_path.open("ab") as log:
        start = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "busagents.cli.main", *arguments, "--quiet", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        status = process.wait()
        said = log_path.read_bytes()[start:].decode(errors="replace").strip().splitlines()
        reason = said[-1].removeprefix("busagents: ") if said else f"exit status {status}"
        note(f"busagents: {reason} (log: {log_path})")
        raise typer.Exit(status or 1)
    if as_json:
        emit_json(json.loads(line))
    else:
        ready = json.loads(line)
        names = ", ".join(row["name"] for row in ready["participants"] if row["state"] == "ready")
        note(f"ready in the background (pid {ready['pid']}): {names}")
        note(f"bus {ready['nats_url']} · log {os.path.relpath(log_path)} · stop it with `busagents down`")
