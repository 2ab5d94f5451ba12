"""What a running tool may see and do besides its arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from busagents.domain.messages import Message
    from busagents.domain.participant import Participant


class State(Protocol):
    """A small durable map of JSON values. Each change is recorded in the log, and forked with the session."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value under `key`, or `default`."""
        ...

    def set(self, key: str, value: Any) -> None:
        """Put a JSON value under `key`.

        Raises:
            InvalidInput: the value is not JSON.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove `key`; nothing happens when it is absent."""
        ...

    def keys(self) -> list[str]:
        """The keys, sorted."""
        ...


class ToolContext(Protocol):
    """A tool gets one when it has a parameter annotated `ToolContext`; the model does not see that parameter.

    All methods are plain functions and may be called from a thread.
    """

    @property
    def participant(self) -> str:
        """The name of the agent that calls the tool."""
        ...

    @property
    def session_id(self) -> str:
        """The conversation."""
        ...

    @property
    def task_id(self) -> str:
        """The task that the agent is working on."""
        ...

    @property
    def call_id(self) -> str:
        """This tool call, as the model named it."""
        ...

    @property
    def attempt(self) -> int:
        """1 at first; counts up each time the call is started again after a crash."""
        ...

    @property
    def idempotency_key(self) -> str:
        """Unique for this call and the same over all attempts: hand it to services that remove duplicates."""
        ...

    @property
    def cancelled(self) -> bool:
        """True once the task was canceled. A sync tool runs in a thread that nobody can stop: long ones look here."""
        ...

    @property
    def state(self) -> State:
        """This agent's own state in this session."""
        ...

    @property
    def session(self) -> State:
        """The state that all participants of the session share."""
        ...

    def emit(self, progress: str | dict[str, Any]) -> None:
        """Show progress to whoever watches. Best effort: it is not recorded."""
        ...

    def ask(self, question: str, *, schema: Any = None, timeout: float | None = None, default: Any = None) -> Any:
        """Ask a person; the answer's text, or a value of `schema` (a type or a JSON Schema). Await it in an async tool; in a sync
        tool the answer is returned.

        Nothing runs or is held meanwhile, for seconds or weeks: the tool stops here, and runs again from its beginning once it
        has its answer. What stands before the question must bear that, and ask in the same words: another text is another question. After `timeout` seconds `default` is the answer.

        Raises:
            InvalidInput: no question, or no time.
            DefinitionError: `schema` has no JSON Schema.
        """
        ...

    def call(self, participant: Participant | str, message: str | Message, *, output_type: Any = None) -> Any:
        """Give another participant a task; its answer's text, or a value of `output_type`. Await it in an async tool, also
        several at once with asyncio.gather; in a sync tool the answer is returned. It is called once, however often the tool
        runs: as with `ask`, the tool stops here and runs again from its beginning.

        Raises:
            CallFailed: it failed, was canceled, or nobody of that name was ever on the bus.
        """
        ...

    def end_task(self, text: str) -> None:
        """Make `text` the answer of the agent's task, once this tool has ended: the model is not asked again."""
        ...
