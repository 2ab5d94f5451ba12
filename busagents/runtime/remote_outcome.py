"""What a remote task's end, question or failure is here, as facts."""

from __future__ import annotations

import msgspec

from busagents.domain import events as e
from busagents.domain.messages import DataPart, Message, TextPart
from busagents.domain.output import check_output, parse_output
from busagents.domain.remote_decider import Link, question_id
from busagents.domain.state import Task
from busagents.domain.storable_text import storable
from busagents.domain.subjects import ThreadRef
from busagents.ports.remote import RemoteError
from busagents.runtime.remote_view import RemoteView


class RemoteFailed(Exception):
    """The task cannot go on; `events` say why."""

    def __init__(self, *events: e.Event) -> None:
        super().__init__()
        self.events = events


def outcome(ref: ThreadRef, task: Task, link: Link, view: RemoteView, elapsed: int) -> list[e.Event]:
    """The facts that follow from where a settled remote task stands."""
    name = ref.participant
    if view.reply is not None:
        return [_completed(task, view, elapsed)]
    match view.state:
        case "completed":
            return [_completed(task, view, elapsed)]
        case "canceled":
            return [e.TaskCanceled(_words(view, f"{name} canceled it"), task.usage)]
        case "rejected":
            return [e.TaskFailed("rejected", _words(view, f"{name} rejected it without saying why"), task.usage, elapsed)]
        case "input-required" | "auth-required":
            asked = e.InputRequired(question_id(ref, task), _question(view, name), asker=name)
            return [msgspec.structs.replace(link, asked=view.mark).set(), asked, e.ToolSuspended("")]
        case _:
            return [e.TaskFailed("remote_failed", _words(view, f"{name} failed without saying why"), task.usage, elapsed)]


def failure(task: Task, error: RemoteError, call: str | None, elapsed: int) -> list[e.Event]:
    """The facts that follow from an error that ends the task. `call`: the message that was on its way."""
    text = storable(str(error))
    ended: list[e.Event] = [e.ToolFailed(call, "error", text, elapsed)] if call is not None else []
    return [*ended, e.TaskFailed(error.reason, text, task.usage, elapsed)]


def _completed(task: Task, view: RemoteView, elapsed: int) -> e.Event:
    message, artifacts = view.answer()
    schema = task.submitted.output_schema
    if schema is None:
        return e.TaskCompleted(message, task.usage, artifacts=artifacts, elapsed_ms=elapsed)
    data = next((part for part in message.parts if isinstance(part, DataPart)), None)
    if data is not None:
        output, problem = data.data, check_output(data.data, schema)
    else:
        output, problem = parse_output(message.text, schema)
    if problem is not None:
        text = f"the remote agent's answer does not fit the schema asked for: {problem}"
        return e.TaskFailed("output_invalid", storable(text), task.usage, elapsed)
    return e.TaskCompleted(message, task.usage, output, artifacts, elapsed_ms=elapsed)


def _question(view: RemoteView, name: str) -> Message:
    """What is asked, as a person reads it. Of an authorization it says what is wanted and that secrets do not belong in the log."""
    if view.state == "input-required":
        return view.said(f"{name} asks for more, without saying what.")
    said = view.said(f"{name} does not say which.")
    hint = TextPart(f"{name} needs an authorization. Give it where it says, then answer; do not answer with a secret: ")
    return Message("assistant", (hint, *said.parts))


def _words(view: RemoteView, default: str) -> str:
    return view.said(default).text or default
