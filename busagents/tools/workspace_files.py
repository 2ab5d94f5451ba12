"""List, read and write the text files of the workspace."""

from __future__ import annotations

from busagents.domain.tool import tool
from busagents.errors import ToolArgumentsInvalid
from busagents.tools.workspace import Entry, open_workspace

MAX_CHARACTERS = 50_000  # of one answer: what is read goes into the model's context


@tool(read_only=True)
def file_list(folder: str = "") -> list[Entry]:
    """List the files and folders in the workspace, with sizes in bytes; at most 500.

    Args:
        folder: Relative path of a folder; empty for the whole workspace.
    """
    return open_workspace().entries(folder)


@tool(read_only=True)
def file_read(path: str, first_line: int = 1, max_lines: int = 400) -> str:
    """Read a text file of the workspace, whole or from one line on; at most 50,000 characters at a time.

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
    shown: list[str] = []
    room = MAX_CHARACTERS
    for line in lines[first_line - 1 : first_line - 1 + max_lines]:
        if len(line) > room and shown:
            break
        shown.append(line if len(line) <= room else line[:room] + "[line cut]\n")
        room -= min(room, len(line))
    last = first_line - 1 + len(shown)
    rest = len(lines) - last
    return "".join(shown) + (f"\n[{rest} more lines: read on with first_line={last + 1}]" if rest > 0 else "")


@tool(idempotent=True)
def file_write(path: str, content: str) -> str:
    """Write (save) text to a file in the workspace. An existing file is replaced.

    Args:
        path: Relative path, for example "reports/market.md"; missing folders are made.
        content: The whole new text of the file, at most 1 MiB.
    """
    size = open_workspace().write(path, content)
    return f"wrote {size} bytes to {path}"
