"""Tools and functions that ask a person or call a participant: they stop there, and run again from their beginning once the answer
is recorded. Nothing of them is held meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Generator, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import msgspec

from busagents.domain import events as e
from busagents.domain.codec import derived_id
from busagents.domain.delegation import delegate, too_deep
from busagents.domain.messages import Message, assistant, user
from busagents.domain.output_type import convert_output, output_schema
from busagents.domain.participant import Participant
from busagents.domain.questions import answer_value
from busagents.domain.state import Task
from busagents.domain.storable_text import storable
from busagents.domain.subjects import check_token
from busagents.errors import CallFailed, InvalidInput
from busagents.runtime.performer import Work

_STOP_GRACE = 5.0  # seconds a body that waits may take to clean up
_LOOKS = 8  # turns of the event loop in which what runs beside a wait may reach a wait of its own


class Suspended(BaseException):
    """The body stopped at something it waits for. No user code should catch it, so it is no Exception."""


class Waits:
    """What one run of a tool's or function's body has asked, and what is there of it. `call` is the tool call, "" for a function."""

    def __init__(self, work: Work, task: Task, call: str, *, in_thread: bool) -> None:
        self.blocked = asyncio.Event()
        self.busy = 0  # recorded steps that run beside
        self.idle = asyncio.Event()
        self.idle.set()
        self._work = work
        self._task = task
        self._call = call
        self._in_thread = in_thread
        self._asked: Counter[str] = Counter()
        self._called: set[str] = set()
        self._new: list[e.Recorded] = []
        self._stopped = False

    def records(self, attempt: int) -> list[e.Recorded]:
        """What is to be recorded when the body has stopped: its questions and calls that are new, and that it stopped."""
        suspended = e.Recorded(e.ToolSuspended(self._call), self._task.id, self._task.turn, attempt)
        return [*self._new, suspended]

    def ask(self, question: str, schema: Any = None, timeout: float | None = None, default: Any = None) -> Any:
        """See ToolContext.ask."""
        if not isinstance(question, str) or not question.strip():
            raise InvalidInput("ctx.ask needs a question: a text that a person can answer")
        if timeout is not None and not timeout > 0:
            raise InvalidInput(f"ctx.ask(timeout={timeout}): use seconds above 0, or None to wait for as long as it takes")
        question = storable(question)
        # By its words: an answer must not go to another question, whatever the body comes to first when it runs again.
        self._asked[question] += 1
        scope = (str(self._work.ref), self._task.id, str(self._task.turn), self._call, question, str(self._asked[question]))
        required = e.InputRequired(
            derived_id("ask", *scope),
            assistant(question),
            output_schema(schema) if schema is not None else None,
            self._call,
            asker=self._work.ref.participant,
            expires_in=timeout,
            default=_plain(default, "the default"),
        )
        known = self._task.asks.get(required.request)
        if known is None:
            self._add(e.Recorded(required, self._task.id, self._task.turn, max(1, self._task.attempt)))
        if known is None or not known.answered or known.given is None:
            return self._wait()
        value = answer_value(known.required, known.given) if known.by else known.required.default
        return self._there(convert_output(value, schema) if known.by else value)

    def call(self, participant: Participant | str, message: str | Message, output_type: Any = None) -> Any:
        """See ToolContext.call."""
        name = check_token(participant if isinstance(participant, str) else participant.name, "participant")
        request = user(storable(message)) if isinstance(message, str) else _plain(message, "the message", Message)
        key = self._key(name, request)
        child = self._task.children.get(key)
        if child is None:
            deep = too_deep(self._work.state, self._task)
            if deep is not None:
                raise CallFailed(f"{name} was not called: {deep}", participant=name, reason="depth")
            schema = output_schema(output_type) if output_type is not None else None
            self._add(delegate(self._work.state, self._task, key, name, request, output_schema=schema))
        if child is None or child.outcome is None:
            return self._wait()
        outcome = child.outcome
        text = outcome.message.text if outcome.message is not None else ""
        if outcome.state != "completed":
            why = f" ({outcome.reason})" if outcome.reason else ""
            raise CallFailed(
                f"{name} did not finish: {outcome.state}{why}{': ' + text if text else ''}",
                participant=name,
                reason=outcome.reason or outcome.state,
            )
        return self._there(text if output_type is None else convert_output(outcome.output, output_type))

    def stop(self) -> None:
        """The body is stopped: what it still asks counts for nothing."""
        self._stopped = True

    def _add(self, recorded: e.Recorded) -> None:
        if not self._stopped:
            self._new.append(recorded)

    def _key(self, name: str, request: Message) -> str:
        """Which of the calls of `name` this is: the one with the same message, else the next one. Calls side by side may come in
        another order when the body runs again; and what is asked may be worded anew, but is asked once.
        """
        prefix = f"{self._call} / {name}."
        same = (key for key, child in self._task.children.items() if child.delegated.message == request)
        key = next((key for key in same if key.startswith(prefix) and key not in self._called), None)
        if key is None:
            key = next(key for number in count(1) if (key := f"{prefix}{number}") not in self._called)
        self._called.add(key)
        return key

    @contextmanager
    def step(self) -> Iterator[None]:
        """A block that must not be stopped by a wait beside it."""
        self.busy += 1
        self.idle.clear()
        try:
            yield
        finally:
            self.busy -= 1
            if not self.busy:
                self.idle.set()

    def _there(self, value: Any) -> Any:
        return value if self._in_thread else _Ready(value)

    def _wait(self) -> Any:
        if self._in_thread:
            raise Suspended
        return _Blocked(self.blocked)


class _Ready:
    """Awaited, it gives what is known already."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, None, Any]:
        return self._value
        yield


class _Blocked:
    """Awaited, it never comes back in this run."""

    def __init__(self, blocked: asyncio.Event) -> None:
        self._blocked = blocked

    def __await__(self) -> Generator[Any, None, Any]:
        self._blocked.set()
        yield from asyncio.get_running_loop().create_future().__await__()


def _plain(value: Any, what: str, type_: Any = Any) -> Any:
    """The value as the log gives it back.

    Raises:
        InvalidInput: it is nothing that JSON can say.
    """
    try:
        return msgspec.json.decode(msgspec.json.encode(value), type=type_)
    except (TypeError, UnicodeError, RecursionError, msgspec.EncodeError, msgspec.DecodeError) as error:
        raise InvalidInput(
            f"{what} is a {type(value).__name__} that cannot be stored ({error}): use text or JSON values"
        ) from None


async def run_to_end_or_wait(body: Coroutine[Any, Any, Any], waits: Waits) -> Any:
    """The body's result.

    Raises:
        Suspended: it waits for something; it was stopped.
    """
    running = asyncio.ensure_future(_guarded(body))
    blocked = asyncio.ensure_future(waits.blocked.wait())
    try:
        await asyncio.wait({running, blocked}, return_when=asyncio.FIRST_COMPLETED)
        looks = 0
        while not running.done() and looks < _LOOKS:
            looks += 1
            if waits.busy:
                await asyncio.wait({running, asyncio.ensure_future(waits.idle.wait())}, return_when=asyncio.FIRST_COMPLETED)
                looks = 0
            else:
                await asyncio.sleep(0)
        if not running.done():
            raise Suspended
        result, error = running.result()
        if error is not None:
            raise error
        return result
    finally:
        blocked.cancel()
        if not running.done():
            waits.stop()
            running.cancel()
            await asyncio.wait({running}, timeout=_STOP_GRACE)
            running.cancel()  # one that catches it and waits again is left behind


async def _guarded(body: Coroutine[Any, Any, Any]) -> tuple[Any, BaseException | None]:
    """What it raises, as a value: a `sys.exit()` in a task of its own would end the process."""
    try:
        return await body, None
    except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for it
        return None, error
