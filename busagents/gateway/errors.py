"""The errors of A2A 1.0.1 (sections 3.3.2 and 5.4), with what each is on the wires. Raised by the service, shown by the wires."""

from __future__ import annotations

from typing import ClassVar

from busagents.errors import BusAgentsError


class A2AError(BusAgentsError):
    """Base. `code` is JSON-RPC's, `http` the status, `reason` the ErrorInfo's, `grpc` the status name of REST bodies."""

    code: ClassVar[int] = -32603
    http: ClassVar[int] = 500
    reason: ClassVar[str] = ""
    grpc: ClassVar[str] = "INTERNAL"


class TaskNotFound(A2AError):
    """No such task, or not this caller's."""

    code, http, reason, grpc = -32001, 404, "TASK_NOT_FOUND", "NOT_FOUND"


class TaskNotCancelable(A2AError):
    """The task has ended."""

    code, http, reason, grpc = -32002, 400, "TASK_NOT_CANCELABLE", "FAILED_PRECONDITION"


class PushNotificationNotSupported(A2AError):
    """The card says so."""

    code, http, reason, grpc = -32003, 400, "PUSH_NOTIFICATION_NOT_SUPPORTED", "FAILED_PRECONDITION"


class UnsupportedOperation(A2AError):
    """Not here, or not in this state of the task."""

    code, http, reason, grpc = -32004, 400, "UNSUPPORTED_OPERATION", "FAILED_PRECONDITION"


class ContentTypeNotSupported(A2AError):
    """A part of a kind the participant does not take."""

    code, http, reason, grpc = -32005, 400, "CONTENT_TYPE_NOT_SUPPORTED", "INVALID_ARGUMENT"


class InvalidAgentResponse(A2AError):
    """The participant's answer cannot be shown."""

    code, http, reason, grpc = -32006, 500, "INVALID_AGENT_RESPONSE", "INTERNAL"


class ExtendedAgentCardNotConfigured(A2AError):
    """There is none."""

    code, http, reason, grpc = -32007, 400, "EXTENDED_AGENT_CARD_NOT_CONFIGURED", "FAILED_PRECONDITION"


class ExtensionSupportRequired(A2AError):
    """The card requires an extension that the caller did not name."""

    code, http, reason, grpc = -32008, 400, "EXTENSION_SUPPORT_REQUIRED", "FAILED_PRECONDITION"


class VersionNotSupported(A2AError):
    """Neither 1.0 nor 0.3."""

    code, http, reason, grpc = -32009, 400, "VERSION_NOT_SUPPORTED", "FAILED_PRECONDITION"


class InvalidParams(A2AError):
    """A field is wrong: `violations` are pairs of a field's path and what is wrong with it."""

    code, http, reason, grpc = -32602, 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"

    def __init__(self, message: str, violations: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.violations = violations


class TooManyRequests(A2AError):
    """Above the caller's rate or concurrency. `retry_after` in seconds."""

    code, http, reason, grpc = -32603, 429, "RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED"

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(A2AError):
    """The bus is away, or this gateway drains: try again, or another one."""

    code, http, reason, grpc = -32603, 503, "UNAVAILABLE", "UNAVAILABLE"
