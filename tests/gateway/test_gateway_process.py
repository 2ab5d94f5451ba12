"""The gateway as it runs: a process under `busagents up`, called by the public A2A client over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.client.client import Client
from a2a.types import a2a_pb2 as pb
from a2a.utils import errors
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from busagents.bootstrap.gateway import run_gateway
from busagents.bootstrap.services import discover, load_definition, load_definitions, load_with_parts
from busagents.domain.gateway import Gateway
from busagents.errors import ConfigError, PortBusy
from busagents.runtime.supervisor.nats_server import NatsServer
from tests.support.running_system import PATIENCE, RunningSystem, busagents, running, write_services

ECHO = """
import asyncio
from busagents import agent

@agent("echo", description="Repeats what it is told.")
async def echo(task):
    if task.text == "wait":
        await asyncio.sleep(3600)
    yield "you said "
    yield task.text
"""
GATEWAY = "from busagents.domain.gateway import Gateway\ngateway = Gateway()\n"
KEY, OTHER = "a" * 24, "b" * 24
WIRES = [("JSONRPC", "1.0"), ("HTTP+JSON", "1.0"), ("JSONRPC", "0.3"), ("HTTP+JSON", "0.3")]

module_loop = pytest.mark.asyncio(loop_scope="module")


def address(system: RunningSystem) -> str:
    """Where the gateway said it is."""
    return re.findall(r"serves A2A at (\S+)", system.said)[-1]


@contextlib.asynccontextmanager
async def up(folder: Path, **environment: str) -> AsyncIterator[RunningSystem]:
    """`busagents up` on an echo and a gateway at a free port."""
    write_services(folder, echo=ECHO, gateway=GATEWAY)
    async with running(folder, **{"BUSAGENTS_GATEWAY_PORT": "0", **environment}) as system:
        yield system


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningSystem]:
    """One that has no callers with keys."""
    async with up(tmp_path_factory.mktemp("open")) as running_system:
        yield running_system


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningSystem]:
    """One that has two."""
    async with up(tmp_path_factory.mktemp("guarded"), BUSAGENTS_GATEWAY_KEYS=f"ann={KEY},bob={OTHER}") as running_system:
        yield running_system


@contextlib.asynccontextmanager
async def client_of(base: str, binding: str, version: str, key: str = "") -> AsyncIterator[Client]:
    """The SDK's client for the echo, by the card that the gateway gives, over one of its wires."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(timeout=30, headers=headers) as http:
        card = await A2ACardResolver(http, f"{base}/agents/echo").get_agent_card()
        wanted = [one for one in card.supported_interfaces if (one.protocol_binding, one.protocol_version) == (binding, version)]
        assert len(wanted) == 1
        del card.supported_interfaces[:]
        card.supported_interfaces.extend(wanted)
        yield ClientFactory(ClientConfig(httpx_client=http, supported_protocol_bindings=[binding])).create(card)


def request(text: str, **more: Any) -> pb.SendMessageRequest:
    return pb.SendMessageRequest(message=pb.Message(message_id="m", role=pb.ROLE_USER, parts=[pb.Part(text=text)], **more))


async def answered(client: Client, text: str) -> pb.Task:
    """The task that a stream was about, as it is at the end."""
    items = [item async for item in client.send_message(request(text))]
    assert items[-1].status_update.status.state == pb.TASK_STATE_COMPLETED
    return items[0].task


@module_loop
@pytest.mark.parametrize(("binding", "version"), WIRES)
async def test_the_public_client_sends_streams_gets_and_cancels_over_every_wire(
    system: RunningSystem, binding: str, version: str
) -> None:
    async with client_of(address(system), binding, version) as client:
        task = await answered(client, "hi")
        got = await client.get_task(pb.GetTaskRequest(id=task.id))
        assert (got.context_id, got.status.state) == (task.context_id, pb.TASK_STATE_COMPLETED)
        assert got.artifacts[0].parts[0].text == "you said hi"
        client._config.streaming = False  # type: ignore[attr-defined]
        [sent] = [item async for item in client.send_message(request("again", context_id=task.context_id))]
        assert (sent.task.status.state, sent.task.context_id) == (pb.TASK_STATE_COMPLETED, task.context_id)
        client._config.streaming = True  # type: ignore[attr-defined]
        items = client.send_message(request("wait"))
        first = await anext(items)
        follower = client.subscribe(pb.SubscribeToTaskRequest(id=first.task.id))
        assert (await anext(follower)).task.id == first.task.id
        canceled = await client.cancel_task(pb.CancelTaskRequest(id=first.task.id))
        assert canceled.status.state == pb.TASK_STATE_CANCELED
        for stream in (items, follower):
            rest = [item async for item in stream]
            assert rest[-1].status_update.status.state == pb.TASK_STATE_CANCELED
        if binding == "JSONRPC":  # over 0.3's HTTP+JSON this client calls every 404 a method that is missing
            with pytest.raises(errors.TaskNotFoundError):
                await client.get_task(pb.GetTaskRequest(id="echo.none.none"))


@module_loop
@pytest.mark.parametrize(("binding", "version"), WIRES)
async def test_push_configurations_are_made_and_read_over_every_wire(system: RunningSystem, binding: str, version: str) -> None:
    async with client_of(address(system), binding, version) as client:
        assert client._card.capabilities.push_notifications  # type: ignore[attr-defined]
        items = client.send_message(request("wait"))
        task = (await anext(items)).task
        wanted = pb.TaskPushNotificationConfig(task_id=task.id, id="one", url="https://hook.example/x", token="secret")
        made = await client.create_task_push_notification_config(wanted)
        assert (made.task_id, made.id, made.url, made.token) == (task.id, "one", "https://hook.example/x", "")
        got = await client.get_task_push_notification_config(pb.GetTaskPushNotificationConfigRequest(task_id=task.id, id="one"))
        assert got == made
        if (binding, version) != ("HTTP+JSON", "0.3"):  # of which this client has no list and no delete
            asked = pb.ListTaskPushNotificationConfigsRequest(task_id=task.id)
            assert list((await client.list_task_push_notification_configs(asked)).configs) == [made]
            gone = pb.DeleteTaskPushNotificationConfigRequest(task_id=task.id, id="one")
            await client.delete_task_push_notification_config(gone)
            assert not (await client.list_task_push_notification_configs(asked)).configs
        await client.cancel_task(pb.CancelTaskRequest(id=task.id))
        await items.aclose()  # type: ignore[attr-defined]  # it is a generator


@module_loop
async def test_up_lists_it_and_says_where_it_is(system: RunningSystem) -> None:
    assert (await system.row("gateway"))["state"] == "ready"
    kinds = {row["name"]: row["kind"] for row in system.ready["participants"]}
    assert kinds == {"echo": "function", "gateway": "gateway"}
    assert address(system).startswith("http://127.0.0.1:")
    async with httpx.AsyncClient(base_url=address(system)) as http:
        assert (await http.get("/readyz")).json()["status"] == "ready"
        assert (await http.get("/version")).json()["a2a"] == ["1.0", "0.3"]
        assert "busagents_gateway_ready 1" in (await http.get("/metrics")).text
        assert (await http.get("/livez", headers={"host": "evil.example"})).status_code == 200
        assert (await http.get("/agents/echo", headers={"host": "evil.example"})).status_code == 421


@module_loop
async def test_people_without_an_a2a_client_can_use_it_too(system: RunningSystem) -> None:
    async with httpx.AsyncClient(base_url=address(system), timeout=30) as http:
        assert "/tasks" in str((await http.get("/openapi.json")).json()["paths"])
        assert "echo" in (await http.get("/v1/agents")).text
        task = (await http.post("/v1/tasks", json={"agent": "echo", "text": "hi", "wait": True})).json()
        assert "you said hi" in (await http.get(f"/v1/tasks/{task['id']}")).text


@module_loop
async def test_it_is_no_participant(system: RunningSystem) -> None:
    code, out, _ = await busagents("agents", "list", "--json", cwd=system.folder)
    assert code == 0
    assert '"echo"' in out
    assert '"gateway"' not in out


@module_loop
async def test_who_joins_the_bus_has_a_card_and_can_be_called(system: RunningSystem, tmp_path: Path) -> None:
    late = tmp_path / "late.py"
    late.write_text(ECHO.replace('"echo"', '"late"'))
    async with httpx.AsyncClient(base_url=address(system)) as http:
        assert (await http.get("/agents/late/.well-known/agent-card.json")).status_code == 404
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "busagents.cli.main", "run", str(late), cwd=system.folder, stderr=subprocess.PIPE
        )
        try:
            async with asyncio.timeout(PATIENCE):
                while (await http.get("/agents/late/.well-known/agent-card.json")).status_code != 200:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)  # nobody is told who joins
            body = {"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hi"}]}}
            answer = await http.post("/agents/late/message:send", json=body, headers={"A2A-Version": "1.0"})
            assert answer.json()["task"]["artifacts"][0]["parts"][0]["text"] == "you said hi"
            card = await http.get("/.well-known/agent-card.json")
            assert {skill["id"] for skill in card.json()["skills"]} >= {"echo", "late"}
            again = await http.get("/.well-known/agent-card.json", headers={"if-none-match": card.headers["etag"]})
            assert again.status_code == 304
        finally:
            process.terminate()
            await process.communicate()


@module_loop
@pytest.mark.parametrize(("binding", "version"), WIRES)
async def test_tasks_of_one_caller_are_invisible_to_another(guarded: RunningSystem, binding: str, version: str) -> None:
    base = address(guarded)
    async with client_of(base, binding, version, KEY) as ann, client_of(base, binding, version, OTHER) as bob:
        task = await answered(ann, "mine")
        assert (await ann.get_task(pb.GetTaskRequest(id=task.id))).id == task.id
        with pytest.raises(errors.A2AError):
            await bob.get_task(pb.GetTaskRequest(id=task.id))
        with pytest.raises(errors.A2AError):
            await bob.cancel_task(pb.CancelTaskRequest(id=task.id))


@module_loop
@pytest.mark.parametrize(("binding", "version"), WIRES)
async def test_the_extended_card_is_for_known_callers(guarded: RunningSystem, binding: str, version: str) -> None:
    async with client_of(address(guarded), binding, version, KEY) as client:
        card = await client.get_extended_agent_card(pb.GetExtendedAgentCardRequest())
        assert card.name == "echo"
        assert card.supported_interfaces[0].url == f"{address(guarded)}/agents/echo"


@module_loop
async def test_unknown_callers_get_401_and_the_card_says_what_to_send(guarded: RunningSystem) -> None:
    async with httpx.AsyncClient(base_url=address(guarded)) as http:
        card = (await http.get("/agents/echo/.well-known/agent-card.json")).json()
        assert card["securitySchemes"]["bearer"]["httpAuthSecurityScheme"]["scheme"] == "Bearer"
        refused = await http.post("/agents/echo", json={"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": "x"}})
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert (await http.post("/v1/tasks", json={"agent": "echo", "text": "hi"})).status_code == 401
    assert KEY not in guarded.said


async def test_a_killed_gateway_is_back_on_its_port_and_knows_the_tasks(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with up(tmp_path, BUSAGENTS_GATEWAY_PORT=str(port)) as system:
        base = address(system)
        async with client_of(base, "JSONRPC", "1.0") as client:
            task = await answered(client, "hi")
        row = await system.row("gateway")
        os.kill(row["pid"], signal.SIGKILL)
        await system.until("gateway", lambda now: now["pid"] != row["pid"] and now["state"] == "ready")
        async with client_of(base, "HTTP+JSON", "1.0") as client:
            assert (await client.get_task(pb.GetTaskRequest(id=task.id))).artifacts[0].parts[0].text == "you said hi"


async def test_what_is_sent_while_nobody_serves_the_inbox_waits_there(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO, gateway=GATEWAY)
    async with running(tmp_path, "services/echo.py"):
        pass
    async with running(tmp_path, "services/gateway.py", BUSAGENTS_GATEWAY_PORT="0") as system:
        body = {"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hi"}]}}
        async with httpx.AsyncClient(base_url=address(system), timeout=30) as http:
            waiting = asyncio.create_task(http.post("/agents/echo/message:send", json=body, headers={"A2A-Version": "1.0"}))
            late = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "busagents.cli.main", "run", "services/echo.py", cwd=tmp_path, stderr=subprocess.PIPE
            )
            answer = await waiting
            late.terminate()
            await late.communicate()
    assert answer.json()["task"]["artifacts"][0]["parts"][0]["text"] == "you said hi"


async def test_when_it_is_stopped_streams_end_in_order_and_it_exits_at_once(tmp_path: Path) -> None:
    async with up(tmp_path) as system, client_of(address(system), "JSONRPC", "1.0") as client:
        items = client.send_message(request("wait"))
        await anext(items)
        system.process.send_signal(signal.SIGTERM)
        rest = [item async for item in items]  # a connection that is cut would raise
        assert all(item.WhichOneof("payload") != "message" for item in rest)
        assert await system.ended() == 0
        assert "Traceback" not in system.said


async def idle_stream(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A stream that has begun, and on which nothing comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"wait"}]}}'
    head = (
        f"POST /agents/echo/message:stream HTTP/1.1\r\nHost: 127.0.0.1\r\nA2A-Version: 1.0\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await reader.readuntil(b'"task"')
    return reader, writer


async def test_a_thousand_idle_streams_need_little_memory_and_end_in_order_when_it_is_stopped(tmp_path: Path) -> None:
    async with up(tmp_path) as system:
        port, pid = int(address(system).rpartition(":")[2]), (await system.row("gateway"))["pid"]
        streams = []
        for _ in range(20):
            streams += await asyncio.gather(*(idle_stream(port) for _ in range(50)))
        status = Path(f"/proc/{pid}/status").read_text()
        assert int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) < 150 * 1024
        os.kill(pid, signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            ends = [await reader.read() for reader, _ in streams]
        assert all(end.endswith(b"0\r\n\r\n") for end in ends)
        for _, writer in streams:
            writer.close()


async def test_off_this_machine_without_keys_it_does_not_start_and_the_others_do(tmp_path: Path) -> None:
    async with up(tmp_path, BUSAGENTS_GATEWAY_HOST="0.0.0.0") as system:
        rows = {row["name"]: row for row in system.ready["participants"]}
        assert rows["echo"]["state"] == "ready"
        assert rows["gateway"]["state"] == "failed"
        assert "BUSAGENTS_GATEWAY_KEYS" in rows["gateway"]["failure"]


@contextlib.asynccontextmanager
async def gateway_on(server: NatsServer, definition: Gateway) -> AsyncIterator[None]:
    """A gateway in this process."""
    ready, stop = asyncio.Event(), asyncio.Event()
    user, password = (server.credentials.user, server.credentials.password) if server.credentials else (None, None)
    task = asyncio.create_task(
        run_gateway(definition, server.url, user=user, password=password, stop=stop, on_ready=lambda _: ready.set())
    )
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    try:
        if task.done():
            task.result()
        yield
    finally:
        stop.set()
        await asyncio.wait({task})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


async def test_a_port_that_stays_taken_is_named(nats_server: NatsServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortBusy, match=f"port {port} is taken.*BUSAGENTS_GATEWAY_PORT"):
            async with gateway_on(nats_server, Gateway(port=port)):
                pass


async def test_replicas_share_a_port(nats_server: NatsServer) -> None:
    port = free_port()
    one, two = (gateway_on(nats_server, Gateway(port=port, replicas=2)) for _ in range(2))
    async with one, two, httpx.AsyncClient() as http:
        assert (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gateway")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "key.pem").write_bytes(pem)
    return folder / "cert.pem", folder / "key.pem"


async def test_with_a_certificate_it_speaks_https_and_its_cards_say_so(nats_server: NatsServer, tmp_path: Path) -> None:
    port, (cert, key) = free_port(), certificate(tmp_path)
    async with gateway_on(nats_server, Gateway(port=port, tls_certificate=str(cert), tls_key=str(key))):
        trusting = ssl.create_default_context(cafile=str(cert))
        async with httpx.AsyncClient(verify=trusting) as http:
            card = (await http.get(f"https://127.0.0.1:{port}/.well-known/agent-card.json")).json()
            assert card["url"].startswith(f"https://127.0.0.1:{port}")


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text("no key")])
async def test_tls_files_that_cannot_be_used_are_a_config_error(
    nats_server: NatsServer, tmp_path: Path, spoil: Callable[[Path], Any]
) -> None:
    cert, key = certificate(tmp_path)
    spoil(key)
    with pytest.raises(ConfigError, match="TLS"):
        async with gateway_on(nats_server, Gateway(port=0, tls_certificate=str(cert), tls_key=str(key))):
            pass


def test_a_file_may_declare_a_gateway_beside_participants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", list(sys.path))
    file = tmp_path / "shop.py"
    file.write_text(f"{GATEWAY}from busagents import Agent\nshop = Agent('shop')\n")
    assert [(item.name, item.kind) for item in discover([str(file)])[0]] == [("gateway", "gateway"), ("shop", "agent")]
    assert [item.name for item in load_with_parts(str(file))] == ["gateway", "shop"]
    assert [item.name for item in load_definitions(str(file))] == ["shop"]
    assert isinstance(load_definition(f"{file}:gateway"), Gateway)


async def test_no_participant_can_have_its_name(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO.replace('"echo"', '"gateway"'), gateway=GATEWAY)
    code, _, err = await busagents("up", "--nats-port", "0", "--ephemeral", cwd=tmp_path)
    assert code == 2
    assert "two participants are named 'gateway'" in err


def test_only_the_gateways_own_process_loads_an_http_server() -> None:
    program = (
        "import sys, busagents, busagents.bootstrap.participant, busagents.bootstrap.services, busagents.domain.gateway;"
        "print(*sorted({name.split('.')[0] for name in sys.modules} & {'starlette', 'uvicorn', 'jwt', 'cryptography', 'httpx'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
