"""Find what a file, folder or module declares: the participants that `busagents up` runs, and the gateway.

A reference is a folder (`services`: every `*.py` in it that does not start with `_`), a file (`services/hello.py`), a
module on the path (`shop.agents`), or one participant of the last two (`services/hello.py:hello`).
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from busagents.bootstrap.kinds import Definition, Service, kind_name
from busagents.domain.participant import with_parts
from busagents.errors import ConfigError


class Found(msgspec.Struct, frozen=True):
    """A participant and the reference that leads to it again, from the same working directory."""

    ref: str
    name: str
    kind: str
    description: str
    replicas: int = 1


class Unread(msgspec.Struct, frozen=True):
    """A file or module that could not be imported, and why."""

    path: str
    message: str


def load_definitions(reference: str) -> list[Definition]:
    """The participants a reference stands for, in order of declaration.

    Raises:
        ConfigError: see load_services.
    """
    return [item for item in load_services(reference) if isinstance(item, Definition)]


def load_services(reference: str) -> list[Service]:
    """The participants and gateways a reference stands for, in order of declaration.

    Raises:
        ConfigError: nothing there, or it cannot be imported; the text names the file and the reason.
    """
    target, _, wanted = reference.partition(":")
    path = Path(target)
    if path.is_dir():
        return [item for file in service_files(path) for item in _declared(str(file), wanted)]
    named = _declared(target, wanted)
    if not named:
        what = f"participant {wanted!r}" if wanted else "participant"
        raise ConfigError(f'{target} declares no {what}: declare one at its top level, `x = Agent("x")`')
    return named


def load_definition(reference: str) -> Service:
    """The one participant or gateway a reference stands for.

    Raises:
        ConfigError: as load_definitions, or it stands for several, which are listed.
    """
    found = load_services(reference)
    if len(found) > 1:
        names = ", ".join(f"{reference}:{item.name}" for item in found)
        raise ConfigError(f"{reference} declares {len(found)} participants: choose one of {names}")
    return found[0]


def load_with_parts(reference: str) -> list[Service]:
    """The one participant that `file:name` stands for; without a name, all that the file declares and what they are made of.

    Raises:
        ConfigError: as load_definitions.
    """
    if reference.partition(":")[2]:
        return [load_definition(reference)]
    named: dict[str, Service] = {}
    for item in load_services(reference):
        for part in with_parts([item]) if isinstance(item, Definition) else [item]:
            if isinstance(part, Service):
                named.setdefault(part.name, part)
    return list(named.values())


def service_files(folder: Path) -> list[Path]:
    """The files of a services folder, by name."""
    return sorted(file for file in folder.glob("*.py") if not file.name.startswith("_"))


def discover(paths: list[str]) -> tuple[list[Found], list[Unread]]:
    """What all the paths declare, and what could not be read; one broken file does not hide the others."""
    targets = [str(file) for path in paths for file in (service_files(Path(path)) if Path(path).is_dir() else [Path(path)])]
    declared: list[tuple[str, Service]] = []
    unread: list[Unread] = []
    for target in targets:
        place, _, wanted = target.partition(":")
        try:
            definitions = load_services(target) if target in paths else _declared(place, wanted)
        except ConfigError as error:
            unread.append(Unread(target, str(error)))
            continue
        declared += [(place, item) for item in definitions]
    named = {item.name for _, item in declared}
    for place, item in list(declared):  # a member or node that stands nowhere by itself belongs where it is used
        for part in with_parts([item]) if isinstance(item, Definition) else ():
            if isinstance(part, Definition) and part.name not in named:
                named.add(part.name)
                declared.append((place, part))
    found = [
        Found(f"{place}:{item.name}", item.name, kind_name(item), item.description, item.replicas) for place, item in declared
    ]
    return found, unread


def discover_main(payload: dict[str, Any], status_fd: int) -> None:
    """The process that `up` asks: imports what `payload["paths"]` names and writes one JSON line on `status_fd`."""
    found, unread = discover(payload["paths"])
    line = memoryview(msgspec.json.encode({"participants": found, "errors": unread}) + b"\n")
    os.set_blocking(status_fd, True)
    while line:
        line = line[os.write(status_fd, line) :]


def _declared(target: str, wanted: str) -> list[Service]:
    """The participants and gateways of one file or module. What a file only imports from another belongs to the other."""
    path = Path(target)
    is_file = path.suffix == ".py"
    _extend_path(path.parent if is_file else None)
    try:
        module = _from_file(path) if is_file else importlib.import_module(target)
    except (Exception, SystemExit) as error:  # a user's module may raise anything when it is imported
        raise ConfigError(f"{target} cannot be imported ({type(error).__name__}: {error}): fix it, or leave it out") from error
    elsewhere = _imported_names(path) if is_file and not wanted else set()
    values = {id(value): value for name, value in vars(module).items() if name not in elsewhere}
    declared = [value for value in values.values() if isinstance(value, Service)]
    if not wanted:
        return declared
    named = [item for item in declared if item.name == wanted]
    participants = [item for item in declared if isinstance(item, Definition)]
    parts = [item for item in with_parts(participants) if isinstance(item, Definition) and item.name == wanted]
    return named or [*parts[:1]]


def _extend_path(folder: Path | None) -> None:
    """Let services import their neighbours and the project's modules. Last on the path, so that they shadow no package."""
    for entry in (Path.cwd(), folder):
        if entry is not None and str(entry.absolute()) not in sys.path:
            sys.path.append(str(entry.absolute()))


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    spec = importlib.util.spec_from_file_location(f"busagents_service_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _imported_names(path: Path) -> set[str]:
    tree = ast.parse(path.read_bytes())
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in imports for alias in node.names}
