"""JSON-RPC of A2A 1.0 over a real socket."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.gateway.conftest import Rpc, saying
from tests.gateway.echo_service import EchoService


async def test_a_message_is_answered_with_its_task(rpc: Rpc) -> None:
    answer = await rpc("SendMessage", saying("hello"))
    task = answer["result"]["task"]
    assert answer["jsonrpc"] == "2.0"
    assert answer["id"] == 1
    assert task["status"]["state"] == "TASK_STATE_COMPLETED"
    assert task["artifacts"] == [{"artifactId": "answer", "parts": [{"text": "hello"}]}]


async def test_a_participant_may_answer_with_a_bare_message(rpc: Rpc) -> None:
    assert (await rpc("SendMessage", saying("bare")))["result"]["message"]["role"] == "ROLE_AGENT"


async def test_a_task_can_be_got(rpc: Rpc) -> None:
    task = (await rpc("SendMessage", saying("hello")))["result"]["task"]
    assert (await rpc("GetTask", {"id": task["id"]}))["result"] == task
    assert "history" not in (await rpc("GetTask", {"id": task["id"], "historyLength": 0}))["result"]


async def test_a_missing_task_is_told_with_its_error_info(rpc: Rpc) -> None:
    error = (await rpc("GetTask", {"id": "nobody's"}))["error"]
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "TASK_NOT_FOUND", "domain": "a2a-protocol.org"}
    assert error["code"] == -32001
    assert error["data"] == [{**info, "metadata": {}}]


async def test_names_may_be_written_with_underscores_and_unknown_fields_are_ignored(rpc: Rpc, echo: EchoService) -> None:
    message = {
        "message_id": "m",
        "role": 1,
        "parts": [{"text": "x", "media_type": "text/plain", "new": 1}],
        "context_id": "c",
        "z": {},
    }
    configuration = {"history_length": "0", "return_immediately": True, "accepted_output_modes": ["text/plain"]}
    answer = await rpc("SendMessage", {"message": message, "configuration": configuration, "tenant": "t", "unknown": None})
    assert answer["result"]["task"]["contextId"] == "c"
    assert "history" not in answer["result"]["task"]
    [request] = echo.asked
    assert (request.message.role, request.message.parts[0].media_type) == ("user", "text/plain")
    assert (request.return_immediately, request.history_length, request.accepted_output_modes) == (True, 0, ("text/plain",))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"message": None}, "message"),
        ({"message": []}, "message"),
        ({"message": {}}, "message.role"),
        ({"message": {"role": "ROLE_USER", "parts": [{"text": "x"}]}}, "message.messageId"),
        ({"message": {"role": "ROLE_UNSPECIFIED", "messageId": "m", "parts": [{"text": "x"}]}}, "message.role"),
        ({"message": {"role": "user", "messageId": "m", "parts": [{"text": "x"}]}}, "message.role"),
        ({"message": {"role": True, "messageId": "m", "parts": [{"text": "x"}]}}, "message.role"),
        (saying("x", parts=[]), "message.parts"),
        (saying("x", parts=None), "message.parts"),
        (saying("x", parts={}), "message.parts"),
        (saying("x", parts=["x"]), "message.parts[0]"),
        (saying("x", parts=[{"text": "x"}, {}]), "message.parts[1]"),
        (saying("x", parts=[{"text": "x", "url": "y"}]), "message.parts[0]"),
        (saying("x", parts=[{"text": 1}]), "message.parts[0].text"),
        (saying("x", parts=[{"raw": "%"}]), "message.parts[0].raw"),
        (saying("x", parts=[{"raw": "a"}]), "message.parts[0].raw"),
        (saying("x", parts=[{"text": "x", "metadata": []}]), "message.parts[0].metadata"),
        (saying("x", extensions="x"), "message.extensions"),
        (saying("x", taskId=1), "message.taskId"),
        (saying("x") | {"configuration": 1}, "configuration"),
        (saying("x") | {"configuration": {"historyLength": -1}}, "configuration.historyLength"),
        (saying("x") | {"configuration": {"historyLength": 1.5}}, "configuration.historyLength"),
        (saying("x") | {"configuration": {"historyLength": 2**31}}, "configuration.historyLength"),
        (saying("x") | {"configuration": {"historyLength": True}}, "configuration.historyLength"),
        (saying("x") | {"configuration": {"returnImmediately": "true"}}, "configuration.returnImmediately"),
        (saying("x") | {"configuration": {"taskPushNotificationConfig": {}}}, "configuration.taskPushNotificationConfig.url"),
    ],
)
async def test_a_wrong_field_is_named(rpc: Rpc, change: dict[str, Any], field: str) -> None:
    error = (await rpc("SendMessage", change))["error"]
    assert error["code"] == -32602
    info, request = error["data"]
    assert info["reason"] == "INVALID_PARAMS"
    assert request["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert [violation["field"] for violation in request["fieldViolations"]] == [field]


async def test_urlsafe_base64_without_padding_is_read(rpc: Rpc) -> None:
    task = (await rpc("SendMessage", saying("", parts=[{"text": "x"}, {"raw": "-_8"}])))["result"]["task"]
    assert task["artifacts"][0]["parts"][1] == {"raw": "+/8="}


async def test_list_always_has_its_four_fields_and_no_artifacts_unless_asked(rpc: Rpc) -> None:
    assert (await rpc("ListTasks"))["result"] == {"tasks": [], "nextPageToken": "", "pageSize": 50, "totalSize": 0}
    await rpc("SendMessage", saying("x"))
    assert "artifacts" not in (await rpc("ListTasks", {}))["result"]["tasks"][0]
    assert "artifacts" in (await rpc("ListTasks", {"includeArtifacts": True}))["result"]["tasks"][0]


@pytest.mark.parametrize(
    "params",
    [{"pageSize": 0}, {"pageSize": 101}, {"status": "DONE"}, {"status": 99}, {"statusTimestampAfter": "yesterday"},
     {"statusTimestampAfter": "2026-01-01T00:00:00"}, {"statusTimestampAfter": 1}, {"contextId": 5}],
)  # fmt: skip
async def test_a_wrong_filter_is_refused(rpc: Rpc, params: dict[str, Any]) -> None:
    assert (await rpc("ListTasks", params))["error"]["code"] == -32602


async def test_a_state_may_be_a_number_and_a_time_of_any_zone(rpc: Rpc) -> None:
    await rpc("SendMessage", saying("x"))
    assert (await rpc("ListTasks", {"status": 3}))["result"]["totalSize"] == 1
    assert (await rpc("ListTasks", {"status": "TASK_STATE_UNSPECIFIED"}))["result"]["totalSize"] == 1
    assert (await rpc("ListTasks", {"statusTimestampAfter": "2026-01-31T11:30:00.000+02:00"}))["result"]["totalSize"] == 1
    assert (await rpc("ListTasks", {"statusTimestampAfter": "2026-01-31T11:30:00.001+02:00"}))["result"]["totalSize"] == 0


@pytest.mark.parametrize(
    ("header", "code"), [("1.0", -32001), ("1.0.1", -32001), ("", -32009), ("0.3", -32009), ("1.7", -32009), ("x", -32009)]
)
async def test_a_method_needs_its_version(http: httpx.AsyncClient, echo_url: str, header: str, code: int) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": "none"}}
    error = (await http.post(echo_url, json=body, headers={"a2a-version": header})).json()["error"]
    assert error["code"] == code
    if code == -32009:
        assert "`A2A-Version: 1.0`" in error["message"]
        assert error["data"][0]["reason"] == "VERSION_NOT_SUPPORTED"


async def test_the_version_may_be_in_the_query(echo_url: str) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "ListTasks"}
    async with httpx.AsyncClient() as client:
        assert "result" in (await client.post(f"{echo_url}?A2A-Version=1.0", json=body)).json()


async def test_a_method_of_another_version_is_not_found(rpc: Rpc) -> None:
    error = (await rpc("message/send", saying("x")))["error"]
    assert error["code"] == -32601
    assert "SendMessage" in error["message"]


async def test_the_idempotency_key_reaches_the_service(rpc: Rpc, echo: EchoService) -> None:
    await rpc("SendMessage", saying("x"), idempotency_key="k1")
    assert echo.asked[0].idempotency_key == "k1"
    assert (await rpc("SendMessage", saying("x"), idempotency_key="k" * 300))["error"]["code"] == -32602


async def test_a_body_that_is_not_declared_as_json_is_refused(http: httpx.AsyncClient, echo_url: str) -> None:
    answer = await http.post(echo_url, data={"a": "b"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, -32600)
    for kind in ("application/json; charset=utf-8", "application/a2a+json", "Application/JSON"):
        answer = await http.post(echo_url, content=b"{}", headers={"content-type": kind})
        assert answer.status_code == 200


async def test_the_extended_card_that_is_not_there_is_an_unsupported_operation(rpc: Rpc) -> None:
    assert (await rpc("GetExtendedAgentCard"))["error"]["code"] == -32004


async def test_a_push_answer_shows_no_secret(rpc: Rpc) -> None:
    task = (await rpc("SendMessage", saying("ask")))["result"]["task"]
    secret = {
        "taskId": task["id"],
        "url": "https://h/x",
        "token": "SECRET",
        "authentication": {"scheme": "Bearer", "credentials": "SECRET"},
    }
    assert "SECRET" not in str(await rpc("CreateTaskPushNotificationConfig", secret))
    assert "SECRET" not in str(await rpc("ListTaskPushNotificationConfigs", {"taskId": task["id"]}))
