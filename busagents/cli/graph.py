"""`busagents graph`: what a declared graph looks like."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from busagents.domain.graph import Graph

_NAME = "The graph's name."
_PATHS = "Folders, files or modules with definitions.  [default: ./services]"
_OUTPUT = "Write it there instead of on stdout."


def register(app: typer.Typer) -> None:
    """Add the verb."""
    graph = typer.Typer(help="What a declared graph looks like.", no_args_is_help=True)
    graph.command("show")(show)
    app.add_typer(graph, name="graph")


def show(
    name: Annotated[str, typer.Argument(help=_NAME)],
    paths: Annotated[list[str] | None, typer.Argument(metavar="PATH...", help=_PATHS)] = None,
    format: Annotated[Literal["text", "mermaid", "svg"], typer.Option(help="How to draw it.")] = "text",
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help=_OUTPUT)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print its nodes and edges as JSON on stdout.")] = False,
) -> None:
    """Draw a graph: its nodes, who follows whom, and under which conditions."""
    from busagents.cli.output import emit_json, emit_text, note
    from busagents.domain.graph_picture import as_data, mermaid_picture, svg_picture, text_picture

    graph = _find(name, paths or ["services"])
    if as_json:
        emit_json(as_data(graph))
        return
    picture = {"text": text_picture, "mermaid": mermaid_picture, "svg": svg_picture}[format](graph)
    if output is None:
        emit_text(picture)
        return
    output.write_text(picture + "\n", encoding="utf-8")
    note(f"wrote {output}")


def _find(name: str, paths: list[str]) -> Graph:
    """The graph of that name among the definitions, or among those they are made of.

    Raises:
        ConfigError: a path cannot be read.
        NotFound: there is none.
    """
    from busagents.bootstrap.services import load_definitions
    from busagents.domain.graph import Graph
    from busagents.domain.participant import with_parts
    from busagents.errors import NotFound

    declared = with_parts([item for path in paths for item in load_definitions(path)])
    graphs = {item.name: item for item in declared if isinstance(item, Graph)}
    if name in graphs:
        return graphs[name]
    close = difflib.get_close_matches(name, graphs, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    known = f"the graphs there are {', '.join(graphs)}" if graphs else "no graph is declared there"
    raise NotFound(f"{', '.join(paths)} declares no graph {name!r}: {hint}{known}; name the file it is in as PATH")
