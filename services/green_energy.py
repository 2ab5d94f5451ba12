"""Four levels: a graph, in it a swarm, in it an orchestrator, and its tool is an agent."""

from __future__ import annotations

from typing import Literal

import msgspec

from busagents import Agent, Edge, Graph, Node, Swarm
from busagents.tools import calculator, file_write, memory, python_repl, web_search


class Review(msgspec.Struct):
    """What a reviewer says of a report."""

    quality: Literal["good", "fair", "poor"]
    improvements: list[str]


data_analyst = Agent(
    "data_analyst",
    description="Works out numbers from facts.",
    system="You work out what the facts say in numbers. Calculate with the tools, and show each calculation.",
    tools=[calculator, python_repl],
)
energy_researcher = Agent(
    "energy_researcher",
    description="Finds facts about energy and their sources.",
    system="You find facts about energy. Search, store each fact with its source in the memory, and hand over to the analyst.",
    tools=[web_search, memory],
)
analyst_orchestrator = Agent(
    "analyst_orchestrator",
    description="Analyses facts, and has a data analyst for the numbers.",
    system=(
        "You analyse. Give the data analyst the facts from the memory, store what follows from its answer, and hand over to the writer."
    ),
    tools=[data_analyst, memory],
)
energy_writer = Agent(
    "energy_writer",
    description="Writes the report and saves it as a file.",
    system="You write the report from what is in the memory, and save the report as a Markdown file. Answer with the report's text.",
    tools=[file_write, memory],
)
energy_research = Swarm(
    "energy_research",
    [energy_researcher, analyst_orchestrator, energy_writer],
    description="Researches a question about energy and writes a report.",
)
energy_reviewer = Agent(
    "energy_reviewer",
    description="Reviews a report: its quality, and what would improve it.",
    system="You review reports. Judge the quality of the one you are given, and name the improvements that matter most.",
)

research = Node(energy_research, "research")
green_energy = Graph(
    "green_energy",
    [Edge(research, Node(energy_reviewer, "review", output_type=Review))],
    description="Researches a question about green energy and reviews the report.",
)
