"""List, read and write the text files of the workspace."""

from __future__ import annotations

from busagents.domain.tool import tool
from busagents.errors import ToolArgumentsInvalid
from busagents.tools.workspace import Entry, open_workspace


@tool(read_only=True)
def file_list(folder: str = "") -> list[Entry]:
    """List the files and folders in the workspace, with sizes in bytes; at most 500.

    Args:
        folder: Relative path of a folder; empty for the whole workspace.
    """
    return open_workspace().entries(folder)


@tool(read_only=True)
def file_read(path: str, first_line: int = 1, max_lines: int = 400) -> str:
    """Read a text file of the workspace, whole or from one line on.

    Args:
        path: Relative path, for example "reports/market.md".
        first_line: The first line to return, counted from 1.
        max_lines: How many lines to return at most.
    """
    if first_line < 1 or max_lines < 1:
        raise ToolArgumentsInvalid(f"first_line={first_line} and max_lines={max_lines} must be 1 or more")
    lines = open_workspace().read(path).splitlines(keepends=True)
    if first_line > max(len(lines), 1):
        raise ToolArgumentsInvalid(f"{path!r} has {len(lines)} lines: first_line={first_line} is behind its end")
    last = first_line - 1 + max_lines
    rest = len(lines) - last
    more = f"\n[{rest} more lines: read on with first_line={last + 1}]" if rest > 0 else ""
    return "".join(lines[first_line - 1 : last]) + more


@tool(idempotent=True)
def file_write(path: str, content: str) -> str:
    """Write (save) text to a file in the workspace. An existing file is replaced.

    Args:
        path: Relative path, for example "reports/market.md"; missing folders are made.
        content: The whole new text of the file, at most 1 MiB.
    """
    size = open_workspace().write(path, content)
    return f"wrote {size} bytes to {path}"
