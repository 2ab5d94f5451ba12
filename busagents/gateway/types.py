"""A2A's objects as the gateway works with them: those of version 1.0, in plain structs. The wires are projections of these.

Names and meanings: A2A specification 1.0.1, section 4. What is on the wire (camelCase, enums, 0.3's shapes) is the wires' affair.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

TaskState = Literal["submitted", "working", "input-required", "auth-required", "completed", "failed", "canceled", "rejected"]
TERMINAL: frozenset[str] = frozenset(["completed", "failed", "canceled", "rejected"])
INTERRUPTED: frozenset[str] = frozenset(["input-required", "auth-required"])


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of `text`, `raw` (base64 text of bytes), `url` and `data`; `has_data` tells a data part whose value is null."""

    text: str | None = None
    raw: str | None = None
    url: str | None = None
    data: Any = None
    has_data: bool = False
    media_type: str = ""
    filename: str = ""
    metadata: dict[str, Any] | None = None


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something said in a task."""

    message_id: str
    role: Literal["user", "agent"]
    parts: tuple[Part, ...]
    context_id: str = ""
    task_id: str = ""
    reference_task_ids: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    metadata: dict[str, Any] | None = None


class Artifact(msgspec.Struct, frozen=True, omit_defaults=True):
    """A result."""

    artifact_id: str
    parts: tuple[Part, ...]
    name: str = ""
    description: str = ""
    extensions: tuple[str, ...] = ()
    metadata: dict[str, Any] | None = None


class Status(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a task is. `timestamp` is RFC 3339 UTC with milliseconds."""

    state: TaskState
    message: Message | None = None
    timestamp: str = ""


class Task(msgspec.Struct, frozen=True, omit_defaults=True):
    """A task as of a place in the log. `history` and `artifacts` None: left out."""

    id: str
    context_id: str
    status: Status
    artifacts: tuple[Artifact, ...] | None = None
    history: tuple[Message, ...] | None = None
    metadata: dict[str, Any] | None = None


class StatusUpdate(msgspec.Struct, frozen=True, omit_defaults=True):
    """A task's state changed. `final`: it is terminal or interrupted (0.3 says so on the wire)."""

    task_id: str
    context_id: str
    status: Status
    final: bool = False
    metadata: dict[str, Any] | None = None


class ArtifactUpdate(msgspec.Struct, frozen=True, omit_defaults=True):
    """A piece of an artifact. `append`: it continues the one of that id; else it replaces it."""

    task_id: str
    context_id: str
    artifact: Artifact
    append: bool = False
    last_chunk: bool = False
    metadata: dict[str, Any] | None = None


Update = Task | Message | StatusUpdate | ArtifactUpdate


class StreamItem(msgspec.Struct, frozen=True):
    """One item of a stream. `place` is where the log goes on behind it, for `Last-Event-ID`; empty for live text, which no log has."""

    update: Update
    place: str = ""


class PushConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where updates of a task are posted. `scheme` and `credentials` go into the Authorization header; neither is ever shown or logged."""

    url: str
    id: str = ""
    task_id: str = ""
    token: str = ""
    scheme: str = ""
    credentials: str = ""

    def __repr__(self) -> str:  # it ends up in tracebacks and logs
        return f"PushConfig(id={self.id!r}, task_id={self.task_id!r})"


class SendRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """What send and stream take. `history_length` None: the server's default; 0: no history."""

    message: Message
    accepted_output_modes: tuple[str, ...] = ()
    history_length: int | None = None
    return_immediately: bool = False
    push: PushConfig | None = None
    metadata: dict[str, Any] | None = None
    idempotency_key: str = ""


class ListRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which tasks, and how much of each."""

    context_id: str = ""
    state: TaskState | None = None
    page_size: int = 50
    page_token: str = ""
    history_length: int | None = None
    status_after: str = ""
    include_artifacts: bool = False


class TaskPage(msgspec.Struct, frozen=True):
    """A page of a list, the newest status first. `next_page_token` is empty at the end; `total_size` counts all pages."""

    tasks: tuple[Task, ...]
    next_page_token: str
    page_size: int
    total_size: int


class Caller(msgspec.Struct, frozen=True):
    """Who calls: `name` scopes tasks. `anonymous` callers share one scope. `may_see_all`: an operator's key."""

    name: str = "anonymous"
    may_see_all: bool = False


class Exposed(msgspec.Struct, frozen=True):
    """A participant that can be called. `skills` are pairs of name and description; `kind` is agent, function, swarm …"""

    name: str
    description: str
    kind: str = ""
    version: str = ""
    skills: tuple[tuple[str, str], ...] = ()
