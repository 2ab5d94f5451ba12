"""A2A 1.0 on the wire, inwards: parameters to calls (specification 1.0.1, sections 3 and 9.4). Pure; raises InvalidParams."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Literal

from busagents.gateway.calls import (
    Call,
    Cancel,
    CreatePush,
    DeletePush,
    ExtendedCard,
    Get,
    GetPush,
    List,
    ListPush,
    Reader,
    Send,
    SendStream,
    Subscribe,
)
from busagents.gateway.json_fields import Fields, wrong
from busagents.gateway.types import ListRequest, Message, Part, PushConfig, SendRequest, TaskState

Role = Literal["user", "agent"]

# The enums' names, in the order of their numbers from 1.
STATES: dict[TaskState, str] = {
    "submitted": "TASK_STATE_SUBMITTED",
    "working": "TASK_STATE_WORKING",
    "completed": "TASK_STATE_COMPLETED",
    "failed": "TASK_STATE_FAILED",
    "canceled": "TASK_STATE_CANCELED",
    "input-required": "TASK_STATE_INPUT_REQUIRED",
    "rejected": "TASK_STATE_REJECTED",
    "auth-required": "TASK_STATE_AUTH_REQUIRED",
}
ROLES: dict[Role, str] = {"user": "ROLE_USER", "agent": "ROLE_AGENT"}

STATE_OF: dict[str | int, TaskState] = {name: state for state, name in STATES.items()}
STATE_OF |= dict(enumerate(STATES, 1))
ROLE_OF: dict[str | int, Role] = {name: role for role, name in ROLES.items()}
ROLE_OF |= dict(enumerate(ROLES, 1))

PAGE_SIZE = 50
MAX_PAGE = 100


def read_part(fields: Fields) -> Part:
    """Exactly one of the four."""
    text, url = fields.get("text"), fields.get("url")
    raw = fields.base64("raw")
    has_data = fields.has("data")
    if (text is not None) + (raw is not None) + (url is not None) + has_data != 1:
        raise wrong(fields.path, "must have exactly one of text, raw, url and data")
    return Part(
        text=None if text is None else fields.text("text"),
        raw=raw,
        url=None if url is None else fields.text("url"),
        data=fields.any("data") if has_data else None,
        has_data=has_data,
        media_type=fields.text("mediaType"),
        filename=fields.text("filename"),
        metadata=fields.object("metadata"),
    )


def read_message(fields: Fields) -> Message:
    """Something said by the client."""
    role = fields.one_of("role", ROLE_OF)
    if role is None:
        raise wrong(fields.at("role"), "is required: ROLE_USER")
    return Message(
        message_id=fields.needed("messageId"),
        role=role,
        parts=tuple(read_part(part) for part in fields.items("parts")),
        context_id=fields.text("contextId"),
        task_id=fields.text("taskId"),
        reference_task_ids=fields.texts("referenceTaskIds"),
        extensions=fields.texts("extensions"),
        metadata=fields.object("metadata"),
    )


def read_push(fields: Fields) -> PushConfig:
    """A push configuration."""
    authentication = fields.inner("authentication")
    return PushConfig(
        url=fields.needed("url"),
        id=fields.text("id"),
        task_id=fields.text("taskId"),
        token=fields.text("token"),
        scheme=authentication.needed("scheme") if authentication else "",
        credentials=authentication.text("credentials") if authentication else "",
    )


def read_request(fields: Fields) -> SendRequest:
    """What send and stream take."""
    message = fields.inner("message")
    if message is None:
        raise wrong(fields.at("message"), "is required")
    said, metadata = read_message(message), fields.object("metadata")
    configuration = fields.inner("configuration")
    if configuration is None:
        return SendRequest(said, metadata=metadata)
    push = configuration.inner("taskPushNotificationConfig")
    return SendRequest(
        said,
        accepted_output_modes=configuration.texts("acceptedOutputModes"),
        history_length=configuration.number("historyLength"),
        return_immediately=configuration.flag("returnImmediately"),
        push=read_push(push) if push else None,
        metadata=metadata,
    )


def read_send(fields: Fields) -> Call:
    """SendMessage."""
    return Send(read_request(fields))


def read_send_stream(fields: Fields) -> Call:
    """SendStreamingMessage."""
    return SendStream(read_request(fields))


def read_get(fields: Fields, task_id: str = "") -> Call:
    """GetTask. In these, what HTTP+JSON has in the path is given beside the fields."""
    return Get(task_id or fields.needed("id"), fields.number("historyLength"))


def read_list(fields: Fields) -> Call:
    """ListTasks."""
    return List(
        ListRequest(
            context_id=fields.text("contextId"),
            state=fields.one_of("status", STATE_OF),
            page_size=fields.number("pageSize", 1, MAX_PAGE) or PAGE_SIZE,
            page_token=fields.text("pageToken"),
            history_length=fields.number("historyLength"),
            status_after=fields.time("statusTimestampAfter"),
            include_artifacts=fields.flag("includeArtifacts"),
        )
    )


def read_cancel(fields: Fields, task_id: str = "") -> Call:
    """CancelTask."""
    return Cancel(task_id or fields.needed("id"))


def read_subscribe(fields: Fields, task_id: str = "") -> Call:
    """SubscribeToTask."""
    return Subscribe(task_id or fields.needed("id"))


def read_create_push(fields: Fields, task_id: str = "") -> Call:
    """CreateTaskPushNotificationConfig."""
    return CreatePush(task_id or fields.needed("taskId"), read_push(fields))


def read_get_push(fields: Fields, task_id: str = "", config_id: str = "") -> Call:
    """GetTaskPushNotificationConfig."""
    return GetPush(task_id or fields.needed("taskId"), config_id or fields.needed("id"))


def read_list_push(fields: Fields, task_id: str = "") -> Call:
    """ListTaskPushNotificationConfigs."""
    return ListPush(task_id or fields.needed("taskId"))


def read_delete_push(fields: Fields, task_id: str = "", config_id: str = "") -> Call:
    """DeleteTaskPushNotificationConfig."""
    return DeletePush(task_id or fields.needed("taskId"), config_id or fields.needed("id"))


def read_extended_card(fields: Fields) -> Call:
    """GetExtendedAgentCard."""
    return ExtendedCard()


METHODS: Mapping[str, Reader] = {
    "SendMessage": read_send,
    "SendStreamingMessage": read_send_stream,
    "GetTask": read_get,
    "ListTasks": read_list,
    "CancelTask": read_cancel,
    "SubscribeToTask": read_subscribe,
    "CreateTaskPushNotificationConfig": read_create_push,
    "GetTaskPushNotificationConfig": read_get_push,
    "ListTaskPushNotificationConfigs": read_list_push,
    "DeleteTaskPushNotificationConfig": read_delete_push,
    "GetExtendedAgentCard": read_extended_card,
}


def find_path(segments: tuple[str, ...]) -> Mapping[str, Reader] | None:
    """The readers of a path below the agent's URL, by HTTP method (section 11.3). Subscribe: the text says POST, the proto GET."""
    match segments:
        case ("message:send",):
            return {"POST": read_send}
        case ("message:stream",):
            return {"POST": read_send_stream}
        case ("tasks",):
            return {"GET": read_list}
        case ("tasks", name):
            return find_task(name)
        case ("tasks", task_id, "pushNotificationConfigs"):
            return {"GET": partial(read_list_push, task_id=task_id), "POST": partial(read_create_push, task_id=task_id)}
        case ("tasks", task_id, "pushNotificationConfigs", config_id):
            return {
                "GET": partial(read_get_push, task_id=task_id, config_id=config_id),
                "DELETE": partial(read_delete_push, task_id=task_id, config_id=config_id),
            }
        case ("extendedAgentCard",):
            return {"GET": read_extended_card}
    return None


def find_task(name: str) -> Mapping[str, Reader] | None:
    """A task's own path, `{id}`, `{id}:cancel` or `{id}:subscribe`."""
    task_id, colon, verb = name.rpartition(":")
    if colon and task_id and verb == "cancel":
        return {"POST": partial(read_cancel, task_id=task_id)}
    if colon and task_id and verb == "subscribe":
        return {"POST": partial(read_subscribe, task_id=task_id), "GET": partial(read_subscribe, task_id=task_id)}
    return {"GET": partial(read_get, task_id=name)} if name else None
