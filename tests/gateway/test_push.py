"""Push notifications, from a task on the bus to a receiver on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec.structs import replace

from busagents import FunctionTask, agent
from busagents.adapters.a2a_client.guard import GuardedTransport
from busagents.adapters.jetstream.bus import JetStreamBus, connect_bus
from busagents.adapters.memory.bus import MemoryBus
from busagents.adapters.memory.store import MemoryStore
from busagents.adapters.memory.values import MemoryValues
from busagents.bootstrap.gateway_bus import BusOfGateway
from busagents.bootstrap.gateway_push import PushGuard
from busagents.gateway.errors import InvalidParams
from busagents.gateway.log_service import LogService
from busagents.gateway.push_delivery import PushDelivery
from busagents.gateway.push_lane import Patience, PushFailed
from busagents.gateway.push_store import StoredPush, Values
from busagents.gateway.push_target import SIGNATURE, TOKEN, PushTarget, check_push
from busagents.gateway.signing import CardSigner
from busagents.gateway.types import Caller, PushConfig, SendRequest, Task
from busagents.ports.log import Inbox
from busagents.ports.remote import RemoteForbidden
from tests.support.gateways import asks, gateway
from tests.support.http_server import serving
from tests.support.workers import working

ANN = Caller("ann")
QUICK = Patience(first=0.01, longest=0.02, give_up=60.0, beat=0.1)


class Receiver:
    """What a caller runs. `answers` are the statuses of the next posts, 200 behind them; `posts` what came."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.posts: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()
        self.taken: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while (message := await receive()).get("more_body") or message.get("body"):
            body += message["body"]
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.taken.append(json.loads(body))
        location = [(b"location", b"/elsewhere")] if 300 <= status < 400 else []
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0"), *location]})
        await send({"type": "http.response.body", "body": b""})
        self.posts.put_nowait((headers, body))

    async def until_over(self) -> list[dict[str, Any]]:
        """What was taken, once the end of a task was."""
        async with asyncio.timeout(20):
            while not any(state(item) in ("COMPLETED", "FAILED", "CANCELED") for item in self.taken):
                await self.posts.get()
        return self.taken


def state(item: dict[str, Any]) -> str:
    """The state that a notification tells; empty if none."""
    told = item.get("statusUpdate") or item.get("task") or {}
    return str(told.get("status", {}).get("state", "")).removeprefix("TASK_STATE_")


class Hooks:
    """Push of a gateway over values in memory, and a receiver of it."""

    def __init__(self, receiver: Receiver, url: str) -> None:
        self.receiver, self.url = receiver, url
        self.store = MemoryStore()
        self.configs, self.places = MemoryValues(ack_wait=0.5), MemoryValues()
        self.push = StoredPush(self.configs)

    @contextlib.asynccontextmanager
    async def delivering(self, *, patience: Patience = QUICK, inbox: Inbox | None = None, most: int = 10) -> AsyncIterator[None]:
        """One replica that delivers."""
        view = BusOfGateway(MemoryBus(self.store))
        target = a_target(self.url)
        values: Values = self.configs
        delivery = PushDelivery(
            view, values, self.places, inbox or self.configs.inbox(credits=most), target, most=most, patience=patience
        )
        running = asyncio.create_task(delivery.run())
        try:
            yield
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            await target.close()
            await view.close()

    @contextlib.asynccontextmanager
    async def gateway(self) -> AsyncIterator[LogService]:
        """A gateway in front of the agents."""
        async with working(self.store, echo, gated), gateway(MemoryBus(self.store), push=self.push) as service:
            yield service

    def asks(self, text: str, **more: str) -> SendRequest:
        """A request that wants to be told of its task."""
        return replace(asks(text), push=PushConfig(self.url, **more))

    async def emptied(self) -> None:
        """Wait until no configuration is left."""
        async with asyncio.timeout(10):
            while self.configs._values:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


def a_target(url: str, **options: Any) -> PushTarget:
    """One that may post to that host."""
    return PushTarget(GuardedTransport(PushGuard([httpx.URL(url).host])), **options)


GATES: dict[str, asyncio.Event] = {}


@agent("echo")
async def echo(task: FunctionTask) -> str:
    """Says it again."""
    return task.text


@agent("gated")
async def gated(task: FunctionTask) -> str:
    """Waits until it may go on."""
    await GATES.setdefault(task.text, asyncio.Event()).wait()
    return task.text


@pytest_asyncio.fixture
async def hooks() -> AsyncIterator[Hooks]:
    """Push, and its receiver."""
    receiver = Receiver()
    async with serving(receiver, lifespan="off") as url:
        yield Hooks(receiver, f"{url}/hook")


async def test_every_update_of_a_task_is_posted_in_order(hooks: Hooks) -> None:
    async with hooks.gateway() as service, hooks.delivering():
        task = await service.send(ANN, "echo", hooks.asks("hello", token="t0k", scheme="Bearer", credentials="s3cret"))
        taken = await hooks.receiver.until_over()
        await hooks.emptied()
    assert isinstance(task, Task)
    assert [next(iter(item)) for item in taken] == ["task", "statusUpdate", "artifactUpdate", "statusUpdate"]
    assert [state(item) for item in taken] == ["SUBMITTED", "WORKING", "", "COMPLETED"]
    assert taken[2]["artifactUpdate"]["artifact"]["parts"] == [{"text": "hello"}]


async def test_a_post_carries_what_the_caller_gave(hooks: Hooks) -> None:
    async with hooks.gateway() as service, hooks.delivering():
        await service.send(ANN, "echo", hooks.asks("hello", token="t0k", scheme="Bearer", credentials="s3cret"))
        headers, _ = await asyncio.wait_for(hooks.receiver.posts.get(), 10)
    assert headers["authorization"] == "Bearer s3cret"
    assert headers[TOKEN.lower()] == "t0k"
    assert headers["content-type"] == "application/a2a+json"


async def test_what_is_refused_is_posted_again_until_it_is_taken(hooks: Hooks) -> None:
    hooks.receiver.answers = [500, 302, 429, 200, 503]
    async with hooks.gateway() as service, hooks.delivering():
        await service.send(ANN, "echo", hooks.asks("hello"))
        taken = await hooks.receiver.until_over()
    assert [state(item) for item in taken] == ["SUBMITTED", "WORKING", "", "COMPLETED"]


async def test_another_replica_goes_on_where_one_died(hooks: Hooks) -> None:
    dead = hooks.configs.inbox(credits=10)  # takes the work, and says nothing more
    async with hooks.gateway() as service:
        await service.send(ANN, "echo", hooks.asks("hello"))
        await anext(aiter(dead.deliveries()))
        dead._source.leave(dead)
        async with hooks.delivering():
            taken = await hooks.receiver.until_over()
    assert state(taken[-1]) == "COMPLETED"


async def test_a_replica_that_stops_gives_its_place_to_the_next(hooks: Hooks) -> None:
    GATES["x"] = asyncio.Event()
    async with hooks.gateway() as service:
        async with hooks.delivering():
            task = asyncio.create_task(service.send(ANN, "gated", hooks.asks("x")))
            async with asyncio.timeout(10):
                while len(hooks.receiver.taken) < 2:
                    await hooks.receiver.posts.get()
        GATES["x"].set()
        await task
        async with hooks.delivering():
            taken = await hooks.receiver.until_over()
    assert [state(item) for item in taken] == ["SUBMITTED", "WORKING", "", "COMPLETED"]  # none twice


async def test_one_receiver_that_fails_does_not_hold_up_another(hooks: Hooks) -> None:
    slow = Receiver()
    slow.answers = [500] * 10_000
    async with serving(slow, lifespan="off") as url, hooks.gateway() as service, hooks.delivering():
        GATES["y"] = asyncio.Event()
        request = hooks.asks("y")
        sending = asyncio.create_task(service.send(ANN, "gated", request))
        await hooks.receiver.posts.get()
        task_id = hooks.receiver.taken[0]["task"]["id"]
        await service.create_push(ANN, task_id, PushConfig(f"{url}/other"))
        GATES["y"].set()
        await sending
        await hooks.receiver.until_over()


async def test_after_so_long_without_success_it_is_given_up(hooks: Hooks, caplog: pytest.LogCaptureFixture) -> None:
    hooks.receiver.answers = [500] * 10_000
    with caplog.at_level(logging.INFO, "busagents.gateway.push"):
        async with hooks.gateway() as service, hooks.delivering(patience=Patience(first=0.01, longest=0.02, give_up=0.2)):
            await service.send(ANN, "echo", hooks.asks("hello", token="t0k", scheme="Bearer", credentials="s3cret"))
            await hooks.emptied()
    assert "nothing more is posted to 127.0.0.1" in caplog.text
    assert "s3cret" not in caplog.text
    assert "t0k" not in caplog.text
    assert hooks.url not in caplog.text


async def test_who_is_gone_is_not_asked_again(hooks: Hooks) -> None:
    hooks.receiver.answers = [410]
    async with hooks.gateway() as service, hooks.delivering():
        await service.send(ANN, "echo", hooks.asks("hello"))
        await hooks.emptied()
    assert hooks.receiver.taken == []


async def test_a_deleted_configuration_is_not_posted_to_any_more(hooks: Hooks) -> None:
    GATES["z"] = asyncio.Event()
    async with hooks.gateway() as service, hooks.delivering():
        sending = asyncio.create_task(service.send(ANN, "gated", hooks.asks("z")))
        async with asyncio.timeout(10):
            while len(hooks.receiver.taken) < 2:
                await hooks.receiver.posts.get()
        task_id = hooks.receiver.taken[0]["task"]["id"]
        (config,) = await service.list_push(ANN, task_id)
        await service.delete_push(ANN, task_id, config.id)
        GATES["z"].set()
        await sending
        await asyncio.sleep(0.3)
    assert len(hooks.receiver.taken) == 2


async def test_a_task_that_has_ended_is_told_once_as_it_is(hooks: Hooks) -> None:
    async with hooks.gateway() as service, hooks.delivering():
        task = await service.send(ANN, "echo", asks("hello"))
        assert isinstance(task, Task)
        await asyncio.sleep(0.01)  # the log has milliseconds
        await service.create_push(ANN, task.id, PushConfig(hooks.url))
        taken = await hooks.receiver.until_over()
        await hooks.emptied()
    assert [(next(iter(item)), state(item)) for item in taken] == [("task", "COMPLETED")]


async def test_tasks_that_are_quiet_make_room_for_others(hooks: Hooks) -> None:
    GATES["quiet"] = asyncio.Event()
    patience = Patience(first=0.01, beat=0.05, idle=0.2)
    async with hooks.gateway() as service, hooks.delivering(patience=patience, most=1):
        waiting = asyncio.create_task(service.send(ANN, "gated", hooks.asks("quiet")))
        async with asyncio.timeout(10):
            while len(hooks.receiver.taken) < 2:
                await hooks.receiver.posts.get()
        await service.send(ANN, "echo", hooks.asks("another"))
        await hooks.receiver.until_over()
        GATES["quiet"].set()
        await waiting
        await hooks.emptied()
    assert [state(item) for item in hooks.receiver.taken].count("COMPLETED") == 2


async def test_a_post_is_signed_with_the_gateways_key(hooks: Hooks) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    signer = CardSigner(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    target = a_target(hooks.url, sign=signer.detached)
    await target.post(PushConfig(hooks.url), b'{"task":{}}')
    await target.close()
    headers, body = await hooks.receiver.posts.get()
    protected, _, signature = headers[SIGNATURE.lower()].split(".")
    whole = f"{protected}.{urlsafe_b64encode(body).rstrip(b'=').decode()}.{signature}"
    public = jwt.PyJWKSet.from_json(signer.jwks.decode()).keys[0]
    assert jwt.PyJWS().decode(whole, public.key, algorithms=["ES256"]) == body


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://example.org/hook", True),
        ("http://example.org/hook", False),
        ("https://127.0.0.1/", False),
        ("https://[::1]/", False),
        ("https://[::ffff:10.0.0.1]/", False),
        ("https://10.1.2.3/", False),
        ("https://100.64.0.1/", False),
        ("https://169.254.169.254/latest", False),
        ("http://169.254.169.254:80/", False),
        ("https://user:word@example.org/", False),
        ("ftp://example.org/", False),
        ("https:///nowhere", False),
        ("http://hooks.internal:8000/", True),
        ("http://hooks.internal:9000/", False),
        ("https://example.org/" + "a" * 2048, False),
    ],
)
def test_only_public_https_and_allowed_hosts_are_posted_to(url: str, fits: bool) -> None:
    guard = PushGuard(["hooks.internal:8000", "169.254.169.254"])
    with contextlib.nullcontext() if fits else pytest.raises(InvalidParams):
        check_push(PushConfig(url), guard.check)


@pytest.mark.parametrize("more", [{"token": "a\r\nb: c"}, {"scheme": "Bearer x"}, {"scheme": "B", "credentials": "ü"}])
def test_what_cannot_stand_in_a_header_is_refused_untold(more: dict[str, str]) -> None:
    with pytest.raises(InvalidParams) as refused:
        check_push(PushConfig("https://example.org/", **more), PushGuard().check)
    assert not any(value in str(refused.value) for value in more.values() if len(value) > 1)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.5", "169.254.169.254", "100.64.1.1", "::1", "::ffff:127.0.0.1", "fd00::1"]
)
async def test_a_name_that_leads_into_a_private_network_is_given_up(address: str) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.216.34", address]

    target = PushTarget(GuardedTransport(PushGuard(resolve=resolve)))
    with pytest.raises(PushFailed) as failed:
        await target.post(PushConfig("https://rebind.example/"), b"{}")
    await target.close()
    assert failed.value.for_good


async def test_a_name_is_resolved_once_for_a_post(hooks: Hooks) -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    target = PushTarget(GuardedTransport(PushGuard(["hook.internal"], resolve=resolve)))
    await target.post(PushConfig(str(httpx.URL(hooks.url).copy_with(host="hook.internal"))), b"{}")
    await target.close()
    headers, _ = await hooks.receiver.posts.get()
    assert asked == ["hook.internal"]
    assert headers["host"].startswith("hook.internal:")


async def test_who_does_not_answer_is_left() -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(60)

    async with serving(silent, lifespan="off") as url:
        target = a_target(url, timeout=0.1)
        with pytest.raises(PushFailed, match="no answer within"):
            await target.post(PushConfig(url), b"{}")
        await target.close()


async def test_a_value_on_the_server_is_held_by_one_until_it_is_removed(bus_url: str, fresh: Callable[[str], str]) -> None:
    one, two = await connect_bus(bus_url, ack_wait=0.5), await connect_bus(bus_url, ack_wait=0.5)
    values = one.values(bucket := fresh("bucket"))
    await values.create()
    inboxes = [await bus.value_inbox(bucket, "delivery", credits=5) for bus in (one, two)]
    queues = [inbox.deliveries() for inbox in inboxes]
    try:
        assert await values.write("k", b"first", revision=0)
        waiting = [asyncio.ensure_future(anext(queue)) for queue in queues]
        (done,), _ = await asyncio.wait(waiting, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        holder = waiting.index(done)
        first = done.result()
        assert (first.message.ref.session, first.message.body) == ("k", b"first")
        assert await values.read("k") == (b"first", first.message.position)
        await (one, two)[holder].client.close()  # its process dies
        other = await asyncio.wait_for(waiting[1 - holder], 10)
        assert (other.message.body, other.deliveries) == (b"first", 2)
        left: JetStreamBus = (one, two)[1 - holder]
        values = left.values(bucket)
        assert await values.write("k", b"second", revision=other.message.position)
        await other.nak()
        replaced = await asyncio.wait_for(anext(queues[1 - holder]), 10)
        assert replaced.message.body == b"second"
        assert await values.write("k", None, revision=replaced.message.position)
        await replaced.nak()
        assert await values.write("l", b"third", revision=0)
        third = await asyncio.wait_for(anext(queues[1 - holder]), 10)
        assert third.message.body == b"third"
        stream = await left.client.jetstream().stream_info(f"KV_{bucket}")
        assert stream.state.messages == 1  # no mark of the removed one stays
    finally:
        for bus in (one, two):
            await bus.close()


def test_the_guard_says_no_with_an_error_of_the_port() -> None:
    with pytest.raises(RemoteForbidden):
        PushGuard(["example.org"]).check("http://example.org/")


def test_what_is_secret_is_not_in_what_is_printed() -> None:
    request = replace(asks("hi"), push=PushConfig("https://example.org/?key=k3y", token="t0k", scheme="B", credentials="s3cret"))
    assert not any(word in repr(request) for word in ("k3y", "t0k", "s3cret"))
