"""`busagents doctor`: what is right, what is not, and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.running_system import ECHO, busagents, running, write_services


async def findings(folder: Path, *flags: str, **extra: str) -> tuple[int, dict[str, dict[str, Any]]]:
    code, out, err = await busagents("doctor", "--json", *flags, cwd=folder, **extra)
    assert out, err
    return code, {row["name"]: row for row in json.loads(out)["items"]}


async def test_a_running_system_is_found_in_order(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO)
    async with running(tmp_path):
        code, found = await findings(tmp_path)
    assert code == 0
    assert {name: row["result"] for name, row in found.items()} == {
        "python": "ok",
        "nats-server": "ok",
        "data folder": "ok",
        "disk": "ok",
        "bus": "ok",
        "log": "ok",
        "durability": "note",  # the tests run at the level `process`
        "default model": "ok",
        "OPENAI_API_KEY": "note",
    }


async def test_a_bus_that_does_not_answer_is_a_failure_and_exit_code_1(tmp_path: Path) -> None:
    code, found = await findings(tmp_path, "--nats", "nats://127.0.0.1:1")
    assert code == 1
    assert found["bus"]["result"] == "failed"


async def test_a_stopped_system_is_no_failure(tmp_path: Path) -> None:
    code, found = await findings(tmp_path)
    assert code == 0
    assert found["bus"]["result"] == "note"
    assert not (tmp_path / ".busagents").exists()


async def test_a_log_that_is_not_the_known_one_is_a_failure(tmp_path: Path) -> None:
    write_services(tmp_path, echo=ECHO)
    async with running(tmp_path):
        identity = tmp_path / ".busagents" / "identity.json"
        identity.write_text(identity.read_text().replace("20", "19", 1))
        code, found = await findings(tmp_path)
    assert code == 1
    assert found["log"]["result"] == "failed"
