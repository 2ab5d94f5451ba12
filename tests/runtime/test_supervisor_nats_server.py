"""A nats-server as a child: healthy when started, restartable on its store, dead with its parent."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import pytest
from support.running_system import PATIENCE, alive, gone

from busagents.adapters.jetstream.connection import connect_client
from busagents.errors import BusUnreachable, PortBusy, ServerNotFound
from busagents.runtime.supervisor.nats_config import Credentials, config_text, store_limit
from busagents.runtime.supervisor.nats_server import NatsServer

MB = 1024 * 1024


async def test_what_was_stored_survives_a_kill_on_the_same_port(tmp_path: Path) -> None:
    async with NatsServer(tmp_path, durability="process") as server:
        url = server.url
        client = await connect_client(url)
        stream = client.jetstream()
        await stream.add_stream(name="KEEP", subjects=["keep"])
        await stream.publish("keep", b"this")
        await server.kill()
        assert server.pid is None
        await server.start()
        assert server.url == url
        assert (await stream.get_last_msg("KEEP", "keep")).data == b"this"
        await client.close()


async def test_a_taken_port_is_refused_by_name(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortBusy, match=str(port)):
            await NatsServer(tmp_path, durability="process", port=port).start()


async def test_only_who_has_the_password_gets_in(tmp_path: Path) -> None:
    async with NatsServer(tmp_path, durability="process", credentials=Credentials("me", "right")) as server:
        client = await connect_client(server.url, user="me", password="right")
        await client.close()
        with pytest.raises(BusUnreachable):
            await connect_client(server.url, user="me", password="wrong")
    assert (tmp_path / "nats-server.conf").stat().st_mode & 0o077 == 0


async def test_it_dies_with_its_parent_however_that_one_ends(tmp_path: Path) -> None:
    script = f"""
import asyncio
from busagents.runtime.supervisor.nats_server import NatsServer

async def main():
    server = NatsServer({str(tmp_path)!r}, durability="process")
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    async with asyncio.timeout(PATIENCE):
        pid = int(await parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    await parent.wait()
    await gone([pid])


def test_the_store_takes_four_fifths_of_what_the_disk_can_give_and_20_gb_at_most() -> None:
    assert store_limit(1000 * MB, 500 * MB, Path("x")) == 1200 * MB
    assert store_limit(10**12, 0, Path("x")) == 20 * 1024 * MB


def test_a_full_disk_is_an_error_that_names_the_folder() -> None:
    with pytest.raises(ServerNotFound, match="only 10 MB are free on the disk of data"):
        store_limit(10 * MB, 0, Path("data"))


@pytest.mark.parametrize(("durability", "synced"), [("power", True), ("process", False)])
def test_only_the_level_power_syncs_each_append(durability: str, synced: bool) -> None:
    text = config_text(
        name="n",
        data_dir=Path("d"),
        port=-1,
        max_file_store=MB,
        durability=durability,  # type: ignore[arg-type]
        credentials=None,
    )
    assert ("sync_interval: always" in text) is synced
