"""The context a running tool is given."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import msgspec

from busagents.domain.events import StateScope, StateSet
from busagents.domain.messages import Message
from busagents.domain.participant import Participant
from busagents.domain.storable_text import storable
from busagents.domain.subjects import ThreadRef
from busagents.errors import InvalidInput
from busagents.runtime.suspension import Waits
from busagents.runtime.user_code import plain_progress


class RecordedState:
    """domain.tool_context.State over a snapshot; changes are recorded together with the tool's result."""

    def __init__(self, scope: StateScope, values: dict[str, Any]) -> None:
        self._scope: StateScope = scope
        self._values = dict(values)
        self.changes: list[StateSet] = []

    def get(self, key: str, default: Any = None) -> Any:
        """See State.get."""
        return copy.deepcopy(self._values.get(key, default))  # a change must go through set(), to be recorded

    def set(self, key: str, value: Any) -> None:
        """See State.set."""
        try:
            plain = msgspec.json.decode(msgspec.json.encode(value))
        except (TypeError, UnicodeError, RecursionError, msgspec.EncodeError) as error:
            raise InvalidInput(f"state {key!r} cannot hold a {type(value).__name__}: {error}; store JSON values") from None
        self._values[key] = plain
        self.changes.append(StateSet(key, plain, self._scope))

    def delete(self, key: str) -> None:
        """See State.delete."""
        if key in self._values:
            del self._values[key]
            self.changes.append(StateSet(key, None, self._scope, deleted=True))

    def keys(self) -> list[str]:
        """See State.keys."""
        return sorted(self._values)


class RunningToolContext:
    """domain.tool_context.ToolContext of one call."""

    def __init__(
        self,
        ref: ThreadRef,
        task: str,
        call: str,
        attempt: int,
        key: str,
        values: dict[str, Any],
        session_values: dict[str, Any],
        emit: Callable[[Any], None],
        waits: Waits,
    ) -> None:
        self.participant = ref.participant
        self.session_id = ref.session
        self.task_id = task
        self.call_id = call
        self.attempt = attempt
        self.idempotency_key = key
        self.state = RecordedState("agent", values)
        self.session = RecordedState("session", session_values)
        self.cancelled = False
        self.answer: str | None = None
        self._emit = emit
        self._waits = waits

    def emit(self, progress: str | dict[str, Any]) -> None:
        """See ToolContext.emit."""
        self._emit(plain_progress(progress))

    def ask(self, question: str, *, schema: Any = None, timeout: float | None = None, default: Any = None) -> Any:
        """See ToolContext.ask."""
        return self._waits.ask(question, schema, timeout, default)

    def call(self, participant: Participant | str, message: str | Message, *, output_type: Any = None) -> Any:
        """See ToolContext.call."""
        return self._waits.call(participant, message, output_type)

    def end_task(self, text: str) -> None:
        """See ToolContext.end_task."""
        self.answer = storable(text)

    def cancel(self) -> None:
        """Tell a tool that nobody can stop that its task is over."""
        self.cancelled = True

    def changes(self) -> list[StateSet]:
        """What the tool set, in order."""
        return [*self.state.changes, *self.session.changes]
