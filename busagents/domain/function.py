"""A function as a participant: `@agent("name")` on an async function that takes a task and yields its answer."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol, TypeVar

import msgspec

from busagents.domain.codec import sha256_hex
from busagents.domain.events import RecoveryClass
from busagents.domain.limits import Limits
from busagents.domain.messages import Artifact, Message
from busagents.domain.participant import Participant, at_least_one
from busagents.domain.tool_context import ToolContext
from busagents.errors import DefinitionError

T = TypeVar("T")


class Progress(msgspec.Struct, frozen=True):
    """Something to show while a function works. Live only; never part of the answer."""

    text: str
    data: Any = None


class FunctionTask(msgspec.Struct, frozen=True):
    """The task a function works on."""

    id: str
    session: str
    message: Message

    @property
    def text(self) -> str:
        """The request's text."""
        return self.message.text


class FunctionContext(ToolContext, Protocol):
    """What a tool gets, and recorded steps."""

    async def step(self, name: str, call: Callable[[], Awaitable[T]], *, recovery: RecoveryClass = "at_most_once") -> T:
        """Run `call` and record its JSON result under `name`, once: after a crash the function runs again from its start,
        and a step that was recorded returns its result without running.

        `name` is unique within the function's task; steps are told apart by it.

        Raises:
            StepUnknown: the step may not run twice, was started before a crash, and its outcome was never recorded.
            StepFailed: it raised in an earlier run; in the run in which it happens, its own error is raised.
        """
        ...


class Function(Participant):
    """A function participant. Made by `agent`."""

    hands_over = False

    def __init__(
        self,
        name: str,
        fn: Callable[..., AsyncIterator[Any] | Awaitable[Any]],
        *,
        description: str = "",
        limits: Limits | None = None,
        max_parallel_tasks: int = 64,
        replicas: int = 1,
    ) -> None:
        super().__init__(name, description=description or (inspect.getdoc(fn) or "").split("\n", 1)[0])
        self.fn = fn
        self.limits = limits or Limits(turns=None)
        self.max_parallel_tasks = at_least_one("max_parallel_tasks", max_parallel_tasks, name)
        self.replicas = at_least_one("replicas", replicas, name)
        self.takes_context = len(inspect.signature(fn).parameters) >= 2

    @property
    def definition_hash(self) -> str:
        """The sha256 of its source where that can be read, else of its name."""
        try:
            return sha256_hex(inspect.getsource(self.fn).encode())
        except (OSError, TypeError):
            return sha256_hex(self.name.encode())

    def __repr__(self) -> str:
        return f"Function({self.name!r})"


def agent(
    name: str, *, description: str = "", limits: Limits | None = None, max_parallel_tasks: int = 64, replicas: int = 1
) -> Callable[[Callable[..., Any]], Function]:
    """Make an async function a participant.

    The function takes the task, and a context if it has a second parameter. It yields `str` (text of the answer),
    `Progress` and `Artifact`, or returns the answer. `busagents up` starts `replicas` processes of it. After a crash it runs again from its start: put what must not run
    twice in `context.step`.

    Raises:
        DefinitionError: the function is not async or takes no task.
    """

    def declare(fn: Callable[..., Any]) -> Function:
        if not (inspect.isasyncgenfunction(fn) or inspect.iscoroutinefunction(fn)):
            raise DefinitionError(
                f"@agent({name!r}) needs an async function: write `async def {getattr(fn, '__name__', 'f')}(task)`"
            )
        if not 1 <= len(inspect.signature(fn).parameters) <= 2:
            raise DefinitionError(f"@agent({name!r}) needs a function of (task) or (task, context)")
        return Function(
            name, fn, description=description, limits=limits, max_parallel_tasks=max_parallel_tasks, replicas=replicas
        )

    return declare


__all__ = ["Artifact", "Function", "FunctionContext", "FunctionTask", "Progress", "agent"]
