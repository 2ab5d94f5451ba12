"""The connection: found or refused with the address and no secret, and headers read as nats-py reads them."""

from __future__ import annotations

import asyncio
import socket
import uuid
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nats.aio.client import Client

from busagents.adapters.jetstream.bus import JetStreamBus, connect_bus
from busagents.adapters.jetstream.connection import QuickClient
from busagents.adapters.jetstream.provision import provision
from busagents.domain.subjects import ThreadRef
from busagents.errors import AppendUnresolved, BusUnreachable
from busagents.runtime.supervisor.nats_config import Credentials
from busagents.runtime.supervisor.nats_server import NatsServer

REF = ThreadRef("agent", "session")


async def test_an_address_where_nothing_listens_is_named_without_its_credentials() -> None:
    with socket.socket() as taken:  # bound, and never listening
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(BusUnreachable) as raised:
            await connect_bus(f"nats://alice:s3cret@127.0.0.1:{port}")
    assert f"127.0.0.1:{port}" in str(raised.value)
    assert "busagents up" in str(raised.value)
    assert "s3cret" not in str(raised.value)
    assert "alice" not in str(raised.value)


async def test_an_address_that_accepts_and_says_nothing_is_given_up() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with asyncio.timeout(20):
        with pytest.raises(BusUnreachable):
            await connect_bus(f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    server.close()


@pytest.mark.parametrize("url", ["", "not a url", "nats://127.0.0.1:notaport"])
async def test_an_address_that_is_none_is_refused_as_unreachable(url: str) -> None:
    with pytest.raises(BusUnreachable):
        await connect_bus(url)


async def test_only_the_right_credentials_are_let_in_and_no_error_shows_them(tmp_path: Path) -> None:
    async with NatsServer(tmp_path, durability="process", credentials=Credentials("busagents", "s3cret")) as server:
        for password in ("wr0ng", None):
            with pytest.raises(BusUnreachable) as raised:
                await connect_bus(server.url, user="busagents", password=password)
            assert "wr0ng" not in str(raised.value)
        bus = await connect_bus(server.url, user="busagents", password="s3cret")
        await provision(bus.client)
        await bus.close()


async def test_answers_arrive_under_the_prefix_that_was_asked_for(bus: JetStreamBus, bus_url: str) -> None:
    ref = ThreadRef("agent", f"session_{uuid.uuid4().hex}")
    prefix = f"_INBOX_{uuid.uuid4().hex}"
    seen = await bus.client.subscribe(f"{prefix}.>")
    await bus.client.flush()
    own = await connect_bus(bus_url, inbox_prefix=prefix)
    await own.log.append(ref, b"x", entry_id=str(uuid.uuid4()), head=0, types="test")
    assert (await seen.next_msg(timeout=5)).subject.startswith(prefix)
    await own.close()


async def test_a_closed_bus_says_at_once_that_an_append_is_unresolved(bus_url: str) -> None:
    bus = await connect_bus(bus_url)
    await bus.close()
    async with asyncio.timeout(5):
        with pytest.raises(AppendUnresolved, match="closed"):
            await bus.log.append(REF, b"x", entry_id=str(uuid.uuid4()), head=0, types="test")
        with pytest.raises(AppendUnresolved, match="closed"):
            await bus.log.send(REF, "in", b"x", entry_id=str(uuid.uuid4()), types="test")
        with pytest.raises(BusUnreachable):
            assert [entry async for entry in bus.log.read_thread(REF)] == []


async def test_closing_the_bus_under_a_waiting_append_ends_it_unresolved(own_server: NatsServer) -> None:
    bus = await connect_bus(own_server.url)
    await provision(bus.client)
    await own_server.kill()
    appending = asyncio.create_task(bus.log.append(REF, b"x", entry_id=str(uuid.uuid4()), head=0, types="test"))
    done, _ = await asyncio.wait({appending}, timeout=0.3)
    assert not done
    await bus.close()
    async with asyncio.timeout(10):
        with pytest.raises(AppendUnresolved):
            await appending


_LINES = st.lists(
    st.one_of(
        st.tuples(st.text(max_size=8), st.sampled_from([":", ": ", ":\t", "", " : "]), st.text(max_size=12))
        .map("".join)
        .map(str.encode),
        st.binary(max_size=16),
        st.just(b"Nats-Sequence: 42"),
    ),
    max_size=6,
)


@given(_LINES)
@example([b"Na me: x", "Naïve: x".encode(), b": no name", b"\xff: x", b"a:b:c", b" padded : x "])
def test_headers_are_read_as_the_client_reads_them(lines: list[bytes]) -> None:
    raw = b"\r\n".join(lines) + b"\r\n\r\n"
    assert QuickClient._parse_header_lines(raw) == Client._parse_header_lines(raw)
