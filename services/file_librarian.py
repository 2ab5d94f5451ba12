"""Looks after the files in the workspace."""

from busagents import Agent, Limits
from busagents.tools import file_list, file_read, file_write

file_librarian = Agent(
    "file_librarian",
    description="Lists, reads, summarises and writes text files in the workspace.",
    system=(
        "You look after the files of the workspace. List before you read, and read before you replace a file. "
        "Say which files you wrote."
    ),
    tools=[file_list, file_read, file_write],
    limits=Limits(turns=20),
)
