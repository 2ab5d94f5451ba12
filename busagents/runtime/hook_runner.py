"""Runs an agent's hooks at one point, and says what became of what they were shown. Whatever a hook does, it ends in a fact."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from busagents.domain import events as e
from busagents.domain.approval import approved_part
from busagents.domain.decision import RunHooks, fail_task
from busagents.domain.hooks import POINTS, Decided, Edit, End, HookContext, Hooks, Veto, implements
from busagents.domain.messages import Message, TextPart, ToolCallPart, assistant, user
from busagents.domain.output import parse_output
from busagents.domain.state import Task
from busagents.domain.storable_text import storable, told
from busagents.errors import InvalidInput
from busagents.ports.model import ModelRequest
from busagents.runtime.daemon_thread import in_thread
from busagents.runtime.performer import Work
from busagents.runtime.user_code import raised_by_it

_log = logging.getLogger("busagents.hooks")
_WHAT = {
    "before_task": "the task",
    "after_task": "the answer",
    "before_model": "the model call",
    "after_model": "the model's message",
    "before_tool": "this call",
    "after_tool": "this call's result",
}

T = TypeVar("T")


@dataclass(frozen=True)
class Passed(Generic[T]):
    """What came out of a point: the value as edited, the facts, and a veto's text or the text that ends it, if there is one."""

    value: T
    decided: tuple[e.HookDecided, ...] = ()
    veto: str | None = None
    end: str | None = None


Edited = tuple[T, Message | None, Any]  # the value after an edit, and what of it is recorded: a message, or data
Editor = Callable[[T, Edit], Edited[T]]


class HookRunner:
    """Runs the hooks of one agent."""

    def __init__(self, hooks: Sequence[Hooks]) -> None:
        self._at: dict[str, list[Hooks]] = {}
        for point in POINTS:
            inner = hooks if point.startswith("before_") else list(reversed(hooks))
            self._at[point] = [hook for hook in inner if implements(hook, point)]

    def has(self, point: str) -> bool:
        """Whether a hook has something to say at the point."""
        return bool(self._at[point])

    async def run(self, work: Work, command: RunHooks) -> list[e.Recorded]:
        """Run the hooks of a task, or those before a call that is given to a participant. Ends in at least one `hook.decided`, by
        which it moves on.
        """
        task = work.state.active
        assert task is not None, "hooks run for a task at work"
        if command.call:
            return await self._before_delegation(work, task, command)
        before = command.point == "before_task"
        shown = task.submitted.prompt if before else task.answer
        assert shown is not None, "there is an answer after a task"
        ctx = context_of(work, command.turn, task.attempt)
        passed = await self._through(command.point, shown, lambda message: (ctx, message), _edited_message)
        records = [e.Recorded(event, task.id, command.turn, task.attempt) for event in passed.decided]
        if not records:
            records = [e.Recorded(e.HookDecided(command.point, "", "pass"), task.id, command.turn, task.attempt)]
        if passed.veto is not None:
            records.append(fail_task(task, "vetoed", passed.veto))
        elif passed.end is not None and before:
            records.append(_ended(task, passed.end, passed.decided[-1].hook))
        return records

    async def _before_delegation(self, work: Work, task: Task, command: RunHooks) -> list[e.Recorded]:
        call = next(call for call in task.calls if call.part.call == command.call)
        asked = await self.arguments(context_of(work, command.turn, 1), approved_part(task, call)[0])
        events: list[e.Event] = list(asked.decided) or [e.HookDecided(command.point, "", "pass", command.call)]
        if asked.veto is not None:
            events.append(e.ToolFailed(command.call, "vetoed", f"{asked.veto}\nNobody was called.", work.elapsed()))
        elif asked.end is not None:
            events.append(e.ToolCompleted(command.call, asked.end, work.elapsed(), ends_task=True))
        return [e.Recorded(event, task.id, command.turn, 1) for event in events]

    async def request(self, ctx: HookContext, request: ModelRequest) -> Passed[ModelRequest]:
        """Before a model call."""
        return await self._through("before_model", request, lambda value: (ctx, value), _with_note)

    async def message(self, ctx: HookContext, message: Message) -> Passed[Message]:
        """After a model call."""
        return await self._through("after_model", message, lambda value: (ctx, value), _edited_turn)

    async def arguments(self, ctx: HookContext, part: ToolCallPart) -> Passed[ToolCallPart]:
        """Before a tool runs."""
        if _arguments(part) is None:  # the tool refuses them, in words for the model
            return Passed(part)
        return await self._through(
            "before_tool", part, lambda value: (ctx, value.name, _arguments(value)), _edited_arguments, part.call
        )

    async def result(self, ctx: HookContext, part: ToolCallPart, content: str) -> Passed[str]:
        """After a tool ran."""
        return await self._through(
            "after_tool", content, lambda value: (ctx, part.name, _arguments(part), value), _edited_result, part.call
        )

    async def _through(
        self, point: str, value: T, arguments: Callable[[T], tuple[Any, ...]], edit: Editor[T], call: str = ""
    ) -> Passed[T]:
        """Show the value to each hook in turn, as those before it left it, up to the first veto or end."""
        decided: list[e.HookDecided] = []
        for hook in self._at[point]:
            name = type(hook).__name__
            message: Message | None = None
            data: Any = None
            try:
                said = await _ask(hook, point, arguments(value))
                if isinstance(said, Edit):
                    value, message, data = edit(value, said)
            except BaseException as error:
                if not raised_by_it(error):
                    raise
                _log.warning("%s.%s: %s; that counts as a veto", name, point, told(error))
                said = Veto(f"it raised {told(error)}")
            match said:
                case None:
                    continue
                case Edit(reason=reason):
                    decided.append(e.HookDecided(point, name, "edit", call, storable(reason), message, data))
                case Veto(reason):
                    reason = storable(reason)
                    decided.append(e.HookDecided(point, name, "veto", call, reason))
                    return Passed(value, tuple(decided), veto=f"{name} vetoed {_WHAT[point]}: {reason}")
                case End(text):
                    text = storable(text)
                    decided.append(e.HookDecided(point, name, "end", call, message=assistant(text)))
                    return Passed(value, tuple(decided), end=text)
        return Passed(value, tuple(decided))


def context_of(work: Work, turn: int, attempt: int) -> HookContext:
    """What a hook is told of the task at work."""
    task = work.state.active
    assert task is not None, "hooks run for a task at work"
    return HookContext(work.ref.participant, work.ref.session, task.id, turn, attempt)


async def _ask(hook: Hooks, point: str, arguments: tuple[Any, ...]) -> Decided:
    method = getattr(hook, point)
    if inspect.iscoroutinefunction(method):
        said = await method(*arguments)
    else:
        said = await in_thread(lambda: method(*arguments))
        if inspect.isawaitable(said):
            said = await said
    if said is None or isinstance(said, Edit | Veto | End):
        return said
    raise InvalidInput(f"it returned {said!r}: a hook returns None, Edit, Veto or End")


def _ended(task: Task, text: str, hook: str) -> e.Recorded:
    """A task that a hook ended before the model was asked."""
    schema = task.submitted.output_schema
    output, problem = parse_output(text, schema) if schema is not None else (None, None)
    if problem is not None:
        return fail_task(task, "output_invalid", f"What {hook} ended the task with does not fit the schema asked for: {problem}")
    return e.Recorded(e.TaskCompleted(assistant(text), task.usage, output), task.id, task.turn, task.attempt)


def _edited(message: Message, edit: Edit) -> Message:
    """The message with its text replaced, or another one of the same role."""
    if isinstance(edit.to, Message):
        if edit.to.role != message.role:
            raise InvalidInput(f"Edit of a message by {message.role!r} to one by {edit.to.role!r}: keep the role")
        # What cannot be stored and read again is refused here, where it can be told.
        return msgspec.json.decode(msgspec.json.encode(edit.to), type=Message)
    if edit.to is None:
        raise InvalidInput("Edit(arguments=…) is for before_tool: give a text or a Message")
    text = TextPart(storable(edit.to))
    at = next((index for index, part in enumerate(message.parts) if isinstance(part, TextPart)), None)
    if at is None:
        calls = next((index for index, part in enumerate(message.parts) if isinstance(part, ToolCallPart)), len(message.parts))
        return Message(message.role, (*message.parts[:calls], text, *message.parts[calls:]))
    after = (part for part in message.parts[at:] if not isinstance(part, TextPart))
    return Message(message.role, (*message.parts[:at], text, *after))


def _edited_message(message: Message, edit: Edit) -> Edited[Message]:
    edited = _edited(message, edit)
    if edited.role == "assistant" and edited.tool_calls:
        raise InvalidInput("Edit of an answer to one with tool calls: nothing would run them")
    return edited, edited, None


def _edited_turn(message: Message, edit: Edit) -> Edited[Message]:
    edited = _edited(message, edit)
    calls = [part.call for part in edited.tool_calls]
    if "" in calls or len({*calls}) < len(calls):
        raise InvalidInput(f"Edit to a message with tool calls {calls}: each needs an id of its own")
    return edited, None, None


def _with_note(request: ModelRequest, edit: Edit) -> Edited[ModelRequest]:
    note = _text(edit, "before_model")
    longer = msgspec.structs.replace(request, messages=[*request.messages, user(note)])
    return longer, None, {"note": note}


def _edited_result(content: str, edit: Edit) -> Edited[str]:
    return _text(edit, "after_tool"), None, None


def _edited_arguments(part: ToolCallPart, edit: Edit) -> Edited[ToolCallPart]:
    if edit.arguments is None:
        raise InvalidInput("Edit at before_tool needs arguments=dict")
    text = msgspec.json.encode(edit.arguments).decode()
    data = {"arguments": msgspec.json.decode(text)}  # taken now: its giver may go on changing it
    return msgspec.structs.replace(part, arguments=text), None, data


def _text(edit: Edit, point: str) -> str:
    if not isinstance(edit.to, str):
        raise InvalidInput(f"Edit at {point} needs a text")
    return storable(edit.to)


def _arguments(part: ToolCallPart) -> dict[str, Any] | None:
    """A call's arguments, new for each hook; None if they are no JSON object, which no tool accepts."""
    try:
        sent = msgspec.json.decode(part.arguments) if part.arguments.strip() else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return {} if sent is None else sent if isinstance(sent, dict) else None
