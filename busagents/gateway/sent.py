"""What a caller sends, as a task of the bus: its id, its thread, and what is kept with it so that it can be shown as it was sent."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from busagents.domain.codec import derived_id, sha256_hex
from busagents.domain.events import TaskSubmitted
from busagents.domain.subjects import ThreadRef, check_token
from busagents.errors import InvalidName
from busagents.gateway.bus import Submission
from busagents.gateway.errors import InvalidParams
from busagents.gateway.parts import extras, user_message
from busagents.gateway.types import Caller, SendRequest

_SENDER = "a2a:"
_MARK = "~"
_CANONICAL = msgspec.json.Encoder(order="deterministic")


class SentWith(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """In the metadata of a task's submission under `a2a`. `digest` is of the request, if an idempotency key came with it."""

    message_id: str = ""
    digest: str = ""
    parts: list[dict[str, Any]] | None = None
    metadata: dict[str, Any] | None = None
    request_metadata: dict[str, Any] | None = None
    extensions: tuple[str, ...] = ()
    reference_task_ids: tuple[str, ...] = ()


def sent_with(event: TaskSubmitted) -> SentWith:
    """What was kept with a task; nothing for one that no gateway submitted."""
    try:
        return msgspec.convert(event.metadata.get("a2a", {}), SentWith)
    except msgspec.ValidationError:
        return SentWith()


def sender_of(caller: Caller) -> str:
    """A caller as the sender of tasks."""
    return f"{_SENDER}{caller.name}"


def caller_name(sender: str) -> str:
    """The caller's name; empty if the sender was no caller of a gateway."""
    return sender.removeprefix(_SENDER) if sender.startswith(_SENDER) else ""


def is_token(name: str) -> bool:
    """Whether a subject can hold the name."""
    try:
        check_token(name, "name")
    except InvalidName:
        return False
    return True


def task_ref(task_id: str) -> ThreadRef | None:
    """The thread of a task that a gateway submitted, from its id alone: `<participant>.<session>.<token>`."""
    tokens = task_id.split(".")
    if len(tokens) != 3:
        return None
    return ThreadRef(tokens[0], tokens[1]) if all(map(is_token, tokens)) else None


def digest(request: SendRequest) -> str:
    """The same for the same request. The message's id does not count: who sends again may well give another one."""
    message = request.message
    said = (message.parts, message.context_id, message.task_id, message.metadata, message.extensions)
    return sha256_hex(_CANONICAL.encode((said, message.reference_task_ids, request.metadata)))


def submission(caller: Caller, participant: str, request: SendRequest) -> Submission:
    """The task that a request asks for. With an idempotency key its id is the same whoever makes it, as often as it is made.

    Raises:
        InvalidParams: a context that no session can be named after, an empty message.
        ContentTypeNotSupported: see to_bus.
    """
    message, key = request.message, request.idempotency_key
    names = (caller.name, participant, key)
    token = derived_id("a2a-task", *names) if key else str(uuid.uuid4())
    session = message.context_id or (derived_id("a2a-session", *names) if key else str(uuid.uuid4()))
    try:
        ref = ThreadRef(participant, session).checked()
    except InvalidName as error:
        raise InvalidParams(str(error), (("message.contextId", str(error)),)) from None
    kept = SentWith(
        message.message_id,
        digest(request) if key else "",
        extras(message.parts),
        message.metadata,
        request.metadata,
        message.extensions,
        message.reference_task_ids,
    )
    task = f"{participant}.{session}.{token}"
    event = TaskSubmitted(
        message=user_message(message.parts), sender=sender_of(caller), metadata={"a2a": msgspec.to_builtins(kept)}
    )
    return Submission(ref, task, derived_id("a2a-send", task), event)


def answer_entry(caller: Caller, request: SendRequest) -> str:
    """The id of the entry that holds an answer. The caller's id of the message is in it: an answer has no metadata."""
    key, message_id = request.idempotency_key, request.message.message_id
    unique = derived_id("a2a-answer", caller.name, request.message.task_id, key) if key else str(uuid.uuid4())
    plain = message_id.isascii() and message_id.isprintable() and " " not in message_id and len(message_id) <= 128
    return f"{unique}{_MARK}{message_id}" if plain and message_id and not key else unique


def answer_message_id(entry: str) -> str:
    """The caller's id of an answer's message; the entry's own if none was kept."""
    return entry.partition(_MARK)[2] or entry
