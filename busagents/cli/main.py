"""The `busagents` command: finds the verb's module, imports only that, and turns errors into one line and an exit code.

Exit codes: 0 done, also a graceful stop · 1 unexpected · 2 usage · 3 task failed · 4 input required · 5 timeout ·
6 canceled · 7 not found · 8 bus unreachable · 9 log damaged · 10 crash loop · 130 interrupted.
"""

from __future__ import annotations

import difflib
import importlib
import io
import sys
from typing import NamedTuple

from busagents.cli.output import emit_text, note, render_error


class Verb(NamedTuple):
    """A verb's module, which has `register(app: typer.Typer) -> None`, and its line in `busagents --help`."""

    module: str
    help: str


# In the order of `busagents --help`. To add a verb, add a line: its module is imported only when the verb is used.
VERBS = {
    "up": Verb("busagents.cli.up", "Start the bus and every participant; Ctrl-C stops them."),
    "down": Verb("busagents.cli.down", "Stop the running system gracefully."),
    "ps": Verb("busagents.cli.ps", "List the running processes and what they work on."),
    "logs": Verb("busagents.cli.logs", "Show what the processes printed."),
    "send": Verb("busagents.cli.send", "Give an agent a task and watch the answer."),
    "chat": Verb("busagents.cli.chat", "Talk with an agent, line by line."),
    "agents": Verb("busagents.cli.agents", "List who is on the bus."),
    "tasks": Verb("busagents.cli.tasks", "List, show, wait for, answer, cancel and redrive tasks."),
    "sessions": Verb("busagents.cli.sessions", "List, show and follow conversations."),
    "graph": Verb("busagents.cli.graph", "Draw a graph: its nodes, edges and conditions."),
    "run": Verb("busagents.cli.run", "Run participants in the foreground, on a bus that runs already."),
    "init": Verb("busagents.cli.init", "Make a small project to start from."),
    "config": Verb("busagents.cli.config", "Show the settings in force and where each comes from."),
    "doctor": Verb("busagents.cli.doctor", "Check this machine, the data folder and the bus."),
}


def main() -> None:
    """The entry point: run the command line and exit."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a stdout that is not UTF-8 shows what it cannot as "?"
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        emit_text(help_text())
        raise SystemExit(0)
    if arguments[0] == "--version":
        from importlib.metadata import version

        emit_text(f"busagents {version('busagents')}")
        raise SystemExit(0)
    if arguments[0] not in VERBS:
        raise SystemExit(_refuse(arguments[0]))
    try:
        _run(arguments)
    except KeyboardInterrupt:  # before the verb could say anything
        raise SystemExit(130) from None
    except Exception as error:  # noqa: BLE001 - the last stop: every error becomes one line and an exit code
        _trace()
        raise SystemExit(render_error(error)) from None


def help_text() -> str:
    """What `busagents --help` prints. Written here and not by typer, whose import takes half a second."""
    width = max(map(len, VERBS))
    lines = [f"  {name.ljust(width)}  {verb.help}" for name, verb in VERBS.items()]
    return "\n".join(
        (
            "Usage: busagents VERB [OPTIONS] [ARGUMENTS]",
            "",
            "Durable AI agents as independent processes that communicate only through NATS.",
            "",
            "Verbs:",
            *lines,
            "",
            "`busagents VERB --help` says more. `--json` on every verb prints JSON. `busagents --version` prints the version.",
        )
    )


def _run(arguments: list[str]) -> None:
    import typer

    app = typer.Typer(
        name="busagents",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_no_options)  # keeps the verb's name on the command line, also when the app has only one
    importlib.import_module(VERBS[arguments[0]].module).register(app)
    app(args=arguments, prog_name="busagents")


def _no_options() -> None:
    """Durable AI agents as independent processes that communicate only through NATS."""


def _refuse(word: str) -> int:
    close = difflib.get_close_matches(word, VERBS, n=1)
    hint = f"did you mean `busagents {close[0]}`?" if close else "`busagents --help` lists the verbs"
    note(f"busagents: there is no verb {word!r}: {hint}")
    return 2


def _trace() -> None:
    from busagents.errors import ConfigError
    from busagents.settings import load_settings

    try:
        wanted = load_settings().log_level == "DEBUG"
    except ConfigError:  # perhaps the very error that is being reported
        return
    if wanted:
        import traceback

        traceback.print_exc()


if __name__ == "__main__":
    main()
