"""What the next member of a swarm is told. The others' transcripts are not part of it: a member knows what it was told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from busagents.domain.events import Member
from busagents.domain.handoff import HANDOFF_TOOL
from busagents.domain.messages import DataPart, FilePart, Message, TextPart
from busagents.domain.swarm_run import SwarmRun

_EARLIER = 20  # messages of the swarm's conversation that the entry is shown


def first_brief(request: Message, others: Sequence[Member], earlier: Sequence[Message] = ()) -> Message:
    """What the entry is told: the user's request as it came, what the swarm and the user said before in this session (the answer
    may have been another member's), and whom it may hand over to.
    """
    said = [
        f"{'user' if message.role == 'user' else 'answer'}: {message.text}" for message in earlier[-_EARLIER:] if message.text
    ]
    paragraphs = ["Earlier in this session:\n" + "\n".join(said)] if said else []
    if others:
        paragraphs.append(_handing_over(others))
    if not paragraphs:
        return request
    return Message("user", (*request.parts, TextPart("\n\n" + "\n\n".join(paragraphs))))


def next_brief(lead: str, request: Message, run: SwarmRun, others: Sequence[Member]) -> Message:
    """What any later member is told. `lead` says why it is its turn; `others` is empty for a member that cannot hand over."""
    asked = request.text or "(no text: see what is attached)"
    paragraphs = [lead, f"The user's request: {asked}", f"At work so far: {' → '.join(run.path)}"]
    if run.contexts:
        paragraphs.append(f"Shared knowledge, by the member who gave it: {_json(run.contexts)}")
    if others:
        paragraphs.append(_handing_over(others))
    attached = tuple(part for part in request.parts if isinstance(part, FilePart | DataPart))
    return Message("user", (TextPart("\n\n".join(paragraphs)), *attached))


def handed_lead(source: str, message: str) -> str:
    """It was handed over to."""
    return f"{source} handed the task over to you: {message}" if message else f"{source} handed the task over to you."


def returned_lead(source: str, answer: str) -> str:
    """Whom it had handed over to gave an answer."""
    return f"{source}, to whom you had handed the task over, answered: {answer}"


def undelivered_lead(target: str, why: str, others: Sequence[Member]) -> str:
    """Whom it had handed over to is not there."""
    rest = ", ".join(member.name for member in others if member.name != target)
    instead = f"Hand over to somebody else ({rest}), or do the work yourself." if rest else "Do the work yourself."
    reason = f" ({why})" if why else ""
    return f"Your handoff to {target} failed: no participant named {target} is on the bus{reason}. You have the task again. {instead}"


def _handing_over(others: Sequence[Member]) -> str:
    listed = "\n".join(f"- {member.name}: {member.description}".removesuffix(": ") for member in others)
    return (
        f"The other members of your swarm:\n{listed}\n"
        f"If the next step is theirs, hand the task over with {HANDOFF_TOOL}. If you do not hand over, your answer ends the work."
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
