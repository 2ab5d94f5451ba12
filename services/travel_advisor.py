"""Plans trips."""

from busagents import Agent, Limits
from busagents.tools import current_time, web_search

travel_advisor = Agent(
    "travel_advisor",
    description="Plans trips: places to go and to stay at, when, how to get around and what to pack.",
    system=(
        "You are a travel advisor. Look destinations up before you recommend anything, and check today's date before you "
        "speak of seasons. Ask for dates and budget if a plan hangs on them. Give a plan day by day."
    ),
    tools=[web_search, current_time],
    limits=Limits(turns=12),
)
