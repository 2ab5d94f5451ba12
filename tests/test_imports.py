"""The layers: imports point inward, nothing goes in circles, files stay small, and importing stays cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "busagents"
HEAVY = ("anthropic", "boto3", "botocore", "httpx", "jsonschema", "openai", "pydantic", "rich")

# What a layer may import of the others. errors and settings are open to all; domain takes only errors.
INNER = ("domain", "ports")
SIDE_BY_SIDE = ("runtime", "adapters", "gateway", "tools", "testing")  # they never import each other
ALLOWED: dict[str, tuple[str, ...]] = {
    "errors": (),
    "settings": ("errors",),
    "domain": ("errors",),
    "ports": ("domain", "errors", "settings"),
    **dict.fromkeys(SIDE_BY_SIDE, (*INNER, "errors", "settings")),
    "bootstrap": (*INNER, *SIDE_BY_SIDE, "errors", "settings"),
}
OUTERMOST = (*ALLOWED["bootstrap"], "bootstrap")  # cli, services, and the package's own front

MAX_LINES = 300
MAX_FUNCTION_LINES = 60
LONGER: dict[str, str] = {}


def module_name(path: Path) -> str:
    """`busagents/domain/fold.py` → `busagents.domain.fold`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for folder in ("busagents", "services") for path in sorted((ROOT / folder).rglob("*.py"))}


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes, except what only a type checker reads: it is not imported when the program runs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from statements(node)


def imported(path: Path) -> set[str]:
    """The project's modules that a file imports, at its top or inside functions."""
    found: set[str] = set()
    for node in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & SOURCES.keys()
            whole = {f"{node.module}.{alias.name}" for alias in node.names} == submodules
            found |= submodules if whole else submodules | {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] in ("busagents", "services")}


def layer(module: str) -> str:
    """The layer of a module: the folder or file right below `busagents`; `services`; or `front` for the package itself."""
    parts = module.split(".")
    return "services" if parts[0] == "services" else parts[1] if len(parts) > 1 else "front"


def may_import(source: str, target: str) -> bool:
    """The rule: cli, services → bootstrap → {runtime, adapters, gateway, tools, testing} → ports → domain."""
    if source == target:
        return True
    if source in ("cli", "services") and target == "front":
        return True  # the public names, as any user has them
    return target in ALLOWED.get(source, OUTERMOST)


def test_imports_point_inward() -> None:
    wrong = [
        f"{module} imports {target}"
        for module, path in SOURCES.items()
        for target in sorted(imported(path))
        if not may_import(layer(module), layer(target))
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("source", "target", "allowed"),
    [
        ("domain", "ports", False),
        ("domain", "settings", False),
        ("domain", "errors", True),
        ("ports", "domain", True),
        ("ports", "runtime", False),
        ("runtime", "adapters", False),
        ("adapters", "runtime", False),
        ("adapters", "tools", False),
        ("adapters", "adapters", True),
        ("runtime", "bootstrap", False),
        ("bootstrap", "cli", False),
        ("bootstrap", "adapters", True),
        ("cli", "bootstrap", True),
        ("cli", "services", False),
        ("services", "front", True),
    ],
)
def test_the_rule_of_the_layers_allows_what_it_says_and_no_more(source: str, target: str, allowed: bool) -> None:
    assert may_import(source, target) == allowed


def test_one_adapter_does_not_know_another() -> None:
    wrong = []
    for module, path in SOURCES.items():
        if layer(module) == "adapters" and module != "busagents.adapters":
            own = ".".join(module.split(".")[:3])
            others = (name for name in imported(path) if layer(name) == "adapters" and name != "busagents.adapters")
            wrong += [f"{module} imports {name}" for name in others if not (name + ".").startswith(own + ".")]
    assert not wrong


def test_no_modules_import_each_other_in_a_circle() -> None:
    edges = {module: imported(path) & SOURCES.keys() for module, path in SOURCES.items()}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " → ".join([*trail[trail.index(module) :], module])
        if module not in done:
            for target in sorted(edges[module] - {module}):
                visit(target, (*trail, module))
            done.add(module)

    for module in edges:
        visit(module, ())


def test_every_import_of_the_project_names_a_module_that_exists() -> None:
    missing = {name for path in SOURCES.values() for name in imported(path)} - SOURCES.keys()
    assert not missing


def code_files() -> list[Path]:
    """Every Python file of the repository."""
    return sorted(path for folder in ("busagents", "services", "docs", "tests") for path in (ROOT / folder).rglob("*.py"))


def test_a_file_is_one_room() -> None:
    files = [path for path in code_files() if not path.is_relative_to(ROOT / "tests")]  # a suite is a list, as long as it is
    lines = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in files}
    assert not {name: count for name, count in lines.items() if count > MAX_LINES and name not in LONGER}
    assert [name for name in LONGER if lines[name] <= MAX_LINES] == []  # an exception that is not needed any more


def test_a_function_fits_a_screen() -> None:
    long = []
    for path in code_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name} has {length} lines")
    assert not long


def test_no_module_is_called_by_what_is_left_over() -> None:
    assert not [path for path in code_files() if path.stem in ("util", "utils", "helpers", "misc", "common")]


@pytest.mark.parametrize("module", ["busagents", "busagents.cli.main"])
def test_importing_loads_no_heavy_package(module: str) -> None:
    program = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}} & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_the_inner_layers_do_no_io_and_know_no_server() -> None:
    modules = sorted(name for name in SOURCES if layer(name) in (*INNER, "errors", "settings"))
    program = (
        f"import sys, {', '.join(modules)}; print(*sorted({{'asyncio', 'nats', 'socket', 'subprocess'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
