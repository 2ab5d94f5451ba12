"""The tools that ship. `from busagents.tools import calculator` loads that tool and no other.

No module here has the name of a tool: importing a submodule sets it as an attribute of the package, which would then
hide the tool of that name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from busagents.tools.arithmetic import calculator
    from busagents.tools.article_index import ArticleIndex
    from busagents.tools.article_search import web_search
    from busagents.tools.asking import handoff_to_user
    from busagents.tools.local_context import LocalToolContext
    from busagents.tools.local_time import current_time
    from busagents.tools.python_process import python_repl
    from busagents.tools.session_memory import memory
    from busagents.tools.workspace_files import file_list, file_read, file_write

_HOMES = {
    "ArticleIndex": "article_index",
    "LocalToolContext": "local_context",
    "calculator": "arithmetic",
    "current_time": "local_time",
    "file_list": "workspace_files",
    "file_read": "workspace_files",
    "file_write": "workspace_files",
    "handoff_to_user": "asking",
    "memory": "session_memory",
    "python_repl": "python_process",
    "web_search": "article_search",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'busagents.tools' has no attribute {name!r}; it has {', '.join(_HOMES)}")
    value = getattr(import_module(f"busagents.tools.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


__all__ = [
    "ArticleIndex",
    "LocalToolContext",
    "calculator",
    "current_time",
    "file_list",
    "file_read",
    "file_write",
    "handoff_to_user",
    "memory",
    "python_repl",
    "web_search",
]
