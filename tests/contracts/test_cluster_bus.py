"""The bus on a three-node cluster, with three copies of the log, keeps the same contract."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from bus_contract import BusContract, Connect

from busagents.adapters.jetstream.bus import connect_bus
from busagents.adapters.jetstream.provision import provision
from busagents.ports.log import Bus
from tests.support.nats_cluster import NatsCluster, nats_cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsCluster]:
    async with nats_cluster(tmp_path_factory.mktemp("cluster")) as running:
        bus = await connect_bus(running.url, user=running.credentials.user, password=running.credentials.password)
        await provision(bus.client, replicas=3)
        await bus.close()
        yield running


class TestClusterBus(BusContract):
    """The buses of one test are on one node, another one in each test. What a node hears of, others know a moment later, so only then
    is it certain who hears what; processes on all nodes at once are in faults/test_cluster.py.
    """

    numbers = itertools.count()

    @pytest_asyncio.fixture
    async def connect(self, cluster: NatsCluster) -> AsyncIterator[Connect]:
        buses: list[Bus] = []
        node = cluster.nodes[next(self.numbers) % len(cluster.nodes)]

        async def another(*, ack_wait: float = 10.0) -> Bus:
            user, password = cluster.credentials.user, cluster.credentials.password
            buses.append(await connect_bus(node.url, user=user, password=password, ack_wait=ack_wait))
            return buses[-1]

        yield another
        for bus in buses:
            await bus.close()
