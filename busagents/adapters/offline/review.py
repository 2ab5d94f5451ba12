"""A review of a text that was given: what word matching can check, and no opinion."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from busagents.adapters.offline.brief import Brief
from busagents.adapters.offline.words import words

_REVIEWS = re.compile(r"\b(?:review|judge|assess|critique|rate the)", re.IGNORECASE)
_CHECKS = (
    (re.compile(r"\b[\w-]+\.(?:md|org|com|html?)\b|https?://|\bsources?\b", re.IGNORECASE), "name the source of each fact"),
    (re.compile(r"\d"), "give figures"),
    (
        re.compile(r"\b(?:uncertain|unclear|not known|estimate[ds]?|about|roughly|may|might)\b", re.IGNORECASE),
        "say what is uncertain",
    ),
    (re.compile(r"^#", re.MULTILINE), "divide it by headings"),
)
_ENOUGH = 250  # words of a report


def is_review(brief: Brief, system: str) -> bool:
    """True if the instructions are to review, and there is something to review."""
    return bool(brief.given) and bool(_REVIEWS.search(system))


def review(brief: Brief) -> Mapping[str, Any]:
    """`quality` (good, fair or poor) and `improvements`, by what can be counted."""
    text = "\n\n".join(said for _, said in brief.given)
    missing = [advice for pattern, advice in _CHECKS if not pattern.search(text)]
    if len(words(text)) < _ENOUGH:
        missing.insert(0, f"go into more detail: it has {len(words(text))} words")
    quality = "good" if not missing else "fair" if len(missing) <= 2 else "poor"
    return {"quality": quality, "improvements": [advice[0].upper() + advice[1:] + "." for advice in missing]}


def told_review(brief: Brief) -> str:
    """The review as an answer."""
    found = review(brief)
    points = found["improvements"] or ["Nothing that counting words could find."]
    return f"Quality, by what can be counted: {found['quality']}.\n\nImprovements:\n" + "\n".join(f"- {one}" for one in points)
