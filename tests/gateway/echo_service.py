"""A peer for the wires: a GatewayService over plain dicts. What a message says decides what becomes of its task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import count

import msgspec

from busagents.gateway.errors import InvalidParams, TaskNotCancelable, TaskNotFound, UnsupportedOperation
from busagents.gateway.types import (
    TERMINAL,
    Artifact,
    ArtifactUpdate,
    Caller,
    Exposed,
    ListRequest,
    Message,
    Part,
    PushConfig,
    SendRequest,
    Status,
    StatusUpdate,
    StreamItem,
    Task,
    TaskPage,
    TaskState,
)

WHEN = "2026-01-31T09:30:00.000Z"


class EchoService:
    """`bare` is answered with a message; `wait` stays at work; `ask` asks; `boom` is a defect; `chunks N` streams N pieces; `bad N`
    fails in a stream after N; else the text is the answer.
    """

    def __init__(self, *names: str) -> None:
        self.exposed = [Exposed(name, f"the agent {name}") for name in names or ("echo",)]
        self.tasks: dict[str, Task] = {}
        self.owners: dict[str, str] = {}
        self.pushes: dict[tuple[str, str], PushConfig] = {}
        self.asked: list[SendRequest] = []
        self.closed: asyncio.Queue[str] = asyncio.Queue()  # the tasks whose streams or calls ended
        self.changed = asyncio.Condition()
        self._numbers = count(1)

    async def participants(self) -> Sequence[Exposed]:
        return self.exposed

    def _begin(self, caller: Caller, participant: str, request: SendRequest) -> Task:
        self.asked.append(request)
        message = request.message
        if message.task_id:
            old = self._known(caller, message.task_id)
            if old.status.state in TERMINAL:
                raise UnsupportedOperation(f"task {old.id!r} has ended")
            return self._set(msgspec.structs.replace(old, history=(*(old.history or ()), message)))
        context = message.context_id or f"session{next(self._numbers)}"
        task = Task(
            f"{participant}.{context}.{next(self._numbers)}", context, Status("working", timestamp=WHEN), history=(message,)
        )
        self.owners[task.id] = caller.name
        return self._set(task)

    def _set(self, task: Task) -> Task:
        self.tasks[task.id] = task
        return task

    def _known(self, caller: Caller, task_id: str) -> Task:
        if self.owners.get(task_id) != caller.name:
            raise TaskNotFound(f"there is no task {task_id[:80]!r}")
        return self.tasks[task_id]

    def _state(self, text: str) -> TaskState:
        return {"wait": "working", "ask": "input-required", "fail": "failed"}.get(text, "completed")  # type: ignore[return-value]

    def _end(self, task: Task, message: Message) -> Task:
        state = self._state(message.parts[0].text or "")
        artifacts = (Artifact("answer", message.parts),) if state == "completed" else None
        return self._set(msgspec.structs.replace(task, status=Status(state, timestamp=WHEN), artifacts=artifacts))

    async def send(self, caller: Caller, participant: str, request: SendRequest) -> Task | Message:
        message = request.message
        text = message.parts[0].text or ""
        if text == "boom":
            raise ZeroDivisionError("a defect")
        if text == "unwritable":
            return Message("m", "agent", (Part(data=object(), has_data=True),))
        if text == "bare":
            return Message("m1", "agent", message.parts, context_id=message.context_id or "session")
        task = self._end(self._begin(caller, participant, request), message)
        if text == "wait" and not request.return_immediately:
            try:
                await self._changed(task)
            finally:
                self.closed.put_nowait(task.id)
            task = self.tasks[task.id]
        return self._shown(task, request.history_length)

    async def stream(self, caller: Caller, participant: str, request: SendRequest) -> AsyncIterator[StreamItem]:
        message = request.message
        text = message.parts[0].text or ""
        word, _, number = text.partition(" ")
        if word == "bare":
            yield StreamItem(Message("m1", "agent", message.parts, context_id="session"))
            return
        if word == "refuse":
            raise UnsupportedOperation("refused")
        task = self._begin(caller, participant, request)
        yield StreamItem(task, "1")
        try:
            pieces = int(number) if word in ("chunks", "bad") else 1
            for index in range(pieces):
                artifact = Artifact("answer", (Part(text=f"piece {index}"),) if word in ("chunks", "bad") else message.parts)
                yield StreamItem(ArtifactUpdate(task.id, task.context_id, artifact, append=index > 0), str(index + 2))
            if word == "bad":
                raise UnsupportedOperation("no more")
            if word == "boom":
                raise ZeroDivisionError("a defect")
            if word == "wait":
                await self._changed(task)
                task = self.tasks[task.id]
            else:
                task = self._end(task, message)
            final = task.status.state in TERMINAL
            yield StreamItem(StatusUpdate(task.id, task.context_id, task.status, final=final), str(pieces + 2))
        finally:
            self.closed.put_nowait(task.id)

    async def _changed(self, task: Task) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: self.tasks[task.id].status.state in TERMINAL)

    def _shown(self, task: Task, history_length: int | None) -> Task:
        history = task.history if history_length is None else (task.history or ())[-history_length:] if history_length else None
        return msgspec.structs.replace(task, history=history)

    async def get(self, caller: Caller, task_id: str, *, history_length: int | None = None) -> Task:
        return self._shown(self._known(caller, task_id), history_length)

    async def list(self, caller: Caller, request: ListRequest, participant: str | None = None) -> TaskPage:
        found = [
            task if request.include_artifacts else msgspec.structs.replace(task, artifacts=None)
            for task in reversed(self.tasks.values())
            if self.owners[task.id] == caller.name
            and request.context_id in ("", task.context_id)
            and request.state in (None, task.status.state)
            and task.status.timestamp >= request.status_after
        ]
        start = int(request.page_token or 0)
        end = start + request.page_size
        token = str(end) if end < len(found) else ""
        return TaskPage(tuple(found[start:end]), token, request.page_size, len(found))

    async def cancel(self, caller: Caller, task_id: str) -> Task:
        task = self._known(caller, task_id)
        if task.status.state in TERMINAL:
            raise TaskNotCancelable(f"task {task_id!r} has ended")
        task = self._set(msgspec.structs.replace(task, status=Status("canceled", timestamp=WHEN)))
        async with self.changed:
            self.changed.notify_all()
        return task

    async def subscribe(self, caller: Caller, task_id: str, *, after: str = "") -> AsyncIterator[StreamItem]:
        task = self._known(caller, task_id)
        if task.status.state in TERMINAL:
            raise UnsupportedOperation(f"task {task_id!r} has ended")
        yield StreamItem(msgspec.structs.replace(task, metadata={"after": after}) if after else task, after or "1")
        await self._changed(task)
        yield StreamItem(StatusUpdate(task.id, task.context_id, self.tasks[task_id].status, final=True), "9")

    async def create_push(self, caller: Caller, task_id: str, config: PushConfig) -> PushConfig:
        self._known(caller, task_id)
        if not config.url.startswith("https://"):
            raise InvalidParams("url must be https", (("url", "must be https"),))
        made = msgspec.structs.replace(config, id=config.id or f"push{next(self._numbers)}", task_id=task_id)
        self.pushes[task_id, made.id] = made
        return made

    async def get_push(self, caller: Caller, task_id: str, config_id: str) -> PushConfig:
        self._known(caller, task_id)
        if (task_id, config_id) not in self.pushes:
            raise TaskNotFound(f"there is no push configuration {config_id!r}")
        return self.pushes[task_id, config_id]

    async def list_push(self, caller: Caller, task_id: str) -> Sequence[PushConfig]:
        self._known(caller, task_id)
        return [config for (owner, _), config in self.pushes.items() if owner == task_id]

    async def delete_push(self, caller: Caller, task_id: str, config_id: str) -> None:
        self._known(caller, task_id)
        self.pushes.pop((task_id, config_id), None)
