"""`busagents up`: run everything in a folder of services."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from busagents.cli.options import Json

if TYPE_CHECKING:
    from busagents.bootstrap.up_options import UpOptions

_PATHS = "Folders, files or modules with definitions.  [default: ./services]"
_NATS = "Use this NATS server instead of starting one.  [default: BUSAGENTS_NATS_URL, if set]"
_PORT = "Port of the NATS server; 0: any.  [default: 4222, or the next free]"
_DATA = "Where the log and the run files are kept.  [default: .busagents]"
_DURABILITY = "What an append survives: a killed process, or power loss."
_SCALE = "Replicas of a participant, as NAME=N. Repeatable."
_TIMEOUT = "How long participants may drain when stopped."
_QUIET = "Do not show what participants print; `busagents logs` has it."
_EXIT = "Stop, with exit code 10, when one participant is given up."


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("up")(up)


def up(
    paths: Annotated[list[str] | None, typer.Argument(help=_PATHS)] = None,
    nats: Annotated[str | None, typer.Option("--nats", metavar="URL", help=_NATS)] = None,
    nats_port: Annotated[int | None, typer.Option(min=0, max=65535, help=_PORT)] = None,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", metavar="DIR", help=_DATA)] = None,
    ephemeral: Annotated[bool, typer.Option("--ephemeral", help="Keep the log only until the end of this run.")] = False,
    durability: Annotated[str, typer.Option(metavar="process|power", help=_DURABILITY)] = "power",
    only: Annotated[str | None, typer.Option(metavar="A,B", help="Run only these participants.")] = None,
    scale: Annotated[list[str] | None, typer.Option(metavar="NAME=N", help=_SCALE)] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Restart participants whose source file changes.")] = False,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Run in the background; return when ready.")] = False,
    shutdown_timeout: Annotated[float, typer.Option(min=0, metavar="SECONDS", help=_TIMEOUT)] = 20.0,
    exit_on_failure: Annotated[bool, typer.Option("--exit-on-failure", help=_EXIT)] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help=_QUIET)] = False,
    as_json: Json = False,
) -> None:
    """Start the bus and every participant, each in a process of its own; Ctrl-C stops them."""
    from busagents.settings import load_settings

    settings = load_settings()
    url = nats or settings.nats_url
    options = _options(
        paths or ["services"],
        data_dir=data_dir or settings.data_dir,
        nats_url=url,
        nats_port=nats_port,
        ephemeral=ephemeral,
        durability=durability,
        only=only,
        scale=scale or [],
        reload=reload,
        shutdown_timeout=shutdown_timeout,
        exit_on_failure=exit_on_failure,
    )
    if detach:
        from busagents.cli.detach import start_detached

        start_detached(options.data_dir, as_json=as_json)
        return
    raise typer.Exit(_run(options, quiet=quiet, as_json=as_json))


def _run(options: UpOptions, *, quiet: bool, as_json: bool) -> int:
    import asyncio

    from busagents.bootstrap.launch import jetstream_launch
    from busagents.bootstrap.models import default_model_notice
    from busagents.bootstrap.up import up as run_up
    from busagents.cli.screen import JsonScreen, TextScreen
    from busagents.settings import load_settings

    settings = load_settings()
    screen = JsonScreen(quiet=quiet) if as_json else TextScreen(default_model_notice(settings), quiet=quiet)
    return asyncio.run(run_up(options, jetstream_launch(settings), screen))


def _options(
    paths: list[str],
    *,
    data_dir: Path,
    nats_url: str | None,
    nats_port: int | None,
    ephemeral: bool,
    durability: str,
    only: str | None,
    scale: list[str],
    reload: bool,
    shutdown_timeout: float,
    exit_on_failure: bool,
) -> UpOptions:
    """Check what the flags say together."""
    from busagents.bootstrap.up_options import UpOptions
    from busagents.errors import UsageError
    from busagents.settings import load_settings

    if durability not in ("process", "power"):
        raise UsageError(f"--durability {durability!r} is unknown: use process or power")
    if nats_url is not None and (ephemeral or nats_port is not None):
        flag = "--ephemeral" if ephemeral else "--nats-port"
        raise UsageError(f"{flag} is about a server that `up` starts, but {nats_url} is used: leave one of the two out")
    for path in paths:
        if (path.endswith((".py", "/")) or path == "services") and not Path(path).exists():
            raise UsageError(f"there is no {path} here: run `busagents init` to make a project, or name a folder, file or module")
    settings = load_settings()
    return UpOptions(
        paths=paths,
        data_dir=data_dir,
        durability="process" if durability == "process" else "power",
        ephemeral=ephemeral,
        nats_url=nats_url,
        nats_user=settings.nats_user if nats_url else None,
        nats_password=settings.nats_password if nats_url else None,
        nats_port=nats_port,
        scale=dict(_scale(item) for item in scale),
        only=[name.strip() for name in (only or "").split(",") if name.strip()],
        reload=reload,
        shutdown_timeout=shutdown_timeout,
        exit_on_failure=exit_on_failure,
    )


def _scale(item: str) -> tuple[str, int]:
    from busagents.errors import UsageError

    name, _, count = item.partition("=")
    if not name or not count.isdigit():
        raise UsageError(f"--scale {item!r} cannot be understood: write NAME=N, for example --scale writer=3")
    return name, int(count)
