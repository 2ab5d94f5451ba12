"""The agents of the benchmarks: scripted models, so that only busagents and the bus are measured."""

from busagents import Agent, tool
from busagents.testing import ScriptedModel, call_tools, say


@tool(read_only=True)
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


_CALL = call_tools(("add", {"a": 2, "b": 3}))

plain = Agent("bench_plain", model=ScriptedModel([say("The sum is 5.")]))
one_tool = Agent("bench_tool", model=ScriptedModel([_CALL, say("The sum is 5.")]), tools=[add])
ten_tools = Agent("bench_ten_tools", model=ScriptedModel([*[_CALL] * 10, say("Ten sums.")]), tools=[add])
