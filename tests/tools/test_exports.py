"""What `busagents.tools` offers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import busagents.tools
from busagents.domain.tool import Tool


def _python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_the_public_names_are_sorted_and_all_exist() -> None:
    assert sorted(busagents.tools.__all__) == busagents.tools.__all__
    assert all(hasattr(busagents.tools, name) for name in busagents.tools.__all__)


def test_a_tool_has_the_name_it_is_imported_by() -> None:
    tools = {name: getattr(busagents.tools, name) for name in busagents.tools.__all__}
    assert {name: tool.name for name, tool in tools.items() if isinstance(tool, Tool)} == {
        name: name for name in tools if name not in ("ArticleIndex", "LocalToolContext")
    }


def test_a_wrong_name_is_answered_with_the_right_ones() -> None:
    with pytest.raises(AttributeError, match="calculator"):
        _ = busagents.tools.calculater


def test_importing_the_package_loads_no_tool() -> None:
    loaded = _python("import sys, busagents.tools; print([m for m in sys.modules if m.startswith('busagents.tools.')])")
    assert loaded == "[]"


def test_importing_a_tools_module_first_does_not_hide_the_tool() -> None:
    code = "import busagents.tools.{}; from busagents.tools import {}; print(type({}).__name__)"
    assert _python(code.format("arithmetic", "calculator", "calculator")) == "Tool"
    modules = set(busagents.tools._HOMES.values())
    assert not modules & set(busagents.tools.__all__)  # why that holds for every one of them
