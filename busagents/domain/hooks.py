"""Hooks: a user's code before and after an agent's tasks, model calls and tool calls. What it decides is recorded, so that a log
folds without it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from busagents.domain.messages import Message
from busagents.errors import DefinitionError, InvalidInput

if TYPE_CHECKING:
    from busagents.ports.model import ModelRequest

POINTS = ("before_task", "after_task", "before_model", "after_model", "before_tool", "after_tool")


class HookContext(msgspec.Struct, frozen=True):
    """For whom a hook is called. `turn` counts the task's model calls from 1 (0: before the first); `attempt` counts up when the
    same thing is tried again, after a failure or a crash.
    """

    participant: str
    session_id: str
    task_id: str
    turn: int
    attempt: int


class Edit(msgspec.Struct, frozen=True):
    """Go on with something else. `to` replaces the text and leaves files and tool calls beside it; a whole Message replaces all
    of it. `arguments` are those a tool gets instead. `reason` is for the record.

    Raises:
        InvalidInput: it is not exactly one of text, message and arguments, or `reason` is no text.
    """

    to: str | Message | None = None
    arguments: dict[str, Any] | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        message = isinstance(self.to, str | Message) and self.arguments is None
        arguments = isinstance(self.arguments, dict) and self.to is None
        if not (message or arguments):
            given = f"Edit({self.to!r}, arguments={self.arguments!r})"
            raise InvalidInput(f"{given}: give a text, a Message or arguments=dict, one of them")
        if not isinstance(self.reason, str):
            raise InvalidInput(f"Edit(reason={self.reason!r}): say why in a text")


class Veto(msgspec.Struct, frozen=True):
    """It must not happen, and why, in words for whoever is told: the model, or the task's caller.

    Raises:
        InvalidInput: `reason` is no text.
    """

    reason: str

    def __post_init__(self) -> None:
        if not isinstance(self.reason, str):
            raise InvalidInput(f"Veto({self.reason!r}): say why in a text")


class End(msgspec.Struct, frozen=True):
    """`text` is the result, and nothing further is done for it.

    Raises:
        InvalidInput: `text` is no text.
    """

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise InvalidInput(f"End({self.text!r}): give the answer as a text")


Decided = Edit | Veto | End | None
Answer = Decided | Awaitable[Decided]


class Hooks:
    """Subclass it, define the methods you need, and give an instance to `Agent(hooks=[…])`.

    A method may be async or not; one that is not runs in a thread. None lets things pass. The before-hooks of an agent run in
    the order they are given and the after-hooks in reverse; each sees what those before it made of it, and a Veto or End is the last
    word. Each decision is recorded in one entry with what it led to. A hook that raises, or returns something else, has vetoed.

    Hooks are called again only if what they stand beside is done again: by another process after a crash, at the next attempt
    after a failure, or when a tool that had stopped to ask runs from its beginning.
    """

    def before_task(self, ctx: HookContext, message: Message) -> Answer:
        """Before the first model call. Edit: the model reads that as the request. Veto: the task fails as "vetoed". End: the task
        is completed with that text, and no model is asked.
        """

    def after_task(self, ctx: HookContext, message: Message) -> Answer:
        """Before the task is completed with the model's answer; not if a tool, a handoff or a hook's End answers. Edit, End: that is
        the answer. Veto: the task fails as "vetoed".
        """

    def before_model(self, ctx: HookContext, request: ModelRequest) -> Answer:
        """Before each model call. Edit(text): a note at the end of this one request, which the conversation does not keep. Veto: the
        task fails as "vetoed", without another attempt. End: that is the model's answer, and no call is made.
        """

    def after_model(self, ctx: HookContext, message: Message) -> Answer:
        """Before the model's message is recorded. Edit: only the edited one is, and its tool calls are those that run. Veto: the task
        fails as "vetoed", without another attempt. End: the model said just that, and called nothing.

        An agent with such a hook shows no text while the model speaks: it might be edited or vetoed. It is shown once recorded.
        """

    def before_tool(self, ctx: HookContext, name: str, arguments: dict[str, Any]) -> Answer:
        """Before a tool runs, after a person approved it if one must. Edit(arguments=…): it gets those, and the model is told. Veto:
        it does not run, and the model is told why. End: that is the task's answer.

        Calls of participants pass here too, before their task is given. Handoffs do not, nor arguments that are no JSON object: no
        tool gets those.
        """

    def after_tool(self, ctx: HookContext, name: str, arguments: dict[str, Any], result: str) -> Answer:
        """Before a tool's result is recorded; not if it failed, nor for participants. Edit(text): the model is told that instead. Veto: the model is told
        that the tool ran and why it does not see the result. End: that is the task's answer.
        """


def implements(hook: Hooks, point: str) -> bool:
    """Whether the hook has something to say at the point."""
    return getattr(type(hook), point) is not getattr(Hooks, point)


def hook_points(hooks: Iterable[Hooks]) -> tuple[str, ...]:
    """The points at which at least one of the hooks has something to say, in the order of POINTS."""
    given = list(hooks)
    return tuple(point for point in POINTS if any(implements(hook, point) for hook in given))


def check_hooks(hooks: Sequence[Hooks], name: str) -> tuple[Hooks, ...]:
    """The hooks of the participant `name`.

    Raises:
        DefinitionError: something that is no Hooks, or a method that would never be called.
    """
    for hook in hooks:
        if not isinstance(hook, Hooks):
            made = f"{hook.__name__}()" if isinstance(hook, type) else "an instance of a subclass of Hooks"
            raise DefinitionError(f"{name!r}: hooks has {hook!r}, which is no hook: give {made}")
        strange = [item for item in dir(hook) if item.startswith(("before_", "after_")) and item not in POINTS]
        if strange:
            kind = type(hook).__name__
            raise DefinitionError(f"{name!r}: nothing would call {kind}.{strange[0]}: the points are {', '.join(POINTS)}")
    return tuple(hooks)
