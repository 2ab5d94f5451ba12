"""The control socket: one line asks, one line answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from busagents.errors import BusError
from busagents.runtime.supervisor.control import ControlClient, ControlServer


def handler(request: dict[str, Any]) -> dict[str, Any]:
    return {"asked": request["op"]}


def ask(path: Path, op: str) -> dict[str, Any]:
    with ControlClient(str(path)) as client:
        return client.ask(op)


@pytest.mark.parametrize("depth", [0, 60])
async def test_a_question_is_answered_also_when_the_folder_is_too_long_for_a_socket(tmp_path: Path, depth: int) -> None:
    folder = tmp_path / ("x" * depth) / ("y" * depth)
    folder.mkdir(parents=True, exist_ok=True)
    server = ControlServer(folder, handler)
    await server.start()
    assert (server.path.parent == folder) is (depth == 0)
    assert server.path.stat().st_mode & 0o077 == 0
    assert await asyncio.to_thread(ask, server.path, "ps") == {"asked": "ps"}
    server.close()
    assert not server.path.exists()
    assert depth == 0 or not server.path.parent.exists()


async def test_nonsense_is_answered_with_an_error_and_the_connection_goes_on(tmp_path: Path) -> None:
    server = ControlServer(tmp_path, handler)
    await server.start()
    reader, writer = await asyncio.open_unix_connection(server.path)
    for line, answer in ((b"{\n", b"cannot understand"), (b"{}\n", b"cannot understand"), (b'{"op":"ps"}\n', b"asked")):
        writer.write(line)
        assert answer in await reader.readline()
    writer.close()
    server.close()


def test_a_socket_nobody_listens_on_is_a_bus_error(tmp_path: Path) -> None:
    with pytest.raises(BusError, match="does not answer"):
        ControlClient(str(tmp_path / "control.sock"))
