"""FAULTS row 18: nodes of the cluster are killed while replicas of one agent work on it."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from busagents.adapters.jetstream.api import call
from busagents.adapters.jetstream.bus import JetStreamBus, connect_bus
from busagents.adapters.jetstream.connection import ConnectionEvents
from busagents.adapters.jetstream.inbox import JetStreamInbox
from busagents.adapters.jetstream.provision import provision
from busagents.adapters.jetstream.streams import ConsumerSettings
from busagents.bootstrap.connect import connect
from busagents.domain.subjects import BLOB_BUCKET, STREAM, ThreadRef
from busagents.errors import StreamRefused
from busagents.runtime.client.client import Client
from busagents.runtime.client.task import Task
from tests.support.log_checks import checked_events, inbox_empty
from tests.support.nats_cluster import NatsCluster, Node, nats_cluster
from tests.support.processes import participant

PATIENCE = 60.0  # seconds until a task has failed to end; an election takes up to ten


@pytest_asyncio.fixture
async def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NatsCluster]:
    async with nats_cluster(tmp_path) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


class Ledger:
    """Appends to a thread of its own, one entry after the other, and keeps what was acknowledged."""

    def __init__(self, cluster: NatsCluster) -> None:
        self._cluster = cluster
        self._ref = ThreadRef("ledger", uuid.uuid4().hex)
        self.acked: list[bytes] = []
        self._more = asyncio.Event()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write until the block ends."""
        stop = asyncio.Event()
        bus = await connected(self._cluster, self._cluster.url)
        writer = asyncio.create_task(self._write(bus, stop))
        try:
            yield
            stop.set()
            await writer
        finally:
            writer.cancel()
            await bus.close()

    async def goes_on(self) -> None:
        """Wait until something that is appended from now on is acknowledged."""
        async with asyncio.timeout(PATIENCE):
            for _ in range(2):  # the first may have been under way
                self._more.clear()
                await self._more.wait()

    async def read_back(self, node: Node) -> list[bytes]:
        """What a newcomer reads at the node."""
        bus = await connected(self._cluster, node.url)
        try:
            return [entry.body async for entry in bus.log.read_thread(self._ref)]
        finally:
            await bus.close()

    async def _write(self, bus: JetStreamBus, stop: asyncio.Event) -> None:
        head = 0
        while not stop.is_set():
            body = f"entry {len(self.acked)}".encode()
            head = await bus.log.append(self._ref, body, entry_id=str(uuid.uuid4()), head=head, types="test")
            self.acked.append(body)
            self._more.set()


async def connected(cluster: NatsCluster, url: str) -> JetStreamBus:
    """A bus on the cluster."""
    return await connect_bus(url, user=cluster.credentials.user, password=cluster.credentials.password)


async def stream_leader(client: Client, cluster: NatsCluster) -> Node:
    """The node through which every append goes."""
    assert isinstance(client.bus, JetStreamBus)
    info = await call(client.bus.client, f"STREAM.INFO.{STREAM}")
    return cluster.node(info["cluster"]["leader"])


def followers(cluster: NatsCluster, leader: Node) -> list[Node]:
    return [node for node in cluster.nodes if node is not leader]


def effects(folder: Path) -> list[tuple[str, str]]:
    """What took effect: `tool:argument` and the idempotency key."""
    file = folder / "effects"
    lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    return [(line[0], line[1]) for line in lines]


async def serves(cluster: NatsCluster) -> None:
    """A participant that is started now gets ready, and ends."""
    async with participant("plain", cluster.url):
        pass


async def begun(folder: Path, what: str) -> None:
    """Wait until the tool is at work: it may be recorded a while before its worker knows that, and dares to begin."""
    async with asyncio.timeout(PATIENCE):
        while what not in [begun for begun, _ in effects(folder)]:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)


async def all_ended_well(client: Client, tasks: list[Task], folder: Path) -> None:
    """Each task completed; nothing that must not happen twice did; no message is left over; every chain verifies."""
    for task in tasks:
        assert (await task.result(timeout=PATIENCE)).text == "all"
        await checked_events(client, task.session)
    async with asyncio.timeout(PATIENCE):
        await inbox_empty(client, "serial")
    times = Counter(effects(folder))
    paid = {key: count for (what, key), count in times.items() if what == "pay:2"}
    assert len(paid) == len(tasks)
    assert set(paid.values()) == {1}
    keys = Counter(what for what, _ in times)
    assert {what: keys[what] for what in ("look:1", "look:2", "put:2")} == dict.fromkeys(
        ("look:1", "look:2", "put:2"), len(tasks)
    )


async def test_processes_that_find_a_new_cluster_at_once_agree_on_one_log(cluster: NatsCluster) -> None:
    buses = [await connected(cluster, cluster.nodes[n % 3].url) for n in range(6)]
    found = await asyncio.gather(*(provision(bus.client, replicas=3) for bus in buses))
    assert len({(identity.created, identity.genesis) for identity in found}) == 1
    for bus in buses:
        await bus.close()


async def test_a_cluster_whose_large_payloads_have_too_few_copies_is_refused(cluster: NatsCluster) -> None:
    bus = await connected(cluster, cluster.url)
    await provision(bus.client, replicas=1)
    with pytest.raises(StreamRefused, match=f"stream {STREAM} .* num_replicas=1"):
        await provision(bus.client, replicas=3)
    info = await call(bus.client, f"STREAM.INFO.{STREAM}")
    await call(bus.client, f"STREAM.UPDATE.{STREAM}", {**info["config"], "num_replicas": 3})
    with pytest.raises(StreamRefused, match=f"OBJ_{BLOB_BUCKET} .* num_replicas=1"):
        await provision(bus.client, replicas=3)
    await bus.close()


@pytest.mark.parametrize("whom", ["follower", "leader"])
async def test_row_18_tasks_go_on_when_one_of_three_nodes_is_killed(cluster: NatsCluster, tmp_path: Path, whom: str) -> None:
    env = {"FAULT_DIR": str(tmp_path)}
    ledger = Ledger(cluster)
    async with (
        participant("serial", cluster.url, env=env),
        participant("serial", cluster.url, env=env),
        connect(cluster.url) as client,
    ):
        leader = await stream_leader(client, cluster)
        victim = leader if whom == "leader" else followers(cluster, leader)[0]
        async with ledger.writing():
            await ledger.goes_on()
            tasks = [await client.send("serial", f"before {n}") for n in range(6)]
            await victim.kill()
            newcomer = asyncio.create_task(serves(cluster))
            tasks += await asyncio.gather(*(client.send("serial", f"after {n}") for n in range(6)))
            await ledger.goes_on()
            await newcomer
            await all_ended_well(client, tasks, tmp_path)
        for node in followers(cluster, victim):
            assert await ledger.read_back(node) == ledger.acked
        await cluster.start()
        assert await ledger.read_back(victim) == ledger.acked


async def test_row_18_an_inbox_is_served_again_when_the_node_that_served_it_is_killed(cluster: NatsCluster) -> None:
    here, *others = cluster.nodes
    bus = await connected(cluster, here.url)
    await provision(bus.client, replicas=3)
    for number in range(30):  # the leaders of thirty inboxes are not all here
        ref = ThreadRef(f"agent_{number}", "session")
        settings = ConsumerSettings(pull_expires=3600.0)  # the pull itself never ends in this test
        inbox = await JetStreamInbox(bus.client, ConnectionEvents(), ref.participant, settings, 1).open()
        info = await call(bus.client, f"CONSUMER.INFO.{STREAM}.{ref.participant}")
        assert len(info["cluster"]["replicas"]) == 2
        if info["cluster"]["leader"] != here.name:
            break
        await inbox.close()
    victim = cluster.node(info["cluster"]["leader"])
    assert victim in others
    await victim.kill()
    await bus.log.send(ref, "in", b"sent to nobody", entry_id=str(uuid.uuid4()), types="test")
    async with asyncio.timeout(PATIENCE):
        delivery = await anext(aiter(inbox.deliveries()))
    assert delivery.message.body == b"sent to nobody"
    await inbox.close()
    await bus.close()


@pytest.mark.parametrize("whom", ["follower", "leader"])
async def test_row_18_no_effect_starts_while_two_of_three_nodes_are_gone(cluster: NatsCluster, tmp_path: Path, whom: str) -> None:
    """`whom`: the node that is left."""
    env = {"FAULT_DIR": str(tmp_path)}
    ledger = Ledger(cluster)
    async with (
        participant("gated", cluster.url, env=env),
        participant("gated", cluster.url, env=env),
        participant("serial", cluster.url, env=env),
        connect(cluster.url) as client,
    ):
        async with ledger.writing():
            await ledger.goes_on()
            tasks = [await client.send("serial", "before")]
            assert (await tasks[0].result(timeout=PATIENCE)).text == "all"
            before = len(effects(tmp_path))
            gated = await client.send("gated", "go")
            await begun(tmp_path, "wait:open")
            leader = await stream_leader(client, cluster)
            left = leader if whom == "leader" else followers(cluster, leader)[0]
            await asyncio.gather(*(node.kill() for node in followers(cluster, left)))
            sending = [asyncio.create_task(client.send("serial", f"meanwhile {n}")) for n in range(4)]
            (tmp_path / "gate").touch()  # the running tool ends; what it leads to must not begin
            await asyncio.sleep(2)  # the fault itself lasts this long
            assert [what for what, _ in effects(tmp_path)[before:]] == ["wait:open"]
            assert not any(task.done() for task in sending)
            await cluster.start()
            tasks += await asyncio.gather(*sending)
            assert (await gated.result(timeout=PATIENCE)).text == "paid"
            assert [what for what, _ in effects(tmp_path)].count("pay:gated") == 1
            await checked_events(client, gated.session)
            await all_ended_well(client, tasks, tmp_path)
            await ledger.goes_on()
        for node in cluster.nodes:
            assert await ledger.read_back(node) == ledger.acked
