"""Answers customers from articles and keeps their tickets. Tickets live in the session's state, so they survive restarts."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from busagents import Agent, Limits, ToolContext, tool
from busagents.errors import NotFound
from busagents.tools import ArticleIndex, handoff_to_user

PREFIX = "ticket."


@cache
def articles() -> ArticleIndex:
    return ArticleIndex(Path(__file__).with_name("support_articles"))


@tool(read_only=True)
def knowledge_base(question: str) -> str:
    """Search the support articles: orders, delivery, returns, refunds, warranty, payment, account and password.

    Args:
        question: The customer's problem in a few words.
    """
    hits = articles().search(question[:500], 3)
    return "\n\n".join(f"{hit.title}: {hit.snippet}" for hit in hits) or "No article fits; open a ticket."


@tool(idempotent=True)
def ticket_open(
    subject: str, details: str, ctx: ToolContext, priority: Literal["low", "normal", "urgent"] = "normal"
) -> dict[str, str]:
    """Open a ticket for a problem that the articles do not solve, so that a person takes it up.

    Args:
        subject: The problem in one line.
        details: What happened, what was tried, order numbers.
        priority: Urgent only if money, safety or data is at stake.
    """
    number = "T-" + ctx.idempotency_key.replace("-", "")[:8].upper()  # the same on every attempt of this call
    ticket = {"ticket": number, "subject": subject, "details": details, "priority": priority, "status": "open"}
    ctx.session.set(PREFIX + number, ticket)
    return ticket


@tool(read_only=True)
def ticket_list(ctx: ToolContext) -> list[dict[str, str]]:
    """List this customer's tickets with their status."""
    return [ctx.session.get(key) for key in ctx.session.keys() if key.startswith(PREFIX)]  # noqa: SIM118 - a State is no dict


@tool(idempotent=True)
def ticket_close(ticket: str, solution: str, ctx: ToolContext) -> dict[str, str]:
    """Close a ticket that is solved.

    Args:
        ticket: Its number, for example "T-1A2B3C4D".
        solution: What solved it.
    """
    found = ctx.session.get(PREFIX + ticket.strip().upper())
    if found is None:
        raise NotFound(f"there is no ticket {ticket!r} in this session: ticket_list shows the numbers")
    closed = {**found, "status": "closed", "solution": solution}
    ctx.session.set(PREFIX + closed["ticket"], closed)
    return closed


support_desk = Agent(
    "support_desk",
    description="Helps customers with orders, returns, payment and accounts, and opens tickets for what it cannot solve.",
    system=(
        "You work at a shop's support desk. Look into the knowledge base first and answer from it in a few friendly sentences. "
        "If you cannot tell what the problem is, ask the customer once. If the articles do not solve it, open a ticket and tell "
        "the customer its number. Never promise a refund yourself."
    ),
    tools=[knowledge_base, ticket_open, ticket_list, ticket_close, handoff_to_user],
    limits=Limits(turns=12),
)
