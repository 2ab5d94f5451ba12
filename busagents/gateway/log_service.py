"""GatewayService over the log. It keeps no state that the log does not have: what it waits for, it waits for there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from msgspec.structs import replace

from busagents.domain import events as e
from busagents.domain.subjects import ThreadRef
from busagents.gateway.bus import GatewayBus
from busagents.gateway.errors import (
    InvalidParams,
    PushNotificationNotSupported,
    TaskNotCancelable,
    TaskNotFound,
    UnsupportedOperation,
)
from busagents.gateway.exposure import Exposure
from busagents.gateway.failures import bus_failures
from busagents.gateway.following import Following
from busagents.gateway.index import TaskIndex
from busagents.gateway.place import Place
from busagents.gateway.projection import Projection
from busagents.gateway.push_store import PushStore
from busagents.gateway.sending import Sender
from busagents.gateway.sent import is_token, sender_of, submission, task_ref
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

_CANCEL_PATIENCE = 5.0  # seconds a cancel waits for the task's end


class LogService:
    """gateway.service.GatewayService.

    Args:
        exposure: which participants can be called, and how they answer.
        push: where push configurations are kept; without one there is no push.
    """

    def __init__(self, bus: GatewayBus, index: TaskIndex, exposure: Exposure, *, push: PushStore | None = None) -> None:
        self._bus = bus
        self._index = index
        self._exposure = exposure
        self._sender = Sender(bus)
        self._push = push

    async def participants(self) -> Sequence[Exposed]:
        """See GatewayService.participants."""
        with bus_failures():
            return await self._exposure.participants()

    async def send(self, caller: Caller, participant: str, request: SendRequest) -> Task | Message:
        """See GatewayService.send."""
        _check_length(request.history_length)
        with bus_failures():
            following = await self._begin(caller, participant, request)
            try:
                if not request.return_immediately:
                    async for _ in following.until_rest():
                        pass
            finally:
                await following.close()
            view = following.view
            if view.lacks_answers:
                view = await self._view(caller, view.id)
            return self._exposure.as_message(view) or view.task(request.history_length)

    async def stream(self, caller: Caller, participant: str, request: SendRequest) -> AsyncIterator[StreamItem]:
        """See GatewayService.stream."""
        _check_length(request.history_length)
        with bus_failures():
            following = await self._begin(caller, participant, request)
            try:
                if self._exposure.answers_by_message(following.view.participant):
                    async for _ in following.until_rest():
                        pass
                    message = self._exposure.as_message(following.view)
                    yield StreamItem(message or following.view.task(request.history_length), str(following.view.place))
                    return
                yield StreamItem(following.view.task(request.history_length), str(following.view.place))
                async for item in following.until_asked():
                    yield item
            finally:
                await following.close()

    async def get(self, caller: Caller, task_id: str, *, history_length: int | None = None) -> Task:
        """See GatewayService.get."""
        _check_length(history_length)
        with bus_failures():
            return (await self._view(caller, task_id)).task(history_length)

    async def list(self, caller: Caller, request: ListRequest, participant: str | None = None) -> TaskPage:
        """See GatewayService.list."""
        _check_length(request.history_length)
        with bus_failures():
            page = await self._index.page(caller, request, participant)
            if not request.include_artifacts and not request.history_length:
                return page
            whole = await asyncio.gather(*(self._whole(caller, task, request) for task in page.tasks))
        return TaskPage(tuple(whole), page.next_page_token, page.page_size, page.total_size)

    async def cancel(self, caller: Caller, task_id: str) -> Task:
        """See GatewayService.cancel."""
        with bus_failures():
            ref = await self._ref(caller, task_id)
            following = await self._follow(caller, ref, task_id)
            try:
                if following.view.ended:
                    raise TaskNotCancelable(f"the task is {following.view.state} already")
                await self._bus.cancel(ref, task_id, "")
                await following.ended_within(_CANCEL_PATIENCE)
            finally:
                await following.close()
            view = following.view
            if view.ended and view.state != "canceled":
                raise TaskNotCancelable(f"the task is {view.state}: it ended before it could be canceled")
            return view.task()

    async def subscribe(self, caller: Caller, task_id: str, *, after: str = "") -> AsyncIterator[StreamItem]:
        """See GatewayService.subscribe."""
        with bus_failures():
            upto = Place.parse(after) if after else None
            following = await self._follow(caller, await self._ref(caller, task_id), task_id, upto=upto)
            try:
                first, *behind = following.items
                if following.view.ended and not behind:
                    raise UnsupportedOperation(f"the task is {following.view.state}: there is nothing to come; get it instead")
                yield first
                for item in behind:
                    yield item
                async for item in following.until_end():
                    yield item
            finally:
                await following.close()

    async def create_push(self, caller: Caller, task_id: str, config: PushConfig) -> PushConfig:
        """See GatewayService.create_push."""
        with bus_failures():
            store = await self._push_store(caller, task_id)
            return await store.put(task_id, config)

    async def get_push(self, caller: Caller, task_id: str, config_id: str) -> PushConfig:
        """See GatewayService.get_push."""
        with bus_failures():
            store = await self._push_store(caller, task_id)
            found = await store.get(task_id, config_id)
        if found is None:
            raise TaskNotFound(f"the task has no push configuration {config_id[:80]!r}")
        return found

    async def list_push(self, caller: Caller, task_id: str) -> Sequence[PushConfig]:
        """See GatewayService.list_push."""
        with bus_failures():
            store = await self._push_store(caller, task_id)
            return await store.list(task_id)

    async def delete_push(self, caller: Caller, task_id: str, config_id: str) -> None:
        """See GatewayService.delete_push."""
        with bus_failures():
            store = await self._push_store(caller, task_id)
            await store.delete(task_id, config_id)

    async def _begin(self, caller: Caller, participant: str, request: SendRequest) -> Following:
        """The task the request is about, followed from here on."""
        if request.push is not None and self._push is None:
            raise PushNotificationNotSupported("this gateway pushes nothing: stream or subscribe instead")
        task_id = request.message.task_id
        if task_id:
            ref = await self._ref(caller, task_id)
            if participant and participant != ref.participant:
                raise _not_found(task_id)
            following = await self._follow(caller, ref, task_id)
            try:
                await self._keep_push(task_id, request)
                await self._sender.answer(caller, ref, following, request)
            except BaseException:
                await following.close()
                raise
            return following
        named = is_token(participant) and self._exposure.exposes(participant)
        if not named or not await self._bus.known(participant):
            raise InvalidParams(f"no participant {participant[:80]!r} can be called here: its name is in the agent card")
        task = submission(caller, participant, request)
        await self._keep_push(task.task, request)  # before the task: it may be over soon
        return await self._sender.submit(caller, task, request)

    async def _keep_push(self, task_id: str, request: SendRequest) -> None:
        if request.push is not None and self._push is not None:
            await self._push.put(task_id, request.push)

    async def _ref(self, caller: Caller, task_id: str) -> ThreadRef:
        """Where a task is. Nothing but the id is looked at, except for who may see what no gateway submitted."""
        ref = task_ref(task_id)
        if ref is None and caller.may_see_all:
            ref = await self._index.find(task_id)
        if ref is None or not self._exposure.exposes(ref.participant):
            raise _not_found(task_id)
        return ref

    async def _view(self, caller: Caller, task_id: str) -> Projection:
        ref = await self._ref(caller, task_id)
        view = Projection(task_id, ref.session, ref.participant)
        view.replay(await self._bus.read(ref, task_id))
        _check_caller(caller, view.submitted, task_id)
        return view

    async def _whole(self, caller: Caller, task: Task, request: ListRequest) -> Task:
        """A listed task with all that was asked for."""
        view = await self._view(caller, task.id)
        whole = view.task(request.history_length or 0)
        return whole if request.include_artifacts else replace(whole, artifacts=None)

    async def _follow(self, caller: Caller, ref: ThreadRef, task_id: str, *, upto: Place | None = None) -> Following:
        following = Following(await self._bus.watch(ref, task_id), Projection(task_id, ref.session, ref.participant), upto=upto)
        try:
            _check_caller(caller, following.view.submitted, task_id)
        except TaskNotFound:
            await following.close()
            raise
        return following

    async def _push_store(self, caller: Caller, task_id: str) -> PushStore:
        if self._push is None:
            raise PushNotificationNotSupported("this gateway pushes nothing: stream or subscribe instead")
        await self._view(caller, task_id)
        return self._push


def _check_caller(caller: Caller, submitted: e.TaskSubmitted | None, task_id: str) -> None:
    """A task of another caller is as one that does not exist."""
    if submitted is None or not (caller.may_see_all or submitted.sender == sender_of(caller)):
        raise _not_found(task_id)


def _not_found(task_id: str) -> TaskNotFound:
    return TaskNotFound(f"no task {task_id[:200]!r}: it was never submitted, or not by this caller")


def _check_length(length: int | None) -> None:
    if length is not None and length < 0:
        raise InvalidParams(f"historyLength={length} is below 0", (("historyLength", "must be 0 or more"),))
