"""When to ask the person: the request says that there is a question or a problem, and not which."""

from __future__ import annotations

import re
from collections.abc import Sequence

from busagents.adapters.offline.planned import PlannedCall
from busagents.adapters.offline.reading import Reading
from busagents.adapters.offline.results import Finding
from busagents.ports.model import ToolSpec

ASK_TOOL = "handoff_to_user"

_VAGUE = frozenset(
    [
        "question",
        "questions",
        "problem",
        "problems",
        "issue",
        "issues",
        "trouble",
        "help",
        "enquiry",
        "inquiry",
        "request",
        "something",
    ]
)
_ABOUT = re.compile(r"\b(?:about|with|regarding|concerning)\s+((?:my|our|the|an?|your)\s+)?([\w -]{2,40})", re.IGNORECASE)


def question(reading: Reading, tools: Sequence[ToolSpec]) -> list[PlannedCall]:
    """The question to the person, if it takes one to go on and there is a way to ask."""
    if not any(tool.name == ASK_TOOL for tool in tools) or not is_vague(reading):
        return []
    about = _ABOUT.search(reading.prose)
    thing = f" about your {about[2].strip()}" if about else ""
    return [
        PlannedCall(
            ASK_TOOL, {"message": f"What is it{thing}? Please say what happened, with dates and numbers if there are any."}
        )
    ]


def is_vague(reading: Reading) -> bool:
    """True if beside "question", "problem" and the like there is at most one word of meaning."""
    if reading.is_greeting or reading.is_question or reading.numbers or not _VAGUE & set(reading.meaning):
        return False
    return len([word for word in reading.meaning if word not in _VAGUE]) <= 1


def reply(findings: Sequence[Finding]) -> str:
    """What the person said when asked; empty if they were not."""
    return next((found.content for found in reversed(findings) if found.name == ASK_TOOL and not found.is_error), "")
