"""Researches a topic, works out the numbers, and saves a report."""

from busagents import Agent, Limits
from busagents.tools import calculator, file_write, python_repl, web_search

research_analyst = Agent(
    "research_analyst",
    description="Researches topics, markets and companies, works out the numbers and writes reports into the workspace.",
    system=(
        "You are a research analyst. Search before you state a fact and name the source of each. Calculate with the tools, "
        "never in your head. Save a report only when asked to, as Markdown, and end with what remains uncertain."
    ),
    tools=[web_search, calculator, python_repl, file_write],
    limits=Limits(turns=20),
)
