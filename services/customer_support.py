"""A graph: a request is classified first, and its class decides who answers it."""

from __future__ import annotations

import re
from typing import Literal

import msgspec
from support_desk import knowledge_base

from busagents import Agent, Edge, Graph, GraphState, Node, ToolContext, tool

CRITICAL = frozenset(
    ["broken", "danger", "fire", "fraud", "hacked", "injured", "lawyer", "leak", "outage", "safety", "smoke", "stolen", "urgent"]
)
GOOD = frozenset(["fine", "glad", "good", "great", "happy", "love", "perfect", "thank", "thanks", "wonderful"])
BAD = frozenset(
    ["angry", "awful", "bad", "broken", "disappointed", "furious", "hate", "terrible", "unacceptable", "worst", "wrong"]
)


class Triage(msgspec.Struct):
    """How a request is to be handled. `reason` says by which words."""

    category: Literal["normal", "critical"]
    sentiment: Literal["negative", "neutral", "positive"] = "neutral"
    reason: str = ""


@tool(read_only=True)
def text_classifier(text: str) -> dict[str, str]:
    """Classify a request as normal or critical: critical is what must not wait, such as danger, fraud or an outage.

    Args:
        text: The customer's request, word for word.
    """
    found = sorted(_words(text) & CRITICAL)
    return {"category": "critical" if found else "normal", "reason": f"critical words: {', '.join(found) or 'none'}"}


@tool(read_only=True)
def sentiment_analyzer(text: str) -> dict[str, str | int]:
    """Tell the sentiment of a request: negative, neutral or positive.

    Args:
        text: The customer's request, word for word.
    """
    score = len(_words(text) & GOOD) - len(_words(text) & BAD)
    return {"sentiment": "positive" if score > 0 else "negative" if score < 0 else "neutral", "score": score}


@tool(read_only=True)
def auto_responder(answer: str) -> str:
    """Put an answer into the form in which customers get it.

    Args:
        answer: The answer in full.
    """
    return f"Hello,\n\n{answer.strip()}\n\nIf this does not help, reply to this message and a person takes over."


@tool(idempotent=True)
def escalate_to_support_agent(summary: str, ctx: ToolContext) -> dict[str, str]:
    """Escalate a request to a person of the support team, who calls back.

    Args:
        summary: What happened and what was found out.
    """
    number = "E-" + ctx.idempotency_key.replace("-", "")[:8].upper()  # the same on every attempt of this call
    escalation = {"escalation": number, "summary": summary, "status": "a person of the support team takes over"}
    ctx.session.set(f"escalation.{number}", escalation)
    return escalation


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


analyze = Agent(
    "analyze",
    description="Classifies a customer's request.",
    system="You classify requests and answer none. Use text_classifier and sentiment_analyzer, and decide by what they say.",
    tools=[text_classifier, sentiment_analyzer],
)
normal_processor = Agent(
    "normal_processor",
    description="Answers ordinary requests from the knowledge base.",
    system="Look into the knowledge_base, and answer through the auto_responder with what you found. Invent nothing.",
    tools=[knowledge_base, auto_responder],
)
critical_processor = Agent(
    "critical_processor",
    description="Takes urgent requests to a person.",
    system=(
        "This request must not wait. Look into the knowledge_base for what the customer can do now, escalate it with "
        "escalate_to_support_agent, and tell the customer both, with the number of the escalation."
    ),
    tools=[knowledge_base, escalate_to_support_agent],
)


def is_critical(state: GraphState) -> bool:
    return bool(state.output("analyze").category == "critical")


def is_normal(state: GraphState) -> bool:
    return not is_critical(state)


triage = Node(analyze, output_type=Triage)
customer_support = Graph(
    "customer_support",
    [
        Edge(triage, normal_processor, when=is_normal),
        Edge(triage, critical_processor, when=is_critical),
    ],
    description="Classifies a customer's request, then answers it or takes it to a person.",
)
