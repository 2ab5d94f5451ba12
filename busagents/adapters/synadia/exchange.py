"""One prompt from its arrival to the end of its answer."""

from __future__ import annotations

import asyncio
import contextlib
import uuid

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from busagents.adapters.synadia import wire
from busagents.adapters.synadia.desk import Desk, Done, Ended, Question, Settled, Text, Work
from busagents.adapters.synadia.reply import Reply
from busagents.domain.messages import Message
from busagents.errors import BusAgentsError, BusError, EntryTooLarge, InvalidInput, NotFound, UsageError

SESSION_HEADER = "Busagents-Session"


class Patience(msgspec.Struct, frozen=True):
    """How long a stream is kept, in seconds: `question` for an answer to a question, `answer` for the whole; `ack` is how long
    it may be silent.
    """

    ack: float = 20.0
    question: float = 600.0
    answer: float = 1800.0


class Destination(msgspec.Struct, frozen=True):
    """Whom a prompt is for. `session` is ours, `name` the protocol's for it; nothing was said yet in a `fresh` one."""

    participant: str
    session: str
    name: str
    fresh: bool


class Exchange:
    """A prompt to a destination of an owner, and where its answer goes."""

    def __init__(
        self, client: Client, desk: Desk, owner: str, destination: Destination, reply: Reply, patience: Patience
    ) -> None:
        self._client = client
        self._desk = desk
        self._owner = owner
        self._destination = destination
        self._reply = reply
        self._patience = patience
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._unanswered = asyncio.Event()

    async def run(self, payload: bytes) -> None:
        """Serve it to its end. Canceled: the caller is told that the task goes on."""
        task = ""
        limit = asyncio.timeout(self._patience.answer)
        try:
            message = wire.read_prompt(payload)
            await self._reply.begin({SESSION_HEADER: self._destination.name})
            work = await self._submit(message)
            task = work.task
            async with limit:
                await self._follow(work)
            await self._reply.end()
        except BusAgentsError as error:
            await self._reply.error(_code(error), _reason(error), str(error), task)
        except TimeoutError:
            if not limit.expired():
                raise
            await self._left(409, "timeout", f"no answer after {self._patience.answer:g} s", task)
        except asyncio.CancelledError:
            await self._left(500, "stopping", "the facade stops", task)
            raise
        finally:
            await self._hush(list(self._asking))
            await self._left(500, "internal", "the facade failed", task)  # unless it has ended, as it should

    async def _submit(self, message: Message) -> Work:
        to = self._destination
        metadata = {"synadia": {"owner": self._owner, "session": to.name}}
        return await self._desk.submit(to.participant, to.session, message, metadata, fresh=to.fresh)

    async def _follow(self, work: Work) -> None:
        """Pass on what becomes of the task, until it ends or a question has waited for too long."""
        passing = asyncio.create_task(self._pass_on(work))
        waiting = asyncio.create_task(self._unanswered.wait())
        try:
            await asyncio.wait({passing, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if passing.done():
                passing.result()
            else:
                await self._left(409, "input_required", "its question was not answered", work.task)
        finally:
            for each in (passing, waiting):
                each.cancel()
            await asyncio.wait({passing, waiting})

    async def _pass_on(self, work: Work) -> None:
        async with contextlib.aclosing(work.updates()) as updates:
            async for update in updates:
                match update:
                    case Text(text):
                        await self._reply.text(text)
                    case Question():
                        self._asking[update.request] = asyncio.create_task(self._ask(work, update))
                    case Settled(request):
                        await self._hush([request])
                    case Done(parts):
                        text, attachments = wire.split_parts(parts)
                        await self._reply.text(text)
                        await self._reply.files(attachments)
                    case Ended(code, reason, text):
                        await self._reply.error(code, reason, text, work.task)

    async def _ask(self, work: Work, question: Question) -> None:
        """Ask until an answer counts. Each time on a fresh subject, for exactly one answer."""
        text, attachments = wire.split_parts(question.message.parts)
        asked = text
        while True:
            answer = await self._one_answer(question.request, asked, attachments)
            if answer is None:
                self._unanswered.set()
                return
            try:
                message = wire.read_prompt(answer.data)
            except InvalidInput as problem:
                asked = f"{problem}\n{text}"
                continue
            try:
                refused = await work.answer(question.request, message)
            except BusError as problem:  # not known whether it was stored; what becomes of the task says so
                refused = f"the answer could not be stored ({problem})"
            if refused is None:
                return
            asked, attachments = f"{refused}\n{text}", []

    async def _one_answer(self, request: str, text: str, attachments: list[wire.Attachment]) -> Msg | None:
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox, max_msgs=1)
        try:
            await self._reply.question(str(uuid.uuid4()), inbox, text, attachments)
            return await subscription.next_msg(timeout=self._patience.question)
        except nats.errors.TimeoutError:
            return None
        finally:
            with contextlib.suppress(nats.errors.Error):  # it ended with its one message
                await subscription.unsubscribe()

    async def _hush(self, requests: list[str]) -> None:
        asking = [self._asking.pop(request) for request in requests if request in self._asking]
        for each in asking:
            each.cancel()
        if asking:
            await asyncio.wait(asking)

    async def _left(self, code: int, reason: str, why: str, task: str) -> None:
        goes_on = f"{why}; task {task} goes on: `busagents tasks show {task}`" if task else why
        await self._reply.error(code, reason, goes_on, task)


def _code(error: BusAgentsError) -> int:
    if isinstance(error, NotFound):
        return 404
    return 400 if isinstance(error, UsageError | EntryTooLarge) else 500


def _reason(error: BusAgentsError) -> str:
    """The class's name in the protocol's spelling: NotFound is `not_found`."""
    name = type(error).__name__
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name).lstrip("_")
