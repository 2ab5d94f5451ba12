"""What tasks ask people, and how an answer is given: the first one counts, and who was too late is told so."""

from __future__ import annotations

import uuid
from typing import Any, Literal

import msgspec

from busagents.domain.events import InputAnswered, InputRefused, TaskInput
from busagents.domain.messages import DataPart, Message, user
from busagents.domain.questions import open_questions as asked_in
from busagents.domain.subjects import ThreadRef
from busagents.errors import AnswerRefused, InvalidInput
from busagents.ports.log import Bus
from busagents.runtime.client.follow import follow
from busagents.runtime.client.live_session import LiveSessions
from busagents.runtime.client.submission import checked_text
from busagents.runtime.client.task_event import read_events
from busagents.runtime.journal import Journal
from busagents.runtime.live_feed import LiveMessageBody
from busagents.runtime.outgoing import send_event


class Question(msgspec.Struct, frozen=True):
    """What a task waits for. `asker` is the participant who asks, perhaps far down; `answer_schema` what the answer must fit."""

    task: str
    request: str
    text: str
    message: Message
    purpose: Literal["question", "approval", "authorization"] = "question"
    asker: str = ""
    answer_schema: dict[str, Any] | None = None


async def open_questions(journal: Journal, ref: ThreadRef, task: str) -> list[Question]:
    """The questions of the task at work that have no answer yet, the oldest first. Raises as Journal.open."""
    active = (await journal.open(ref)).state.active
    if active is None or active.id != task:
        return []
    found = [ask.required for ask in asked_in(active) if not ask.by]
    return [Question(task, r.request, r.message.text, r.message, r.purpose, r.asker, r.answer_schema) for r in found]


async def send_answer(
    bus: Bus, sessions: LiveSessions, journal: Journal, ref: ThreadRef, task: str, answer: Any, request: str
) -> None:
    """See Task.reply."""
    message = _message(answer)
    if not request:
        asked = await open_questions(journal, ref, task)
        if not asked:
            raise InvalidInput(f"task {task} waits for no answer: `busagents tasks show {task}` says where it is")
        request = asked[0].request
    entry = str(uuid.uuid4())
    live = await sessions.get(ref.session)
    queue = live.open(ref)
    try:
        position = await send_event(bus, ref, TaskInput(request, message), task=task, entry_id=entry)
        async for item in follow(bus, ref, queue, after=position, fresh=True):
            if isinstance(item, LiveMessageBody):
                continue
            for event in await read_events(bus, item):
                match event.event:
                    case InputAnswered(answer=taken) if taken == entry:
                        return
                    case InputRefused(answer=refused, reason=reason) if refused == entry:
                        raise AnswerRefused(f"the answer to task {task} does not count: {reason}")
    finally:
        live.leave(ref, queue)


def _message(answer: Any) -> Message:
    if isinstance(answer, Message):
        return answer
    if isinstance(answer, str):
        if not answer.strip():
            raise InvalidInput("the answer is empty: say something")
        return user(checked_text("answer", answer))
    try:
        return Message("user", (DataPart(msgspec.json.decode(msgspec.json.encode(answer))),))
    except (TypeError, UnicodeError, RecursionError, msgspec.EncodeError) as error:
        raise InvalidInput(f"the answer is no JSON value ({error}): use text, or plain values") from None
