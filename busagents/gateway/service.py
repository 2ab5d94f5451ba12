"""The eleven operations of A2A 1.0 (specification, section 3.1), as the wires call them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from busagents.gateway.types import (
    Caller,
    Exposed,
    ListRequest,
    Message,
    PushConfig,
    SendRequest,
    StreamItem,
    Task,
    TaskPage,
)


class GatewayService(Protocol):
    """No state of its own: any replica serves any call. Every operation raises A2AError, and authorises before it looks anything up."""

    async def participants(self) -> Sequence[Exposed]:
        """Who can be called now: those that are or were on the bus and are exposed, sorted by name."""
        ...

    async def send(self, caller: Caller, participant: str, request: SendRequest) -> Task | Message:
        """Give a task, or answer one that waits; returns at a terminal or interrupted state, or at once if the request says so."""
        ...

    def stream(self, caller: Caller, participant: str, request: SendRequest) -> AsyncIterator[StreamItem]:
        """As send, and every update: the task first, then each once and in the log's order; ends at a terminal or input-required
        state. Closing it does not touch the task.
        """
        ...

    async def get(self, caller: Caller, task_id: str, *, history_length: int | None = None) -> Task:
        """A task as it is."""
        ...

    async def list(self, caller: Caller, request: ListRequest, participant: str | None = None) -> TaskPage:
        """The caller's tasks."""
        ...

    async def cancel(self, caller: Caller, task_id: str) -> Task:
        """Ask a task to end; the task once it has, or as it is after a while."""
        ...

    def subscribe(self, caller: Caller, task_id: str, *, after: str = "") -> AsyncIterator[StreamItem]:
        """The task as it is, then every update. `after` is a StreamItem's place: the task as of there, then what follows."""
        ...

    async def create_push(self, caller: Caller, task_id: str, config: PushConfig) -> PushConfig:
        """Post a task's updates to a URL."""
        ...

    async def get_push(self, caller: Caller, task_id: str, config_id: str) -> PushConfig:
        """One of a task's push configurations."""
        ...

    async def list_push(self, caller: Caller, task_id: str) -> Sequence[PushConfig]:
        """All of a task's push configurations."""
        ...

    async def delete_push(self, caller: Caller, task_id: str, config_id: str) -> None:
        """Post no more to it. Nothing happens if it is not there."""
        ...
