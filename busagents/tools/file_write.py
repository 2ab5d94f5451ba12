"""Write a text file in the workspace."""

from __future__ import annotations

from busagents.domain.tool import tool
from busagents.tools.workspace import open_workspace


@tool(idempotent=True)
def file_write(path: str, content: str) -> str:
    """Write (save) text to a file in the workspace. An existing file is replaced.

    Args:
        path: Relative path, for example "reports/market.md"; missing folders are made.
        content: The whole new text of the file, at most 1 MiB.
    """
    size = open_workspace().write(path, content)
    return f"wrote {size} bytes to {path}"
