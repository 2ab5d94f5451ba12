"""What is said to a remote agent: the task itself, then the answers to what it asked."""

from __future__ import annotations

import msgspec

from busagents.domain.messages import Message, TextPart
from busagents.domain.remote_decider import Link, message_id
from busagents.domain.state import Task
from busagents.domain.subjects import ThreadRef
from busagents.ports.remote import Outbound


def outbound_message(ref: ThreadRef, task: Task, link: Link, number: int) -> Outbound:
    """The so many-th message of a task, from 0: the same whenever it is made."""
    message = _request(task) if number == 0 else _answer(task)
    return Outbound(message_id(ref, task, number), message, link.remote if number else "", link.context)


def _request(task: Task) -> Message:
    prompt, schema = task.submitted.prompt, task.submitted.output_schema
    if schema is None:
        return prompt
    wanted = f"\n\nAnswer with JSON that fits this JSON Schema, and nothing else: {msgspec.json.encode(schema).decode()}"
    return Message(prompt.role, (*prompt.parts, TextPart(wanted)))


def _answer(task: Task) -> Message:
    """The answer to what was asked last: the remote asks one thing at a time."""
    given = [ask.given for ask in task.asks.values() if ask.answered and ask.given is not None]
    return given[-1]
