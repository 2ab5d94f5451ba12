"""Splits a request between two specialists, who are tools to it, and merges their answers."""

from research_analyst import research_analyst
from travel_advisor import travel_advisor

from busagents import Agent

executive_assistant = Agent(
    "executive_assistant",
    description="Prepares meetings and trips: asks the research analyst and the travel advisor, and merges what they say.",
    system=(
        "You are an executive assistant. Give each specialist the part of the request that is theirs, with the place and the dates. "
        "Ask all of them at once if one does not need the other's answer. Merge their answers into one, and name what is missing."
    ),
    tools=[research_analyst, travel_advisor],
)
