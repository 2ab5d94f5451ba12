"""`busagents agents`: who is on the bus."""

from __future__ import annotations

import typer

from busagents.cli.on_bus import on_bus
from busagents.cli.options import DataDir, Json, Nats
from busagents.cli.output import emit_list, emit_table


def register(app: typer.Typer) -> None:
    """Add the verb."""
    agents = typer.Typer(help="Who is on the bus.", no_args_is_help=True)
    agents.command("list")(list_agents)
    app.add_typer(agents, name="agents")


def list_agents(nats: Nats = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """List the participants that are live now."""
    live = on_bus(lambda client: client.agents(), nats=nats, data_dir=data_dir)
    if as_json:
        emit_list(live)
        return
    counts: dict[str, int] = {}
    for item in live:
        counts[item.name] = counts.get(item.name, 0) + 1
    first = {item.name: item for item in reversed(live)}
    rows = [[n, counts[n], first[n].metadata.get("model") or "function", first[n].description] for n in sorted(first)]
    emit_table(("name", "replicas", "model", "description"), rows)
