"""What running a remote agent needs of the outside: its card read, messages sent, its tasks watched. Adapters speak the wire."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Literal, Protocol

import msgspec

from busagents.domain.messages import Message, Part
from busagents.errors import BusAgentsError

RemoteState = Literal[
    "submitted", "working", "input-required", "auth-required", "completed", "failed", "canceled", "rejected", "unknown"
]
ENDED: frozenset[RemoteState] = frozenset({"completed", "failed", "canceled", "rejected"})
INTERRUPTED: frozenset[RemoteState] = frozenset({"input-required", "auth-required"})


class RemoteArtifact(msgspec.Struct, frozen=True):
    """A result of a remote task, or the next piece of one."""

    id: str
    parts: tuple[Part, ...]
    name: str = ""
    description: str = ""


class RemoteTask(msgspec.Struct, frozen=True):
    """A remote task as it stands. `mark` tells one status from the next where the remote dates or numbers them; `received` are
    the ids of the messages in its history.
    """

    id: str
    context: str
    state: RemoteState
    message: Message | None = None
    artifacts: tuple[RemoteArtifact, ...] = ()
    mark: str = ""
    received: tuple[str, ...] = ()


class RemoteStatus(msgspec.Struct, frozen=True):
    """A remote task's state changed. See RemoteTask for `mark`."""

    task: str
    context: str
    state: RemoteState
    message: Message | None = None
    mark: str = ""


class RemoteChunk(msgspec.Struct, frozen=True):
    """An artifact came, or with `append` a further piece of it."""

    task: str
    context: str
    artifact: RemoteArtifact
    append: bool = False


class RemoteReply(msgspec.Struct, frozen=True):
    """The remote answered with a message and made no task."""

    message: Message
    context: str = ""


RemoteUpdate = RemoteTask | RemoteStatus | RemoteChunk | RemoteReply


class Outbound(msgspec.Struct, frozen=True):
    """A message to a remote agent. `id` stays the same however often it is sent. `task` and `context` are the remote's own."""

    id: str
    message: Message
    task: str = ""
    context: str = ""


class RemotePeer(Protocol):
    """A remote agent whose card was read. Every method raises RemoteError."""

    @property
    def name(self) -> str:
        """What its card calls it."""
        ...

    @property
    def description(self) -> str:
        """What its card says it is for."""
        ...

    @property
    def skills(self) -> tuple[tuple[str, str], ...]:
        """The names and descriptions of what its card says it can do."""
        ...

    @property
    def streams(self) -> bool:
        """Whether `stream` and `subscribe` can be used."""
        ...

    @property
    def lists(self) -> bool:
        """Whether `find` can be used."""
        ...

    async def send(self, outbound: Outbound, *, wait: bool = False) -> RemoteTask | RemoteReply:
        """Send a message. With `wait` until the task has ended or asks something, else as soon as the remote has a task for it."""
        ...

    def stream(self, outbound: Outbound) -> AsyncGenerator[RemoteUpdate]:
        """Send a message and yield what happens, until the task has ended, asks something, or the stream is cut."""
        ...

    def subscribe(self, task: str) -> AsyncGenerator[RemoteUpdate]:
        """What happens to a task from now on; the task as it stands first, where the protocol has that."""
        ...

    async def get(self, task: str) -> RemoteTask:
        """A task as it stands."""
        ...

    async def find(self, context: str) -> list[RemoteTask]:
        """The tasks of a context, the newest first."""
        ...

    async def cancel(self, task: str) -> RemoteTask:
        """Ask it to end a task."""
        ...


class RemoteAgents(Protocol):
    """Where remote agents are found."""

    async def open(self, name: str, card_url: str, *, allow_private: bool | None = None) -> RemotePeer:
        """Read the card at a URL, choose how to speak, and use the credentials that are configured for `name` (none if it is "").

        `allow_private`: it may be, or lead, to private addresses; None: if the URL says by itself that it is in a private network.

        Raises:
            RemoteError: it is away, refuses, or is no A2A agent this can speak to.
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class RemoteError(BusAgentsError):
    """A remote agent could not be asked. `reason` is the stable word a task fails with."""

    reason = "remote_error"


class RemoteUnreachable(RemoteError):
    """Nothing was sent: no connection, or it says that it is busy. May be tried again, after `retry_after` seconds if it says so."""

    reason = "unreachable"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RemoteLost(RemoteError):
    """The request was sent and no answer came: it may have taken effect."""

    reason = "outcome_unknown"


class RemoteRefused(RemoteError):
    """The remote answered with an error. `bad_request`: it does not like the request itself; `internal`: it broke."""

    def __init__(self, message: str, *, bad_request: bool = False, internal: bool = False) -> None:
        super().__init__(message)
        self.bad_request = bad_request
        self.internal = internal


class RemoteUnauthorized(RemoteError):
    """It wants credentials, or others than it was given."""

    reason = "unauthorized"


class RemoteTaskUnknown(RemoteError):
    """It does not know the task (any more)."""

    reason = "remote_task_unknown"


class RemoteNotCancelable(RemoteError):
    """The task cannot be canceled, mostly since it has ended."""


class RemoteUnsupported(RemoteError):
    """It does not offer this operation, or not for this task now."""


class RemoteInvalid(RemoteError):
    """What came is no A2A: no card, no version or binding that is spoken here, an answer that cannot be read, or too much."""

    reason = "remote_invalid"


class RemoteForbidden(RemoteError):
    """The address must not be called: it is private, or not https."""

    reason = "address_refused"
