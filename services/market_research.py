"""A swarm: three members hand a report over to each other, and share what they found out."""

from busagents import Agent, Limits, Swarm
from busagents.tools import calculator, file_write, memory, web_search

market_researcher = Agent(
    "market_researcher",
    description="Finds facts and their sources.",
    system=(
        "You find facts. Search, store each fact with its source in the memory, and hand over to the analyst. You do not write reports."
    ),
    tools=[web_search, memory],
)

market_analyst = Agent(
    "market_analyst",
    description="Weighs facts and works out numbers.",
    system=(
        "You analyse. Look into the memory for what was found, work out the numbers with the calculator, store what follows from "
        "them, and hand over to the writer. Hand back to the researcher if facts are missing."
    ),
    tools=[calculator, memory],
)

market_writer = Agent(
    "market_writer",
    description="Writes the report and saves it as a file.",
    system=(
        "You write the report. Use only what is in the memory, say what is uncertain, and save the report as a Markdown file. "
        "Then answer with a summary and the name of the file."
    ),
    tools=[file_write, memory],
)

market_research = Swarm(
    "market_research",
    [market_researcher, market_analyst, market_writer],
    description="Researches a topic, analyses what was found, and saves a report as a file.",
    max_handoffs=8,
    repetitive_handoff_detection_window=6,
    repetitive_handoff_min_unique_agents=3,
    limits=Limits(turns=None, seconds=900),
)
