"""The 0.3 wire, against the objects and the proto of the public SDK's own 0.3 line."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import msgspec
import pytest
from a2a.compat.v0_3 import a2a_v0_3_pb2 as proto
from a2a.compat.v0_3 import conversions, proto_utils
from a2a.compat.v0_3 import types as types_v03
from a2a.server.routes.jsonrpc_dispatcher import JSONRPC03Adapter
from a2a.types import a2a_pb2 as core
from google.protobuf.json_format import MessageToDict, ParseDict
from hypothesis import given
from hypothesis import strategies as st

from busagents.gateway.calls import (
    Call,
    Cancel,
    CreatePush,
    DeletePush,
    ExtendedCard,
    Get,
    GetPush,
    ListPush,
    Send,
    SendStream,
    Subscribe,
)
from busagents.gateway.errors import InvalidParams
from busagents.gateway.json_fields import Fields, QueryFields
from busagents.gateway.types import (
    Artifact,
    ArtifactUpdate,
    Message,
    Part,
    PushConfig,
    SendRequest,
    Status,
    StatusUpdate,
    Task,
    Update,
)
from busagents.gateway.wire_v03 import METHODS, WireV03, read_message
from busagents.gateway.wire_v03_rest import RestWireV03
from busagents.gateway.wire_v1 import message_json as message_of_1_0

words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.floats(-1e6, 1e6, allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
metadata = st.none() | st.dictionaries(words, plain, min_size=1, max_size=2)
kinds = {"media_type": st.sampled_from(["", "image/png"]), "filename": st.sampled_from(["", "a.png"])}
parts = st.one_of(
    st.builds(Part, text=words, metadata=metadata),
    st.builds(Part, raw=st.binary(max_size=8).map(lambda data: b64encode(data).decode()), metadata=metadata, **kinds),
    st.builds(Part, url=st.just("https://x.example/f"), metadata=metadata, **kinds),
    st.builds(Part, data=plain, has_data=st.just(True), metadata=metadata),
)
messages = st.builds(
    Message,
    message_id=words,
    role=st.sampled_from(["user", "agent"]),
    parts=st.lists(parts, min_size=1, max_size=3).map(tuple),
    context_id=st.just("") | words,
    task_id=st.just("") | words,
    reference_task_ids=st.lists(words, max_size=2).map(tuple),
    extensions=st.lists(words, max_size=2).map(tuple),
    metadata=metadata,
)
artifacts = st.builds(
    Artifact,
    artifact_id=words,
    parts=st.lists(parts, min_size=1, max_size=2).map(tuple),
    name=st.just("") | words,
    metadata=metadata,
)
states = st.sampled_from(
    ["submitted", "working", "input-required", "auth-required", "completed", "failed", "canceled", "rejected"]
)
statuses = st.builds(
    Status, state=states, message=st.none() | messages, timestamp=st.sampled_from(["", "2026-01-31T09:30:00.123Z"])
)
tasks = st.builds(
    Task,
    id=words,
    context_id=words,
    status=statuses,
    artifacts=st.none() | st.lists(artifacts, max_size=2).map(tuple),
    history=st.none() | st.lists(messages, max_size=2).map(tuple),
    metadata=metadata,
)
updates = st.one_of(
    tasks,
    messages,
    st.builds(StatusUpdate, task_id=words, context_id=words, status=statuses, final=st.booleans(), metadata=metadata),
    st.builds(
        ArtifactUpdate, task_id=words, context_id=words, artifact=artifacts, append=st.booleans(), last_chunk=st.booleans()
    ),
)
MODELS = {
    "task": types_v03.Task,
    "message": types_v03.Message,
    "status-update": types_v03.TaskStatusUpdateEvent,
    "artifact-update": types_v03.TaskArtifactUpdateEvent,
}


def on_the_wire(value: Any) -> Any:
    """Encoded and decoded, as a client gets it."""
    return msgspec.json.decode(msgspec.json.encode(value))


@given(updates)
def test_whatever_a_stream_says_a_0_3_client_reads(update: Update) -> None:
    shown = on_the_wire(WireV03().item(update))
    read = MODELS[shown["kind"]].model_validate(shown)
    known = read.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert known.keys() == shown.keys()  # nothing that 0.3 does not know


@given(updates)
def test_whatever_a_stream_says_fits_the_proto_of_0_3(update: Update) -> None:
    shown = on_the_wire(RestWireV03().item(update))
    read = ParseDict(shown, proto.StreamResponse())  # refuses names that it does not know
    assert len(shown) == 1
    assert read.WhichOneof("payload")


@given(messages)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    shown = on_the_wire(WireV03().item(message))
    assert read_message(Fields(shown)) == message
    rest = on_the_wire(RestWireV03().item(message)["message"])
    call = RestWireV03().find(("message:send",))["POST"](Fields({"message": rest}))  # type: ignore[index]
    assert isinstance(call, Send)
    assert call.request.message == msgspec.structs.replace(message, reference_task_ids=())  # which that proto has not


@given(messages)
def test_what_the_sdks_client_makes_of_a_message_is_that_message(message: Message) -> None:
    whole = ParseDict(on_the_wire(message_of_1_0(message)), core.SendMessageRequest().message)
    request = core.SendMessageRequest(message=whole)
    old = conversions.to_compat_send_message_request(request, request_id=1)
    params = old.params.model_dump(mode="json", by_alias=True, exclude_none=True)
    call = METHODS["message/send"](Fields(params))
    assert isinstance(call, Send)
    assert _doubles(call.request.message) == _doubles(message)
    assert not call.request.return_immediately
    body = proto.SendMessageRequest(
        request=proto_utils.ToProto.message(old.params.message),
        configuration=proto_utils.ToProto.message_send_configuration(old.params.configuration),
    )
    sent = MessageToDict(body, preserving_proto_field_name=True)
    reader = RestWireV03().find(("message:send",))["POST"]  # type: ignore[index]
    over_rest = reader(Fields(sent))
    assert isinstance(over_rest, Send)
    assert not over_rest.request.return_immediately
    assert over_rest.request.message.message_id == message.message_id
    assert len(over_rest.request.message.parts) == len(message.parts)


def _doubles(message: Message) -> Any:
    """In protobuf's JSON every number is a double."""

    def same(value: Any) -> Any:
        match value:
            case bool():
                return value
            case int() | float():
                return float(value)
            case dict():
                return {key: same(item) for key, item in value.items()}
            case list():
                return [same(item) for item in value]
        return value

    return same(msgspec.to_builtins(message))


SAID = {"kind": "message", "messageId": "m", "role": "user", "parts": [{"kind": "text", "text": "hi"}]}
MESSAGE = Message("m", "user", (Part(text="hi"),))
PUSH = {"url": "https://x.example", "token": "t", "authentication": {"schemes": ["Bearer"], "credentials": "c"}}


@pytest.mark.parametrize(
    ("method", "params", "call"),
    [
        ("message/send", {"message": SAID}, Send(SendRequest(MESSAGE))),
        ("message/stream", {"message": SAID, "configuration": {"historyLength": 0}}, SendStream(SendRequest(MESSAGE))),
        ("message/send", {"message": SAID, "configuration": {"blocking": True}}, Send(SendRequest(MESSAGE))),
        ("message/send", {"message": SAID, "configuration": {"acceptedOutputModes": []}}, Send(SendRequest(MESSAGE))),
        (
            "message/send",
            {"message": SAID, "configuration": {"blocking": False, "historyLength": 3}},
            Send(SendRequest(MESSAGE, history_length=3, return_immediately=True)),
        ),
        (
            "message/send",
            {"message": SAID, "configuration": {"pushNotificationConfig": PUSH}},
            Send(SendRequest(MESSAGE, push=PushConfig("https://x.example", token="t", scheme="Bearer", credentials="c"))),
        ),
        ("tasks/get", {"id": "t", "historyLength": 0}, Get("t")),
        ("tasks/get", {"id": "t", "historyLength": 2}, Get("t", 2)),
        ("tasks/cancel", {"id": "t"}, Cancel("t")),
        ("tasks/resubscribe", {"id": "t"}, Subscribe("t")),
        (
            "tasks/pushNotificationConfig/set",
            {"taskId": "t", "pushNotificationConfig": PUSH},
            CreatePush("t", PushConfig("https://x.example", "t", "t", "t", "Bearer", "c")),
        ),
        ("tasks/pushNotificationConfig/get", {"id": "t"}, GetPush("t", "t")),
        ("tasks/pushNotificationConfig/get", {"id": "t", "pushNotificationConfigId": "c"}, GetPush("t", "c")),
        ("tasks/pushNotificationConfig/list", {"id": "t"}, ListPush("t")),
        ("tasks/pushNotificationConfig/delete", {"id": "t", "pushNotificationConfigId": "c"}, DeletePush("t", "c")),
        ("agent/getAuthenticatedExtendedCard", {}, ExtendedCard()),
    ],
)
def test_each_method_is_its_call(method: str, params: dict[str, Any], call: Call) -> None:
    assert METHODS[method](Fields(params)) == call


def test_it_has_the_methods_of_0_3_and_no_other() -> None:
    assert METHODS.keys() == JSONRPC03Adapter.METHOD_TO_MODEL.keys()


REST_SAID = {"messageId": "m", "role": "ROLE_USER", "content": [{"text": "hi"}]}


@pytest.mark.parametrize(
    ("method", "path", "fields", "call"),
    [
        ("POST", "message:send", {"message": REST_SAID}, Send(SendRequest(MESSAGE))),
        ("POST", "message:send", {"request": REST_SAID}, Send(SendRequest(MESSAGE))),
        ("POST", "message:stream", {"message": REST_SAID, "configuration": {"blocking": True}}, SendStream(SendRequest(MESSAGE))),
        (
            "POST",
            "message:send",
            {"message": REST_SAID, "configuration": {"accepted_output_modes": ["text/plain"]}},
            Send(SendRequest(MESSAGE, accepted_output_modes=("text/plain",), return_immediately=True)),
        ),
        ("GET", "tasks/t", {"historyLength": "2"}, Get("t", 2)),
        ("POST", "tasks/t:cancel", {}, Cancel("t")),
        ("GET", "tasks/t:subscribe", {}, Subscribe("t")),
        ("POST", "tasks/t:subscribe", {}, Subscribe("t")),
        ("GET", "tasks/a:b", {}, Get("a:b")),
        (
            "POST",
            "tasks/t/pushNotificationConfigs",
            {
                "parent": "tasks/t",
                "config_id": "c",
                "config": {"push_notification_config": {"id": "c", "url": "https://x.example"}},
            },
            CreatePush("t", PushConfig("https://x.example", "c", "t")),
        ),
        ("GET", "tasks/t/pushNotificationConfigs", {}, ListPush("t")),
        ("GET", "tasks/t/pushNotificationConfigs/c", {}, GetPush("t", "c")),
        ("DELETE", "tasks/t/pushNotificationConfigs/c", {}, DeletePush("t", "c")),
        ("GET", "card", {}, ExtendedCard()),
    ],
)
def test_each_path_is_its_call(method: str, path: str, fields: dict[str, Any], call: Call) -> None:
    readers = RestWireV03().find(tuple(path.split("/")))
    assert readers is not None
    assert readers[method](QueryFields(fields) if method == "GET" else Fields(fields)) == call


@pytest.mark.parametrize("path", ["", "tasks", "message", "message:send/x", "tasks/t/other", "cards"])
def test_other_paths_are_none(path: str) -> None:
    assert RestWireV03().find(tuple(path.split("/"))) is None


@pytest.mark.parametrize(
    ("method", "params", "field"),
    [
        ("message/send", {}, "message"),
        ("message/send", {"message": {**SAID, "role": "ROLE_USER"}}, "message.role"),
        ("message/send", {"message": {**SAID, "messageId": ""}}, "message.messageId"),
        ("message/send", {"message": {**SAID, "parts": []}}, "message.parts"),
        ("message/send", {"message": {**SAID, "parts": [{"kind": "video"}]}}, "message.parts[0]"),
        ("message/send", {"message": {**SAID, "parts": [{"kind": "text"}]}}, "message.parts[0]"),
        ("message/send", {"message": {**SAID, "parts": [{"kind": "data", "data": [1]}]}}, "message.parts[0].data"),
        ("message/send", {"message": {**SAID, "parts": [{"kind": "file", "file": {}}]}}, "message.parts[0].file"),
        (
            "message/send",
            {"message": {**SAID, "parts": [{"kind": "file", "file": {"bytes": "?"}}]}},
            "message.parts[0].file.bytes",
        ),
        ("message/send", {"message": SAID, "configuration": {"blocking": "no"}}, "configuration.blocking"),
        ("tasks/get", {}, "id"),
        ("tasks/get", {"id": 7}, "id"),
        ("tasks/pushNotificationConfig/set", {"taskId": "t"}, "pushNotificationConfig"),
        ("tasks/pushNotificationConfig/delete", {"id": "t"}, "pushNotificationConfigId"),
    ],
)
def test_a_wrong_field_is_named(method: str, params: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidParams) as raised:
        METHODS[method](Fields(params))
    assert [path for path, _ in raised.value.violations] == [field]


def test_push_answers_have_the_shapes_of_0_3_and_no_secrets() -> None:
    config = PushConfig("https://x.example", "c", "t", "token", "Bearer", "secret")
    one = WireV03().result(GetPush("t", "c"), config)
    types_v03.TaskPushNotificationConfig.model_validate(one)
    assert WireV03().result(ListPush("t"), (config,)) == [one]
    assert WireV03().result(DeletePush("t", "c"), None) is None
    over_rest = RestWireV03().result(ListPush("t"), (config,))
    ParseDict(over_rest, proto.ListTaskPushNotificationConfigResponse())
    assert over_rest["configs"][0]["name"] == "tasks/t/pushNotificationConfigs/c"
    assert "secret" not in str((one, over_rest))
    assert "token'" not in str((one, over_rest))


def test_canceled_has_two_l_over_rest_and_one_over_json_rpc() -> None:
    task = Task("t", "c", Status("canceled"))
    assert WireV03().result(Cancel("t"), task)["status"]["state"] == "canceled"
    assert RestWireV03().result(Cancel("t"), task)["status"]["state"] == "TASK_STATE_CANCELLED"


def test_send_over_rest_says_which_it_answers_with() -> None:
    task = Task("t", "c", Status("completed"))
    assert RestWireV03().result(Send(SendRequest(MESSAGE)), task).keys() == {"task"}
    assert RestWireV03().result(Send(SendRequest(MESSAGE)), MESSAGE).keys() == {"message"}
