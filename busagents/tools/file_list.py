"""List the files of the workspace."""

from __future__ import annotations

from busagents.domain.tool import tool
from busagents.tools.workspace import Entry, open_workspace


@tool(read_only=True)
def file_list(folder: str = "") -> list[Entry]:
    """List the files and folders in the workspace, with sizes in bytes; at most 500.

    Args:
        folder: Relative path of a folder; empty for the whole workspace.
    """
    return open_workspace().entries(folder)
