"""`busagents config show`: the settings in force and where each comes from."""

from __future__ import annotations

from typing import Any

import typer

from busagents.cli.options import Json
from busagents.cli.output import emit_list, emit_table

_SECRET = ("key", "password", "token")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Show the settings in force.")
    group.callback()(_group)
    group.command("show")(show)
    app.add_typer(group, name="config")


def _group() -> None:
    """Show the settings in force."""


def show(as_json: Json = False) -> None:
    """List every setting, its value and whether it comes from the environment. Secrets are never printed."""
    rows = settings_rows()
    if as_json:
        emit_list(rows)
    else:
        emit_table(("setting", "value", "origin"), [(row["setting"], row["value"], row["origin"]) for row in rows])


def settings_rows() -> list[dict[str, Any]]:
    """One row for each setting. A value that equals the default counts as the default."""
    import msgspec

    from busagents.settings import Settings, load_settings

    now, default = load_settings(), Settings()
    rows = []
    for field in msgspec.structs.fields(Settings):
        value = getattr(now, field.name)
        origin = "default" if value == getattr(default, field.name) else "environment"
        rows.append({"setting": field.name, "value": _shown(field.name, value), "origin": origin})
    return rows


def _shown(name: str, value: Any) -> str | None:
    if value is None or value == "":
        return None
    if any(word in name for word in _SECRET):
        return "set (not shown)"
    if "url" in name:
        from busagents.bootstrap.connection import without_userinfo

        return without_userinfo(str(value))
    return str(value)
