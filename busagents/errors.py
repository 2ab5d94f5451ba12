"""Every error busagents raises, in one tree, grouped by who must act.

    BusAgentsError
    ├── UsageError                 the caller: fix the call, the name, the definition or the config
    │   ├── InvalidName
    │   ├── DefinitionError
    │   ├── InvalidInput
    │   ├── AnswerRefused
    │   ├── ConfigError
    │   └── PortBusy
    ├── NotFound                   the caller: name something that exists
    ├── BusError                   the operator: the bus is away, full or not ours
    │   ├── BusUnreachable
    │   │   └── JetStreamOff
    │   ├── ServerNotFound
    │   ├── StreamRefused
    │   ├── LogFull
    │   ├── AppendUnresolved
    │   └── EntryTooLarge
    ├── LogError                   the operator: the log itself is damaged or newer than this code
    │   ├── ChainBroken
    │   ├── LogRegressed
    │   ├── UnreadableEntry
    │   └── BlobMissing
    ├── Fenced                     nobody: another process owns the thread now
    ├── ModelError                 the runtime: retried or recorded as `model.failed`
    │   ├── ModelTransient
    │   ├── ModelRefused
    │   ├── ContextTooLong
    │   └── ModelUnavailable
    ├── ToolArgumentsInvalid       the model: told in words it can act on
    ├── StepError                  the function participant: a recorded step has no result to return
    │   ├── StepUnknown
    │   └── StepFailed
    ├── CallFailed                 the tool or function that called a participant: it did not answer
    ├── TaskError                  the caller of a task: it ended, and not with an answer
    │   ├── TaskFailed
    │   ├── TaskCanceled
    │   ├── InputRequired
    │   └── TaskTimeout
    └── CrashLoop                  the operator: a participant cannot stay up

Each message names the value, the reason and the next step. `exit_code` is what the CLI exits with.
"""

from __future__ import annotations

from typing import ClassVar


class BusAgentsError(Exception):
    """Base of every error of this package."""

    exit_code: ClassVar[int] = 1


class UsageError(BusAgentsError):
    """The call itself is wrong; nothing was done."""

    exit_code = 2


class InvalidName(UsageError):
    """A name that no subject can hold."""


class DefinitionError(UsageError):
    """An agent, tool or service is declared in a way that cannot work."""


class InvalidInput(UsageError):
    """A message that cannot be accepted; it was not appended."""


class AnswerRefused(UsageError):
    """An answer to a question that was recorded and does not count: it was too late, or does not fit what was asked for."""


class ConfigError(UsageError):
    """A configuration file or environment variable cannot be read or understood."""


class PortBusy(UsageError):
    """A port the user asked for by name is taken."""


class NotFound(BusAgentsError):
    """The participant, task or session does not exist."""

    exit_code = 7


class BusError(BusAgentsError):
    """The bus cannot do what was asked now."""

    exit_code = 8


class BusUnreachable(BusError):
    """No NATS server answers at the address."""


class JetStreamOff(BusUnreachable):
    """Nobody answers JetStream requests on this server, and nobody will."""


class ServerNotFound(BusError):
    """The nats-server binary cannot be found or does not start."""


class StreamRefused(BusError):
    """The stream exists with settings or an identity under which busagents could lose data."""


class LogFull(BusError):
    """The stream has no room. Nothing was appended and no effect was started."""


class AppendUnresolved(BusError):
    """The deadline passed before it was known whether an entry was stored. Start no effect, do not ack."""


class EntryTooLarge(BusError):
    """An entry is above the server's max_payload even after the claim check."""


class LogError(BusAgentsError):
    """The log is damaged, or written by a newer version. Its thread is refused; others go on."""

    exit_code = 9


class ChainBroken(LogError):
    """An entry is missing or altered: sequence or hash do not follow from the entry before."""


class LogRegressed(LogError):
    """The stream is another one, or an older copy of the one that was known."""


class UnreadableEntry(LogError):
    """Bytes that are no entry, an unknown required event type, or a newer envelope."""


class BlobMissing(LogError):
    """A payload in the object store is absent or does not match its sha256."""


class Fenced(BusAgentsError):
    """Another process appended to this thread first. Permanent for the loser: stop its work, neither ack nor nak."""


class ModelError(BusAgentsError):
    """A model call failed. `code` is a short stable word, recorded in `model.failed`."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class ModelTransient(ModelError):
    """Worth another attempt: rate limit, overload, 5xx, cut or truncated stream.

    `retry_after` is the provider's wish in seconds, or None.
    """

    def __init__(self, message: str, *, code: str, retry_after: float | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class ModelRefused(ModelError):
    """The provider refuses the request or the key; the same request would be refused again."""


class ContextTooLong(ModelError):
    """The conversation does not fit the model's context window."""


class ModelUnavailable(ModelError):
    """The model cannot be called at all: unknown provider, missing key, missing package."""


class ToolArgumentsInvalid(BusAgentsError):
    """A model's arguments do not fit the tool's schema. The text is written for the model."""


class StepError(BusAgentsError):
    """A recorded step of a function participant ended without a result."""


class StepUnknown(StepError):
    """The step must not run twice, was started before a crash, and its outcome was never recorded."""


class StepFailed(StepError):
    """The step raised in an earlier run of the function; its error text was recorded."""


class CallFailed(BusAgentsError):
    """A participant that a tool or function called did not answer; `reason` is a stable word."""

    def __init__(self, message: str, *, participant: str, reason: str) -> None:
        super().__init__(message)
        self.participant = participant
        self.reason = reason


class TaskError(BusAgentsError):
    """A task ended without an answer. `task` and `session` name it."""

    exit_code = 3

    def __init__(self, message: str, *, task: str, session: str) -> None:
        super().__init__(message)
        self.task = task
        self.session = session


class TaskFailed(TaskError):
    """The task ended in state failed; `reason` is the recorded code."""

    def __init__(self, message: str, *, task: str, session: str, reason: str) -> None:
        super().__init__(message, task=task, session=session)
        self.reason = reason


class TaskCanceled(TaskError):
    """The task was canceled."""

    exit_code = 6


class InputRequired(TaskError):
    """The task waits for an answer from a person."""

    exit_code = 4


class TaskTimeout(TaskError):
    """The caller's patience ended. The task itself goes on."""

    exit_code = 5


class CrashLoop(BusAgentsError):
    """A participant crashed too often in a short time."""

    exit_code = 10
