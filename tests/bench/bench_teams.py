"""The teams of the benchmarks: scripted models, each participant in a process of its own."""

from itertools import pairwise

from busagents import Agent, Edge, Graph, Node, Person, Swarm, agent
from busagents.testing import ScriptedModel, call_tools, say


def _hands_to(name: str) -> ScriptedModel:
    return ScriptedModel([call_tools(("handoff_to_agent", {"agent_name": name, "message": "Go on.", "context": {"fact": 42}}))])


first = Agent("bench_first", system="Finds facts.", model=_hands_to("bench_second"))
second = Agent("bench_second", system="Weighs them.", model=_hands_to("bench_third"))
third = Agent("bench_third", system="Writes them down.", model=ScriptedModel([say("The report.")]))
swarm = Swarm("bench_swarm", [first, second, third], description="Writes a report.")

nodes = [Agent(f"bench_node_{name}", system=f"Does {name}.", model=ScriptedModel([say(f"{name} is done.")])) for name in "abcde"]
a, b, c, d, e = nodes
diamond = Graph(
    "bench_diamond", [Edge(a, b), Edge(a, c), Edge(a, d), Edge(b, e), Edge(c, e), Edge(d, e)], description="A diamond."
)


@agent("bench_item", description="Answers at once.", max_parallel_tasks=256)
async def item(task):  # type: ignore[no-untyped-def]
    return "done"


def _chain(length: int) -> Graph:
    ids = [f"n{number}" for number in range(length)]
    parts = [Node(item, id=name) for name in ids]
    edges = [Edge(one, two) for one, two in pairwise(ids)]
    return Graph(f"bench_chain_{length}", edges, nodes=parts, description="A chain.")


chain_5, chain_50, chain_500 = _chain(5), _chain(50), _chain(500)
everybody = Node(item, id="each", over=lambda state: [str(number) for number in range(int(state.task.text))])
fan_out = Graph("bench_fan_out", nodes=[everybody], description="One task for each number.")

boss = Person("bench_boss", description="Answers when there is time.")
waiting = Swarm("bench_waiting", [boss], description="Waits for a person.")
