"""The public A2A client against the wires: every operation, both bindings of 1.0, real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from a2a.client import ClientConfig, ClientFactory
from a2a.client.client import Client
from a2a.helpers.proto_helpers import new_data_part, new_raw_part, new_text_part, new_url_part
from a2a.types import a2a_pb2 as pb
from a2a.utils import errors
from google.protobuf.json_format import MessageToDict, ParseDict

from busagents.gateway.app import make_app
from busagents.gateway.types import Caller
from tests.gateway.echo_service import EchoService
from tests.support.http_server import serving


def card(base: str, binding: str) -> pb.AgentCard:
    """The least a client needs to know."""
    interface = {"url": f"{base}/agents/echo", "protocolBinding": binding, "protocolVersion": "1.0"}
    known = {"name": "echo", "description": "echo", "version": "1", "supportedInterfaces": [interface]}
    capable = {"streaming": True, "pushNotifications": True, "extendedAgentCard": True}
    modes = {"defaultInputModes": ["text/plain"], "defaultOutputModes": ["text/plain"]}
    made = pb.AgentCard()
    ParseDict({**known, **modes, "capabilities": capable, "skills": []}, made)
    return made


async def extended_card(caller: Caller, participant: str) -> bytes:
    """The card for those who have authenticated."""
    return b'{"name":"echo, extended","description":"d","version":"1"}'


@pytest_asyncio.fixture(params=["JSONRPC", "HTTP+JSON"])
async def client(request: pytest.FixtureRequest, echo: EchoService) -> AsyncIterator[Client]:
    """The SDK's client, for one binding after the other."""
    async with serving(make_app(echo, card_for=extended_card)) as base, httpx.AsyncClient(timeout=10) as http:
        config = ClientConfig(httpx_client=http, supported_protocol_bindings=[request.param])
        yield ClientFactory(config).create(card(base, request.param))


def message(*parts: pb.Part | str, **more: Any) -> pb.SendMessageRequest:
    """A request to send; texts become parts."""
    made = [new_text_part(part) if isinstance(part, str) else part for part in parts]
    return pb.SendMessageRequest(message=pb.Message(message_id="m1", role=pb.ROLE_USER, parts=made, **more))


async def collected(items: AsyncIterator[pb.StreamResponse]) -> list[pb.StreamResponse]:
    """All items."""
    return [item async for item in items]


async def task_of(client: Client, text: str) -> pb.Task:
    """The task that a text begins, from a stream that is closed after its first item."""
    items = client.send_message(message(text))
    first = await anext(items)
    await items.aclose()  # type: ignore[attr-defined]  # it is a generator
    return first.task


async def test_a_stream_gives_the_task_then_its_updates(client: Client) -> None:
    items = await collected(client.send_message(message("chunks 3")))
    assert [item.WhichOneof("payload") for item in items] == ["task", *["artifact_update"] * 3, "status_update"]
    assert items[-1].status_update.status.state == pb.TASK_STATE_COMPLETED
    assert items[2].artifact_update.append


async def test_a_blocking_send_gives_the_ended_task(client: Client) -> None:
    client._config.streaming = False  # type: ignore[attr-defined]
    [item] = await collected(client.send_message(message("hello")))
    assert item.task.status.state == pb.TASK_STATE_COMPLETED
    assert item.task.artifacts[0].parts[0].text == "hello"
    [item] = await collected(client.send_message(message("bare")))
    assert item.message.parts[0].text == "bare"


async def test_parts_of_all_kinds_come_back_as_they_went(client: Client) -> None:
    client._config.streaming = False  # type: ignore[attr-defined]
    data = new_data_part({"a": [1, None, {"b": 2.5}]})
    nothing = pb.Part()
    nothing.data.null_value = 0
    raw, url = (
        new_raw_part(b"\x00\xff\xfe", media_type="image/png", filename="a.png"),
        new_url_part("https://host/x", media_type="a/b"),
    )
    parts = [new_text_part("parts"), data, nothing, raw, url]
    [item] = await collected(client.send_message(message(*parts)))
    assert [MessageToDict(part) for part in item.task.artifacts[0].parts] == [MessageToDict(part) for part in parts]


async def test_tasks_are_got_listed_and_paged(client: Client) -> None:
    for text in ("one", "two", "three"):
        await collected(client.send_message(message(text, context_id="shop")))
    page = await client.list_tasks(pb.ListTasksRequest(context_id="shop", page_size=2, include_artifacts=True))
    assert [task.artifacts[0].parts[0].text for task in page.tasks] == ["three", "two"]
    assert (page.page_size, page.total_size) == (2, 3)
    more = await client.list_tasks(pb.ListTasksRequest(context_id="shop", page_size=2, page_token=page.next_page_token))
    assert [len(task.artifacts) for task in more.tasks] == [0]
    assert not more.next_page_token
    got = await client.get_task(pb.GetTaskRequest(id=page.tasks[0].id, history_length=0))
    assert (got.id, len(got.history)) == (page.tasks[0].id, 0)
    none = await client.list_tasks(pb.ListTasksRequest(status=pb.TASK_STATE_FAILED))
    assert not none.tasks


async def test_a_task_is_canceled_once(client: Client) -> None:
    task = await task_of(client, "wait")
    assert (await client.cancel_task(pb.CancelTaskRequest(id=task.id))).status.state == pb.TASK_STATE_CANCELED
    with pytest.raises(errors.TaskNotCancelableError):
        await client.cancel_task(pb.CancelTaskRequest(id=task.id))


async def test_a_subscriber_gets_the_task_and_what_follows(client: Client, echo: EchoService) -> None:
    task = await task_of(client, "wait")
    items = client.subscribe(pb.SubscribeToTaskRequest(id=task.id))
    assert (await anext(items)).task.id == task.id
    rest = asyncio.create_task(collected(items))
    await asyncio.sleep(0)
    await client.cancel_task(pb.CancelTaskRequest(id=task.id))
    assert [item.status_update.status.state for item in await rest] == [pb.TASK_STATE_CANCELED]
    with pytest.raises(errors.UnsupportedOperationError):
        await collected(client.subscribe(pb.SubscribeToTaskRequest(id=task.id)))


async def test_a_waiting_task_goes_on_with_its_own_id(client: Client) -> None:
    items = await collected(client.send_message(message("ask")))
    assert items[-1].status_update.status.state == pb.TASK_STATE_INPUT_REQUIRED
    task = items[0].task
    items = await collected(client.send_message(message("answer", task_id=task.id)))
    assert (items[0].task.id, items[0].task.context_id) == (task.id, task.context_id)
    assert items[-1].status_update.status.state == pb.TASK_STATE_COMPLETED


async def test_push_configurations_are_made_got_listed_and_deleted(client: Client) -> None:
    task = await task_of(client, "wait")
    secret = pb.AuthenticationInfo(scheme="Bearer", credentials="secret")
    wanted = pb.TaskPushNotificationConfig(task_id=task.id, url="https://host/hook", token="t", authentication=secret)
    made = await client.create_task_push_notification_config(wanted)
    assert (made.url, made.task_id, made.authentication.scheme) == ("https://host/hook", task.id, "Bearer")
    assert (made.token, made.authentication.credentials) == ("", "")
    asked = pb.GetTaskPushNotificationConfigRequest(task_id=task.id, id=made.id)
    assert await client.get_task_push_notification_config(asked) == made
    listed = await client.list_task_push_notification_configs(pb.ListTaskPushNotificationConfigsRequest(task_id=task.id))
    assert list(listed.configs) == [made]
    gone = pb.DeleteTaskPushNotificationConfigRequest(task_id=task.id, id=made.id)
    await client.delete_task_push_notification_config(gone)
    await client.delete_task_push_notification_config(gone)
    listed = await client.list_task_push_notification_configs(pb.ListTaskPushNotificationConfigsRequest(task_id=task.id))
    assert not listed.configs


async def test_the_extended_card_is_given(client: Client) -> None:
    assert (await client.get_extended_agent_card(pb.GetExtendedAgentCardRequest())).name == "echo, extended"


async def test_errors_arrive_as_the_clients_own(client: Client) -> None:
    with pytest.raises(errors.TaskNotFoundError):
        await client.get_task(pb.GetTaskRequest(id="none"))
    with pytest.raises(errors.UnsupportedOperationError, match="refused"):
        await collected(client.send_message(message("refuse")))
    seen = []
    with pytest.raises(errors.UnsupportedOperationError, match="no more"):  # noqa: PT012 - the items before it are the point
        async for item in client.send_message(message("bad 2")):
            seen.append(item)
    assert len(seen) == 3
    with pytest.raises(errors.InvalidParamsError):
        await client.list_tasks(pb.ListTasksRequest(page_size=101))
