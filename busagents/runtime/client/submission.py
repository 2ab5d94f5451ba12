"""A task's request, checked before it is sent: what is refused here was never stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from busagents.domain.events import TaskSubmitted
from busagents.domain.limits import Limits
from busagents.domain.messages import Message, user
from busagents.domain.output_type import output_schema
from busagents.errors import InvalidInput

MAX_PROMPT = 8 * 1024 * 1024  # bytes of text


def submission(
    prompt: str | Message, *, output_type: Any = None, limits: Limits | None = None, metadata: Mapping[str, Any] | None = None
) -> TaskSubmitted:
    """The event that gives a participant a task; see Client.send for the arguments.

    Raises:
        InvalidInput: an empty or over-long prompt, text that is not Unicode, metadata that is not JSON.
        DefinitionError: see output_schema.
    """
    event = TaskSubmitted(
        message=_checked(prompt),
        limits=limits,
        output_schema=output_schema(output_type) if output_type is not None else None,
        metadata=dict(metadata or {}),
    )
    try:
        msgspec.json.encode(event)
    except UnicodeEncodeError as error:
        raise InvalidInput(f"the request is not valid Unicode text ({error.reason} at {error.start}): send UTF-8") from None
    except (TypeError, msgspec.EncodeError, RecursionError) as error:
        raise InvalidInput(f"the request cannot be sent as JSON ({error}): use plain values in metadata and data parts") from None
    return event


def checked_key(key: str) -> str:
    """The idempotency key, if it can serve as one.

    Raises:
        InvalidInput: it is empty, which would make all sends the same task, or not Unicode text.
    """
    if not key.strip():
        raise InvalidInput("the idempotency key is empty: name what is done once, such as an order's number, or pass none")
    return checked_text("idempotency key", key)


def checked_text(what: str, text: str) -> str:
    """The text, if JSON can hold it.

    Raises:
        InvalidInput: it is not Unicode (bytes that are not UTF-8 reach Python as lone surrogates).
    """
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise InvalidInput(f"the {what} {text[:80]!r} is not valid Unicode text: send UTF-8")
    return text


def _checked(prompt: str | Message) -> Message:
    message = user(prompt) if isinstance(prompt, str) else prompt
    if not isinstance(message, Message):
        raise InvalidInput(f"the prompt is a {type(prompt).__name__}: send text or a Message")
    if message.role != "user":
        raise InvalidInput(f"the prompt is a message of the {message.role}: a task is asked for by Message('user', …)")
    if not message.parts or (isinstance(prompt, str) and not prompt.strip()):
        raise InvalidInput("the prompt is empty: say what the participant shall do")
    size = len(message.text.encode(errors="surrogatepass"))
    if size > MAX_PROMPT:
        raise InvalidInput(
            f"the prompt has {size} bytes, the most is {MAX_PROMPT}: put the material into a file the agent can read"
        )
    return message
