"""What plain HTTP can do: one table, of which the routes and the OpenAPI document are made."""

from __future__ import annotations

from typing import Any

import msgspec

from busagents.gateway import plain_types as p

STREAM = "text/event-stream"


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of the query or a header. `schema` is JSON Schema."""

    name: str
    place: str
    description: str
    schema: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "string"})


class Operation(msgspec.Struct, frozen=True):
    """One of them. `handler` is the method of gateway.plain.Plain; `path` is below the prefix; `answers` are what it gives by
    status, None for nothing; `problems` the statuses of its own errors. `events`: it answers with a stream of them.
    """

    method: str
    path: str
    handler: str
    summary: str
    description: str
    answers: dict[int, Any]
    body: Any = None
    parameters: tuple[Parameter, ...] = ()
    problems: tuple[int, ...] = ()
    events: bool = False
    of_session: bool = False

    def match(self, path: tuple[str, ...]) -> tuple[str, ...] | None:
        """What stands in the places of the path, in order; None: it is another path."""
        pattern = self.path.strip("/").split("/")
        if len(pattern) != len(path):
            return None
        places = []
        for wanted, found in zip(pattern, path, strict=True):
            if wanted.startswith("{") and found and not found.endswith((":cancel", ":subscribe")):  # those are A2A's
                places.append(found)
            elif wanted != found:
                return None
        return tuple(places)


KEY = Parameter(
    "Idempotency-Key",
    "header",
    "Sent again with the same key, the same request does nothing new: the answer is about the task it made the first time.",
    {"type": "string", "maxLength": 255},
)
LAST = Parameter("Last-Event-ID", "header", "The `id` of the last event that was read: the stream goes on behind it.")
AFTER = Parameter("after", "query", "As `Last-Event-ID`, for those who cannot set a header.")
FILTERS = (
    Parameter("agent", "query", "Only tasks of this agent."),
    Parameter("session", "query", "Only tasks of this session."),
    Parameter("state", "query", "Only tasks in this state.", {"$ref": "#/components/schemas/State"}),
    Parameter("since", "query", "Only tasks that changed after this time (RFC 3339).", {"type": "string", "format": "date-time"}),
    Parameter("limit", "query", "Tasks on the page.", {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}),
    Parameter("cursor", "query", "`next_cursor` of the page before."),
)
MESSAGES = Parameter(
    "messages",
    "query",
    "So many of the newest messages come along; 0: none.",
    {"type": "integer", "minimum": 0, "maximum": 1000, "default": 0},
)
STREAMED = (
    "Server-sent events. The first is the task as it is, each other one changes it; `data` is one of the events described here. "
    "An event's `id` is its place in the log: reconnect with it as `Last-Event-ID`, to any replica, and nothing is missed. "
    "Text that is being written has no `id`. The stream ends with the task; 204: the reader has seen the end."
)
OF_SESSION = (
    "As the events of a task, for all of the caller's tasks in a session, also those still to come. It does not end. A reader "
    "without `Last-Event-ID` gets the session from its beginning."
)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "POST",
        "/tasks",
        "create_task",
        "Give an agent a task",
        "Answers at once with the task (202) and where it is (`Location`), or, with `wait`, with the task once it has ended or asks "
        "something (200). An agent that is not running does it when it is back.",
        {200: p.PlainTask, 202: p.PlainTask},
        p.NewTask,
        (KEY,),
    ),
    Operation(
        "GET",
        "/tasks",
        "list_tasks",
        "List tasks",
        "The caller's tasks, those that changed last first, without artifacts and answers.",
        {200: p.PlainPage},
        parameters=FILTERS,
    ),
    Operation(
        "GET",
        "/tasks/{id}",
        "get_task",
        "Get a task",
        "The task as it is now.",
        {200: p.PlainTask},
        parameters=(MESSAGES,),
        problems=(404,),
    ),
    Operation(
        "POST",
        "/tasks/{id}/reply",
        "reply_to_task",
        "Answer a task's question",
        "For a task that is input-required. 409: it asks nothing now. `wait` as for a new task.",
        {200: p.PlainTask, 202: p.PlainTask},
        p.Reply,
        (KEY,),
        problems=(404, 409),
    ),
    Operation(
        "POST",
        "/tasks/{id}/cancel",
        "cancel_task",
        "Cancel a task",
        "200: it is canceled. 202: it was asked to end and has not yet. 409: it had ended before.",
        {200: p.PlainTask, 202: p.PlainTask},
        problems=(404, 409),
    ),
    Operation(
        "GET",
        "/tasks/{id}/events",
        "task_events",
        "Follow a task",
        STREAMED,
        {200: p.Event, 204: None},
        parameters=(LAST, AFTER),
        problems=(404,),
        events=True,
    ),
    Operation(
        "GET",
        "/sessions/{id}/events",
        "session_events",
        "Follow a session",
        OF_SESSION,
        {200: p.Event},
        parameters=(LAST, AFTER),
        problems=(404,),
        events=True,
        of_session=True,
    ),
    Operation(
        "GET",
        "/agents",
        "list_agents",
        "Who takes tasks",
        "Everybody on the bus who can be called, by name.",
        {200: p.Agents},
    ),
)
