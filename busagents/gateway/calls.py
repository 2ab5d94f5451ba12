"""A call as the wires hand it on: what was asked, in one of eleven structs, and the two ways to carry it out.

A dialect is how one version of A2A says calls, results and errors. It only converts: the flow is the bindings' (jsonrpc.py, rest.py),
so that both versions get the same limits, streams and errors.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from busagents.gateway.errors import UnsupportedOperation
from busagents.gateway.json_fields import Fields
from busagents.gateway.service import GatewayService
from busagents.gateway.types import (
    Caller,
    ListRequest,
    Message,
    PushConfig,
    SendRequest,
    StreamItem,
    Task,
    TaskPage,
    Update,
)


class Send(msgspec.Struct, frozen=True):
    """Give a task or go on with one; answer when it has ended or waits."""

    request: SendRequest


class SendStream(msgspec.Struct, frozen=True):
    """As Send, with every update."""

    request: SendRequest


class Get(msgspec.Struct, frozen=True):
    """One task."""

    task_id: str
    history_length: int | None = None


class List(msgspec.Struct, frozen=True):
    """A page of tasks."""

    request: ListRequest


class Cancel(msgspec.Struct, frozen=True):
    """End a task."""

    task_id: str


class Subscribe(msgspec.Struct, frozen=True):
    """The updates of a task. `after` is the place of the last one that was read (`Last-Event-ID`)."""

    task_id: str
    after: str = ""


class CreatePush(msgspec.Struct, frozen=True):
    """Post a task's updates to a URL."""

    task_id: str
    config: PushConfig


class GetPush(msgspec.Struct, frozen=True):
    """One push configuration."""

    task_id: str
    config_id: str


class ListPush(msgspec.Struct, frozen=True):
    """All push configurations of a task."""

    task_id: str


class DeletePush(msgspec.Struct, frozen=True):
    """Post no more."""

    task_id: str
    config_id: str


class ExtendedCard(msgspec.Struct, frozen=True):
    """The card for those who have authenticated."""


Call = Send | SendStream | Get | List | Cancel | Subscribe | CreatePush | GetPush | ListPush | DeletePush | ExtendedCard
Result = Task | Message | TaskPage | PushConfig | Sequence[PushConfig] | bytes | None
"""Of a call that is not a stream. `bytes` is the extended card, as JSON."""

CardFor = Callable[[Caller, str], Awaitable[bytes]]
"""The extended card of a participant as JSON; raises ExtendedAgentCardNotConfigured."""

Reader = Callable[[Fields], Call]
"""From a call's parameters to the call. Raises InvalidParams."""


class Dialect(Protocol):
    """What both bindings need of a version."""

    def item(self, update: Update) -> Any:
        """One item of a stream, in what msgspec encodes."""
        ...

    def result(self, call: Call, result: Result) -> Any:
        """What a call gives, in what msgspec encodes."""
        ...


class RpcDialect(Dialect, Protocol):
    """A version's JSON-RPC."""

    @property
    def methods(self) -> Mapping[str, Reader]:
        """Each method's reader of `params`."""
        ...


class RestDialect(Dialect, Protocol):
    """A version's HTTP+JSON."""

    def find(self, segments: tuple[str, ...]) -> Mapping[str, Reader] | None:
        """The reader of each HTTP method at a path below the agent's URL; None: there is no such path. What a reader gets are the
        body's fields, or for GET and DELETE those of the query.
        """
        ...


def is_stream(call: Call) -> bool:
    """Whether it is answered with a stream of items."""
    return isinstance(call, SendStream | Subscribe)


def open_stream(service: GatewayService, caller: Caller, participant: str, call: Call) -> AsyncIterator[StreamItem]:
    """The items of a call that is a stream."""
    if isinstance(call, SendStream):
        return service.stream(caller, participant, call.request)
    assert isinstance(call, Subscribe)
    return service.subscribe(caller, call.task_id, after=call.after)


async def carry_out(service: GatewayService, card_for: CardFor | None, caller: Caller, participant: str, call: Call) -> Result:
    """The result of a call that is not a stream."""
    match call:
        case Send(request):
            return await service.send(caller, participant, request)
        case Get(task_id, history_length):
            return await service.get(caller, task_id, history_length=history_length)
        case List(asked):
            return await service.list(caller, asked, participant)
        case Cancel(task_id):
            return await service.cancel(caller, task_id)
        case CreatePush(task_id, config):
            return await service.create_push(caller, task_id, config)
        case GetPush(task_id, config_id):
            return await service.get_push(caller, task_id, config_id)
        case ListPush(task_id):
            return await service.list_push(caller, task_id)
        case DeletePush(task_id, config_id):
            await service.delete_push(caller, task_id, config_id)
            return None
        case ExtendedCard():
            if card_for is None:
                raise UnsupportedOperation(f"Agent {participant!r} has no extended card; its card says so")
            return await card_for(caller, participant)
        case _:
            raise AssertionError(f"{type(call).__name__} is a stream")
