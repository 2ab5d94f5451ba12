"""A person's word on a tool call: what is asked, and what an answer means."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from busagents.domain import events as e
from busagents.domain.codec import derived_id
from busagents.domain.messages import DataPart, Message, TextPart, ToolCallPart
from busagents.domain.state import Ask, Call, Task, ThreadState

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "decision": {"enum": ["approve", "edit", "reject"]},
        "arguments": {"type": "object", "description": "With edit: the arguments to run it with."},
        "reason": {"type": "string", "description": "With reject: what the agent is told."},
    },
    "required": ["decision"],
}
_YES = frozenset(["approve", "approved", "yes", "y", "ok", "okay", "go", "go ahead", "sure", "allow"])
_NO = frozenset(["reject", "rejected", "no", "n", "deny", "denied", "stop", "never"])


class Verdict(msgspec.Struct, frozen=True):
    """What a person decided. `arguments` is JSON text, with "edit" only."""

    decision: Literal["approve", "edit", "reject"]
    arguments: str = ""
    reason: str = ""


def ask_approval(state: ThreadState, task: Task, part: ToolCallPart) -> e.InputRequired:
    """The question whether a call may run."""
    try:
        arguments = msgspec.json.decode(part.arguments)
    except (msgspec.DecodeError, UnicodeDecodeError):
        arguments = part.arguments
    text = f"May {state.ref.participant} call {part.name} with {part.arguments}?"
    return e.InputRequired(
        derived_id("approval", str(state.ref), task.id, str(task.turn), part.call),
        Message("assistant", (TextPart(text), DataPart({"tool": part.name, "arguments": arguments}))),
        _SCHEMA,
        part.call,
        "approval",
        state.ref.participant,
    )


def approval_of(task: Task, call: Call) -> Ask | None:
    """The question about a call, if it was asked."""
    own = (ask for ask in task.asks.values() if ask.required.call == call.part.call)
    return next((ask for ask in own if ask.required.purpose == "approval" and ask.required.child is None), None)


def verdict(ask: Ask) -> Verdict | None:
    """What was answered; None while nothing was. What is neither a yes nor an edit is a no, with the words as its reason."""
    if not ask.answered or ask.given is None:
        return None
    data = next((part.data for part in ask.given.parts if isinstance(part, DataPart)), None)
    if isinstance(data, dict):
        return _from_data(data)
    word, _, rest = ask.given.text.strip().partition(":")
    plain = word.strip().lower().rstrip(".!")
    if plain in _YES and not rest.strip():
        return Verdict("approve")
    if plain == "edit" and rest.strip():
        return Verdict("edit", rest.strip())
    reason = rest.strip() if plain in _NO else ask.given.text.strip()
    return Verdict("reject", reason=reason)


def _from_data(data: dict[str, Any]) -> Verdict:
    decision, reason = data.get("decision"), str(data.get("reason") or "")
    if decision == "edit" and isinstance(data.get("arguments"), dict):
        return Verdict("edit", msgspec.json.encode(data["arguments"]).decode(), reason)
    return Verdict("approve") if decision == "approve" else Verdict("reject", reason=reason)


def approved_part(task: Task, call: Call) -> tuple[ToolCallPart, bool]:
    """The call as it may run, and whether a person changed it."""
    ask = approval_of(task, call)
    said = verdict(ask) if ask is not None else None
    if said is None or said.decision != "edit":
        return call.part, False
    return msgspec.structs.replace(call.part, arguments=said.arguments), True
