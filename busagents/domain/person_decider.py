"""decide for a person: ask what the task says, and answer it with the answer."""

from __future__ import annotations

from typing import Any

import msgspec

from busagents.domain import events as e
from busagents.domain.codec import derived_id
from busagents.domain.decision import Decision, cancel_task, recover, settle_first, start_next
from busagents.domain.limits import Limits
from busagents.domain.messages import assistant
from busagents.domain.person import Person
from busagents.domain.questions import answer_value
from busagents.domain.state import Task, ThreadState


class PersonPolicy(msgspec.Struct, frozen=True):
    """What deciding needs to know of a person."""

    owner: str
    definition: str
    name: str
    answer_schema: dict[str, Any] | None = None

    def decide(self, state: ThreadState) -> Decision:
        """What to record now. There are no effects."""
        if (first := settle_first(state)) is not None:
            return first
        task = state.active
        if task is None:
            return start_next(state, owner=self.owner, definition=self.definition, limits=Limits(turns=None))
        if task.cancel is not None:
            return cancel_task(task)
        request = derived_id("person", str(state.ref), task.id)
        ask = task.asks.get(request)
        if ask is None:
            schema = task.submitted.output_schema or self.answer_schema
            event: e.Event = e.InputRequired(request, task.submitted.prompt, schema, asker=self.name)
        elif ask.answered and ask.given is not None:
            event = _completed(task, answer_value(ask.required, ask.given), structured=ask.required.answer_schema is not None)
        else:
            return Decision()
        return Decision((e.Recorded(event, task.id, 0, task.attempt),))

    def recover(self, state: ThreadState) -> tuple[e.Recorded, ...]:
        """What to record when this process takes over a thread that another had at work."""
        return recover(state, owner=self.owner, definition=self.definition)


def person_policy(person: Person, owner: str) -> PersonPolicy:
    """The policy of a declared person in the process `owner`."""
    return PersonPolicy(owner, person.definition_hash, person.name, person.answer_schema)


def _completed(task: Task, value: Any, *, structured: bool) -> e.TaskCompleted:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return e.TaskCompleted(assistant(text), task.usage, value if structured else None)
