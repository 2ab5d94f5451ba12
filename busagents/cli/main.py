"""The `busagents` command: finds the verb's module, imports only that, and turns errors into one line and an exit code.

Exit codes: 0 done, also a graceful stop · 1 unexpected · 2 usage · 3 task failed · 4 input required · 5 timeout ·
6 canceled · 7 not found · 8 bus unreachable · 9 log damaged · 10 crash loop · 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import typer

from busagents.cli.output import render_error

# Verb -> its module, in the order of `busagents --help`. To add a verb, add a line. The module has
# `register(app: typer.Typer) -> None` and imports at its top nothing heavier than typer and busagents.cli.output:
# `busagents --help` imports them all.
VERBS = {
    "up": "busagents.cli.up",
    "down": "busagents.cli.down",
    "ps": "busagents.cli.ps",
    "logs": "busagents.cli.logs",
    "run": "busagents.cli.run",
    "init": "busagents.cli.init",
    "config": "busagents.cli.config",
    "doctor": "busagents.cli.doctor",
}


def build_app(verbs: Sequence[str]) -> typer.Typer:
    """The command line with these verbs."""
    app = typer.Typer(
        name="busagents",
        help="Durable AI agents as independent processes that communicate only through NATS.",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_global_options)
    for module in dict.fromkeys(VERBS[verb] for verb in verbs):
        importlib.import_module(module).register(app)
    return app


def main() -> None:
    """The entry point: run the command line and exit."""
    arguments = sys.argv[1:]
    verbs = [arguments[0]] if arguments and arguments[0] in VERBS else list(VERBS)
    try:
        build_app(verbs)(args=arguments, prog_name="busagents")
    except Exception as error:  # noqa: BLE001 - the last stop: every error becomes one line and an exit code
        if os.environ.get("BUSAGENTS_LOG_LEVEL", "").upper() == "DEBUG":
            import traceback

            traceback.print_exc()
        raise SystemExit(render_error(error)) from None


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"busagents {version('busagents')}")
        raise typer.Exit


def _global_options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version and exit."),
) -> None:
    """Durable AI agents as independent processes that communicate only through NATS."""
