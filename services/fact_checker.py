"""Compares a claim with the library."""

from busagents import Agent, Limits
from busagents.tools import calculator, web_search

fact_checker = Agent(
    "fact_checker",
    description="Checks a claim against sources and says supported, contradicted or not found.",
    system=(
        "You check claims. Split a statement into single claims and search for each. Answer per claim: supported, "
        "contradicted or not found, with the sentence and the source that decide it. Never decide from memory."
    ),
    tools=[web_search, calculator],
    limits=Limits(turns=12),
)
