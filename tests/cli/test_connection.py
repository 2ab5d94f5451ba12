"""Which bus a command talks to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from busagents.bootstrap.connection import Connection, find_connection
from busagents.errors import BusUnreachable
from busagents.runtime.supervisor.run_file import RunInfo, boot_id, hold_data_dir, write_run


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory below the project's folder, and no settings."""
    for name in [name for name in os.environ if name.startswith("BUSAGENTS_")]:
        monkeypatch.delenv(name)
    (tmp_path / "deep" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "below")


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Connection]:
    """A supervisor that runs in the project's folder."""
    data_dir = tmp_path / ".busagents"
    with hold_data_dir(data_dir):
        write_run(data_dir, RunInfo(os.getpid(), boot_id(), "nats://127.0.0.1:5", "u", "hidden", "", "power", "c"))
        yield Connection("nats://127.0.0.1:5", "u", "hidden")


def test_the_running_system_is_found_from_a_folder_below(up: Connection) -> None:
    assert find_connection() == up


def test_a_url_wins_over_the_running_system(up: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUSAGENTS_NATS_USER", "me")
    assert find_connection("nats://elsewhere:4222") == Connection("nats://elsewhere:4222", "me", None)


def test_the_running_system_wins_over_the_environment(up: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUSAGENTS_NATS_URL", "nats://elsewhere:4222")
    assert find_connection() == up


def test_the_environment_counts_when_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUSAGENTS_NATS_URL", "nats://elsewhere:4222")
    assert find_connection().url == "nats://elsewhere:4222"


def test_a_named_data_folder_is_the_only_one_that_counts(up: Connection, tmp_path: Path) -> None:
    assert find_connection(data_dir=tmp_path / ".busagents") == up
    with pytest.raises(BusUnreachable, match="other"):
        find_connection(data_dir=tmp_path / "other")


def test_nothing_at_all_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(BusUnreachable, match=r"busagents up.*--nats URL"):
        find_connection()


def test_no_password_is_in_what_is_printed_of_a_connection() -> None:
    assert "hidden" not in repr(Connection("nats://u:hidden@h:1", "u", "hidden"))
