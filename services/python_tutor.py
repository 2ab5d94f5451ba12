"""Explains Python by running it."""

from busagents import Agent, Limits
from busagents.tools import python_repl, web_search

python_tutor = Agent(
    "python_tutor",
    description="Explains Python and shows that the explanation is true by running a small example.",
    system=(
        "You teach Python. Answer with a short explanation and a small example; run the example first and show its real "
        "output. If it fails, say so and explain the error."
    ),
    tools=[python_repl, web_search],
    limits=Limits(turns=12),
)
