"""The reference pages say what the code does, and what they tell a reader to type works."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import msgspec
import nats
import pytest
from support.participants import running

from busagents.adapters.jetstream.bus import connect_bus
from busagents.adapters.jetstream.provision import provision
from busagents.domain import events as e
from busagents.domain.codec import decode_entry, decode_record
from busagents.domain.function import FunctionTask, agent
from busagents.domain.subjects import inbox_consumer, parse_log_subject
from busagents.runtime.live_feed import LiveMessageBody
from busagents.runtime.supervisor.nats_server import NatsServer

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
EVENTS, SUBJECTS = DOCS / "events.md", DOCS / "subjects.md"


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)\n```$", page.read_text(), re.MULTILINE | re.DOTALL)


def published() -> list[tuple[str, bytes]]:
    """Subject and body of each `nats pub` in the page on subjects."""
    lines = [shlex.split(line) for block in blocks(SUBJECTS, "sh") for line in block.splitlines()]
    return [(words[2], words[3].encode()) for words in lines if words[:2] == ["nats", "pub"]]


def generate(*arguments: str, folder: Path = DOCS) -> subprocess.CompletedProcess[str]:
    """Run the generator as a person would."""
    command = [sys.executable, str(folder / "generate.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_the_pages_are_what_the_code_says() -> None:
    done = generate("--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_page_that_is_out_of_date_is_shown_as_a_diff_and_can_be_written_anew(tmp_path: Path) -> None:
    for source in DOCS.glob("*"):
        if source.is_file():
            (tmp_path / source.name).write_bytes(source.read_bytes())
    page = tmp_path / "events.md"
    page.write_text(page.read_text().replace("task.submitted", "task.sent"))
    stale = generate("--check", folder=tmp_path)
    assert stale.returncode == 1
    assert "+## task.submitted" in stale.stdout
    assert "generate.py" in stale.stderr
    assert generate(folder=tmp_path).returncode == 0
    assert page.read_text() == EVENTS.read_text()


def test_an_argument_the_generator_does_not_know_is_refused() -> None:
    assert generate("--chek").returncode == 2


def test_every_event_has_its_section() -> None:
    titles = re.findall(r"^## (\S+)$", EVENTS.read_text(), re.MULTILINE)
    assert set(titles) >= {cls.type for cls in e.EVENT_TYPES}


@pytest.mark.parametrize("page", [EVENTS, SUBJECTS], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        name, _, anchor = target.partition("#")
        text = (DOCS / name if name else page).read_text()
        titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^a-z0-9_ -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert not anchor or anchor in anchors, target


def test_the_entries_shown_are_entries() -> None:
    shown = blocks(EVENTS, "json")
    assert len(shown) == 3
    for text in shown:
        entry = decode_entry(text.encode(), where="the page")
        assert all(decode_record(record, where="the page") for record in entry.events)


def test_what_the_page_publishes_are_messages_that_a_participant_takes() -> None:
    messages = published()
    assert [subject.rsplit(".", 1)[1] for subject, _ in messages] == ["in", "stop"]
    for subject, body in messages:
        (record,) = decode_entry(body, where="the page").events
        recorded = decode_record(record, where="the page")
        assert recorded is not None
        assert recorded.event.kind == parse_log_subject(subject)[1]


def test_events_that_are_marked_as_not_written_yet_are_written_nowhere() -> None:
    marked = set(re.findall(r"^\| \[`([a-z.]+)`\]\(#[a-z]+\) \* \|", EVENTS.read_text(), re.MULTILINE))
    names = {cls.__name__ for cls in e.EVENT_TYPES if cls.type in marked}
    assert names
    sources = [path for path in (ROOT / "busagents").rglob("*.py") if path.parent.name != "events"]
    made = {name for path in sources for name in re.findall(r"\b(?:e\.|events\.)?([A-Z]\w+)\(", path.read_text())}
    made -= {"InputRequired", "TaskFailed", "TaskCanceled"}  # errors have these names too; see the next line
    made |= {name for path in sources for name in re.findall(r"\be\.([A-Z]\w+)\(", path.read_text())}
    assert not names & made


def test_settings_shown_are_json_that_the_server_takes() -> None:
    stream, consumer = (msgspec.json.decode(text) for text in blocks(SUBJECTS, "json"))
    assert (stream["name"], stream["discard"], stream["deny_delete"]) == ("BUSAGENTS", "new", True)
    assert consumer["ack_policy"] == "explicit"


async def test_a_plain_nats_client_gets_an_answer_by_what_the_page_says(own_server: NatsServer) -> None:
    @agent("helper")
    async def helper(task: FunctionTask) -> str:
        return f"you asked: {task.text}"

    bus = await connect_bus(own_server.url)
    await provision(bus.client)
    subject, body = published()[0]
    plain = await nats.connect(own_server.url)
    watched = await plain.subscribe("busagents.live.s1.>")
    confirmed = await plain.request(subject, body)  # before any process of the participant is up
    assert msgspec.json.decode(confirmed.data)["stream"] == "BUSAGENTS"
    async with running(own_server.url, helper):
        completed, deltas = None, ""
        while completed is None or not deltas:
            message = await watched.next_msg(timeout=30)
            if (message.headers or {}).get("Nats-Sequence"):
                records = decode_entry(message.data, where="live").events
                completed = next((r for r in records if r.type == "task.completed"), completed)
            else:
                deltas += "".join(delta.text for delta in msgspec.json.decode(message.data, type=LiveMessageBody).deltas)
        recorded = decode_record(completed, where="live")
        info = await plain.jetstream().consumer_info("BUSAGENTS", inbox_consumer("helper"))
    assert recorded is not None
    assert isinstance(recorded.event, e.TaskCompleted)
    assert (recorded.task, recorded.event.message.text) == ("t-1", "you asked: What is 6 times 7?")
    assert deltas == recorded.event.message.text
    shown = msgspec.json.decode(blocks(SUBJECTS, "json")[1])
    assert (info.config.max_deliver, info.config.max_waiting) == (shown["max_deliver"], shown["max_waiting"])
    await plain.close()
    await bus.close()
