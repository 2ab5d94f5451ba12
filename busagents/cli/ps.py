"""`busagents ps`: the processes of the running system and what they work on."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from busagents.cli.options import DataDir, Json
from busagents.cli.output import emit_json, emit_table, emit_text


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("ps")(ps)


def ps(
    name: Annotated[str | None, typer.Argument(help="Only the processes of this participant.")] = None,
    pid: Annotated[bool, typer.Option("--pid", help="Print process ids only.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List the running processes: state, restarts, and the sessions in work."""
    from busagents.cli.supervisor_client import connect_supervisor
    from busagents.errors import NotFound

    with connect_supervisor(data_dir) as supervisor:
        answer = supervisor.ask("ps")
    if name is not None:
        names = dict.fromkeys(item["name"] for item in answer["items"])
        answer["items"] = [item for item in answer["items"] if item["name"] == name]
        if not answer["items"]:
            raise NotFound(f"no process of {name!r} runs here: there are {', '.join(names) or 'none'}")
    if pid:
        for item in answer["items"]:
            if item["pid"] is not None:
                emit_text(str(item["pid"]))
        return
    if as_json:
        emit_json(answer)
        return
    columns = ("name", "replica", "pid", "state", "restarts", "working on")
    emit_table(columns, [_row(item) for item in answer["items"]])


def _row(item: dict[str, Any]) -> list[Any]:
    work = ", ".join(f"{hold['session']}/{hold['thread']}" for hold in item["working_on"])
    state = f"{item['state']}: {item['failure']}" if item.get("failure") else item["state"]
    return [item["name"], item["replica"], item["pid"], state, item["restarts"], work or None]
