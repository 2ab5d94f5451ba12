"""Every block of the README is run, in order, as a reader would run it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
SET_UP = "pip install uv && "


class Block(NamedTuple):
    note: str
    language: str
    text: str


BLOCKS = [
    Block(note or "", language, text)
    for note, language, text in re.findall(
        r"(?:<!-- (.*?) -->\n)?```(\w+)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
]


CURL = """
import sys
import httpx
rest, headers, body, url = sys.argv[1:], {}, None, ""
while rest:
    option = rest.pop(0)
    if option == "-H":
        name, _, value = rest.pop(0).partition(": ")
        headers[name] = value
    elif option == "-d":
        body = rest.pop(0)
    elif option != "-s":
        url = option
print(httpx.request("POST" if body else "GET", url, headers=headers, content=body, timeout=60).text)
"""
"""What this page uses of curl, for a machine that has none."""


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


class Reader:
    """Somebody with a checkout and two terminals."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("BUSAGENTS_", "OPENAI_"))}
        self.background: list[subprocess.Popen[str]] = []
        shim = folder / ".bin" / "uv"  # `uv run X` in the checkout's own environment, which is set up already
        shim.parent.mkdir()
        shim.write_text('#!/bin/sh\nshift\nexec "$@"\n')
        shim.chmod(0o755)
        self.port = free_port()  # 8420 may be another checkout's
        self.env["BUSAGENTS_GATEWAY_PORT"] = self.port
        if shutil.which("curl") is None:
            curl = shim.with_name("curl")
            curl.write_text(f"#!{sys.executable}\n{CURL}")
            curl.chmod(0o755)
        self.env["PATH"] = f"{shim.parent}:{Path(sys.executable).parent}:{self.env['PATH']}"
        shutil.copytree(ROOT / "services", folder / "services")

    def start(self, command: str, until: str) -> None:
        """Run something that stays, until it has printed `until`."""
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command.strip()}"],
            cwd=self.folder, env=self.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.background.append(process)
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            if until in line:
                return
        raise AssertionError("".join(seen))

    def run(self, text: str) -> str:
        """Run a block to its end."""
        done = subprocess.run(
            ["bash", "-e", "-c", text], cwd=self.folder, env=self.env, text=True, capture_output=True, timeout=90, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def end(self) -> None:
        for process in self.background:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    somebody = Reader(tmp_path)
    yield somebody
    somebody.end()


def test_the_first_two_blocks_are_the_two_commands_and_ci_runs_the_second() -> None:
    assert [block.text.strip() for block in BLOCKS[:2]] == [f"{SET_UP}uv run busagents up", f"{SET_UP}uv run pytest"]
    assert f"{SET_UP.replace('install', 'install --quiet')}uv run pytest" in (ROOT / ".ci" / "run").read_text()


def test_every_block_does_what_it_says(reader: Reader) -> None:
    outputs: dict[str, str] = {}
    for block in BLOCKS:
        block = block._replace(text=block.text.replace("127.0.0.1:8420", f"127.0.0.1:{reader.port}"))
        if block.note.startswith("file: "):
            (reader.folder / block.note.removeprefix("file: ")).write_text(block.text)
        elif block.text.strip() == f"{SET_UP}uv run busagents up":
            reader.start(block.text.removeprefix(SET_UP), until="next ")
        elif block.text.strip() == f"{SET_UP}uv run pytest":
            continue  # this very run, and .ci/run (see above)
        elif block.note == "background":
            reader.start(block.text, until="is ready")
        else:
            outputs[block.text.splitlines()[0]] = reader.run(block.text)
    assert all(block.language in ("sh", "python") for block in BLOCKS)
    said = next(out for line, out in outputs.items() if "17 * 23" in line)
    assert "391" in said
    killed = next(out for line, out in outputs.items() if line.endswith("&"))
    assert "completed" in killed
    assert "272.5" in next(out for line, out in outputs.items() if "send teller" in line)
    team = next(out for line, out in outputs.items() if "send planner" in line)
    for said in ("391", "Solar power", "heat", "flowchart"):
        assert said in team, team
    assert "refunded 250" in next(out for line, out in outputs.items() if "send cashier" in line)
    http = next(out for line, out in outputs.items() if line.startswith("curl"))
    for told in ("supportedInterfaces", "TASK_STATE_COMPLETED", '"completed"'):
        assert told in http, http
    assert "17 * 23 = 391" in outputs["uv run python ask.py"]
    assert "9 words" in next(out for line, out in outputs.items() if "send flow" in line)
    systems = next(out for line, out in outputs.items() if "send executive_assistant" in line)
    assert "Portland" in systems


def test_every_file_that_the_readme_links_to_exists() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / "README.md").read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []
