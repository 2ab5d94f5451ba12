"""What the user said about themselves earlier in the conversation, and questions about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from busagents.adapters.offline.words import alike, content_words, shorten, words
from busagents.domain.messages import Message

MAX_LOOK_BACK = 400  # messages: a conversation may be very long

_STATED = (
    (re.compile(r"\bmy ([\w ]{2,30}?) (?:is|are|was) ([^.,;!?\n]+)", re.IGNORECASE), "your {0} is {1}"),
    (re.compile(r"\b(?:call me|i am called) ([^.,;!?\n]+)", re.IGNORECASE), "your name is {0}"),
    (re.compile(r"\bI (live in|work at|work as|work for|like|love|prefer|hate|come from) ([^.,;!?\n]+)"), "you {0} {1}"),
    (re.compile(r"\b(?:remember|note) that ([^.;!?\n]+)", re.IGNORECASE), "{0}"),
    (re.compile(r"\bI(?:'m| am) (?:a |an )?((?!going|trying|looking|sure|not|in\b)[A-Z][\w-]+)\b"), "your name is {0}"),
)
_PERSONAL = re.compile(
    r"\bmy (?:\w+ )?(?:name|age|birthday|job|profession|hobby|budget|home|city|team|company|wife|husband|partner|dog|cat|"
    r"(?:favou?rite|preferred) [\w ]+) (?:is|are) |\b(?:call me|i am called)\b|\b(?:remember|note) that\b|"
    r"\bi (?:live in|work at|work as|work for|like|love|prefer|hate|come from) |\bi(?:'m| am) (?-i:[A-Z])",
    re.IGNORECASE,
)
_ASKED_BEFORE = re.compile(r"\bwhat (?:did|have) i (?:just )?(?:ask|say|said|asked|tell|told|write|wrote)", re.IGNORECASE)
_ANSWERED_BEFORE = re.compile(
    r"\bwhat (?:did|have) you (?:just )?(?:say|said|answer|answered|tell)|\b(?:your|the) last answer|\brepeat (?:that|it)\b",
    re.IGNORECASE,
)
_ABOUT_ME = re.compile(r"\b(?:who am i|my|i|me)\b", re.IGNORECASE)
_HOW_MANY = re.compile(r"\bhow many (?:messages|questions)\b", re.IGNORECASE)


def stated_facts(text: str) -> list[str]:
    """What the text says about the user, turned to "your name is Ada"."""
    if text.rstrip().endswith("?"):
        return []
    return [
        shape.format(*(group.strip() for group in match.groups()))
        for pattern, shape in _STATED
        for match in pattern.finditer(text)
    ]


def is_introduction(text: str) -> bool:
    """True if the text says something about the user for its own sake: a name, but not a broken parcel."""
    return bool(_PERSONAL.search(text)) and not text.rstrip().endswith("?")


def recalled(prompt: str, messages: Sequence[Message]) -> str:
    """The answer to a question about the conversation itself, or nothing. `messages` ends with the prompt."""
    if _ASKED_BEFORE.search(prompt):
        earlier = next(_earlier(messages, "user"), "")
        return f"Before this you said: “{shorten(earlier, 300)}”" if earlier else "This is the first thing you say to me here."
    if _ANSWERED_BEFORE.search(prompt):
        answer = next((text for text in _earlier(messages, "assistant") if text), "")
        return f"My last answer was:\n\n{answer}" if answer else "I have not answered anything here yet."
    if _HOW_MANY.search(prompt):
        count = sum(message.role == "user" for message in messages)
        return f"You have sent {count} message{'s' if count != 1 else ''} in this conversation, this one included."
    if "?" not in prompt and not re.match(r"\s*(?:what|who|where|when|which)\b", prompt, re.IGNORECASE):
        return ""
    return _fact_about(prompt, messages)


def _fact_about(prompt: str, messages: Sequence[Message]) -> str:
    wanted = content_words(prompt)
    if re.search(r"\bwho am i\b", prompt, re.IGNORECASE):
        wanted = ["name"]
    best, most = "", 0
    for text in _earlier(messages, "user"):
        for fact in stated_facts(text):
            shared = sum(any(alike(word, other) for other in words(fact)) for word in wanted)
            if shared > most:  # of equals the latest counts: people change their minds
                best, most = fact, shared
    # A question that is not about the user may be about the world: then every word must be in what the user said.
    needed = len(wanted) / 2 if _ABOUT_ME.search(prompt) else len(wanted)
    return f"You told me: {best}." if best and most >= needed else ""


def _earlier(messages: Sequence[Message], role: str) -> Iterator[str]:
    """The texts of a role before the prompt, latest first."""
    last = len(messages) - 1
    while last >= 0 and messages[last].role != "user":
        last -= 1
    before = (messages[index] for index in range(last - 1, -1, -1))
    return (message.text for message in islice(before, MAX_LOOK_BACK) if message.role == role)
