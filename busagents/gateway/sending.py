"""Giving tasks to the bus for a caller, and answers to those that wait for one."""

from __future__ import annotations

from busagents.domain import events as e
from busagents.domain.questions import TOO_LATE
from busagents.domain.subjects import ThreadRef
from busagents.gateway.bus import Fact, GatewayBus, Submission, Watch
from busagents.gateway.errors import InvalidParams, UnsupportedOperation
from busagents.gateway.following import Following
from busagents.gateway.parts import user_message
from busagents.gateway.projection import OURS, Projection
from busagents.gateway.sent import answer_entry, sender_of, sent_with
from busagents.gateway.types import Caller, SendRequest


class Sender:
    """Stores what callers send."""

    def __init__(self, bus: GatewayBus) -> None:
        self._bus = bus

    async def submit(self, caller: Caller, task: Submission, request: SendRequest) -> Following:
        """Give a participant the task; the one that was given before under the request's idempotency key, if there is one.

        Raises:
            InvalidParams: the context is another caller's, or the key came with another request.
        """
        began = await self._context(caller, request.message.context_id)
        following = await self._submitted(task) if request.idempotency_key else None
        if following is None:
            following = self._following(task, await self._bus.submit(task))
            if request.message.context_id and not began:
                await self._check_began(caller, task, following)
            if request.idempotency_key:  # another request with the key may have been stored first
                await following.close()
                following = await self._submitted(task)
                assert following is not None, "it was stored"
        if request.idempotency_key:
            submitted = following.view.submitted
            if submitted is None or sent_with(submitted).digest != sent_with(task.event).digest:
                await following.close()
                raise InvalidParams(
                    "another request came with this idempotency key: give each request a key of its own",
                    (("Idempotency-Key", "was used for another request"),),
                )
        return following

    async def answer(self, caller: Caller, ref: ThreadRef, following: Following, request: SendRequest) -> None:
        """Answer the question of a task. Returns when the answer counts; when it is stored, if the request is in a hurry.

        Raises:
            UnsupportedOperation: the task asks nothing, or the answer came too late.
            InvalidParams: the context is not the task's, or the answer does not fit what was asked for.
        """
        view, message = following.view, request.message
        if message.context_id and message.context_id != view.context:
            raise InvalidParams("the task belongs to another context", (("message.contextId", "is not the task's"),))
        answer = user_message(message.parts)
        entry = answer_entry(caller, request)
        before = view.inputs.get(entry)
        if before is not None:  # the same key again
            if before.message != answer:
                raise InvalidParams(
                    "another answer came with this idempotency key: give each a key of its own",
                    (("Idempotency-Key", "was used for another answer"),),
                )
            return
        given = e.TaskInput(_asked(view, request), answer)
        await self._bus.answer(ref, view.id, given, entry=entry)
        view.take(Fact(0, "in", entry, "", view.id, 0, 0, given))
        while not request.return_immediately:
            fact, _ = await following.next()
            match fact.event if fact is not None else None:
                case e.InputAnswered(answer=taken) if taken == entry:
                    return
                case e.InputRefused(answer=refused, reason=reason) if refused == entry:
                    if reason == TOO_LATE:
                        raise UnsupportedOperation(f"the answer came too late: {reason}")
                    raise InvalidParams(f"the answer does not count: {reason}", (("message.parts", reason),))

    async def _context(self, caller: Caller, context: str) -> bool:
        """Whether somebody began the session; it must be the caller."""
        sender = await self._bus.began(context) if context else None
        if sender is not None and sender != sender_of(caller) and not caller.may_see_all:
            raise _foreign_context()
        return sender is not None

    async def _check_began(self, caller: Caller, task: Submission, following: Following) -> None:
        """Of two callers who begin a session at once, one does."""
        try:
            await self._context(caller, task.ref.session)
        except InvalidParams:
            await following.close()
            await self._bus.cancel(task.ref, task.task, "the context belongs to another caller")
            raise

    async def _submitted(self, task: Submission) -> Following | None:
        following = self._following(task, await self._bus.watch(task.ref, task.task))
        if following.view.submitted is None:
            await following.close()
            return None
        return following

    @staticmethod
    def _following(task: Submission, watch: Watch) -> Following:
        return Following(watch, Projection(task.task, task.ref.session, task.ref.participant))


def _asked(view: Projection, request: SendRequest) -> str:
    """The question that is answered: the one that the message's metadata names, else the oldest."""
    if view.ended:
        raise UnsupportedOperation(f"the task is {view.state}: start another one in the same context")
    if not view.questions:
        raise UnsupportedOperation(f"the task is {view.state} and asks nothing: wait until it is input-required")
    ours = (request.message.metadata or {}).get(OURS)
    named = ours.get("request") if isinstance(ours, dict) else None
    if named is None:
        return next(iter(view.questions))
    if named not in view.questions:
        raise UnsupportedOperation(f"the task does not ask {str(named)[:80]!r} now")
    return str(named)


def _foreign_context() -> InvalidParams:
    return InvalidParams(
        "the context belongs to somebody else: leave it out, or choose another", (("message.contextId", "is taken"),)
    )
