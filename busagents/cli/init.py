"""`busagents init`: a small project to start from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from busagents.cli.options import Json
from busagents.cli.output import emit_json, emit_text

_PYPROJECT = """\
[project]
name = "{name}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["busagents"]
"""

_HELLO = '''\
"""A first agent. Each file in this folder is a service; `busagents up` runs every Agent it finds here."""

from busagents import Agent, tool


@tool(read_only=True)
def dice(sides: int = 6) -> int:
    """Roll a die and return the number that is up."""
    import random

    return random.randint(1, sides)


hello = Agent("hello", system="You are a friendly host. Roll the dice when asked to.", tools=[dice])
'''

_README = """\
# {name}

    busagents up                               # start the bus and every agent in services/
    busagents send hello "Roll a die for me"   # in another terminal

Without a key, agents use a small offline demo model. Set `OPENAI_API_KEY`, or name a model: `Agent("hello", model="openai:gpt-5-mini", …)`.
`busagents ps` shows the processes, `busagents logs` what they print, `busagents down` stops them.
"""

_GITIGNORE = """\
.busagents/
workspace/
__pycache__/
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("init")(init)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to make it; the folder may exist.")] = Path("."),
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
    as_json: Json = False,
) -> None:
    """Make a small project: a pyproject.toml, one agent and a README. Nothing that exists is overwritten."""
    from busagents.errors import UsageError

    name = re.sub(r"[^a-z0-9-]+", "-", folder.absolute().name.lower()).strip("-") or "my-agents"
    files = {
        folder / "pyproject.toml": _PYPROJECT.format(name=name),
        folder / "services" / "hello.py": _HELLO,
        folder / "README.md": _README.format(name=name),
        folder / ".gitignore": _GITIGNORE,
    }
    there = [str(path) for path in files if path.exists()]
    if there and not force:
        raise UsageError(f"{', '.join(there)} exists already: choose another folder, or overwrite with --force")
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    except OSError as error:
        raise UsageError(f"cannot write {error.filename} ({error.strerror}): choose another folder") from None
    steps = [] if folder == Path(".") else [f"cd {folder}"]
    commands = [" && ".join([*steps, "busagents up"]), 'busagents send hello "Roll a die for me"']
    if as_json:
        emit_json({"files": [str(path) for path in files], "next": commands})
        return
    for path in files:
        emit_text(f"made {path}")
    emit_text("next:")
    for command in commands:
        emit_text(f"  {command}")
