"""What a supervisor keeps in the data folder, and the sources it watches."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from busagents.errors import UsageError
from busagents.runtime.supervisor.log_file import RotatingLog
from busagents.runtime.supervisor.run_file import RunInfo, boot_id, hold_data_dir, read_run, remove_run, write_run
from busagents.runtime.supervisor.sources import SourceWatch, source_of


def info(**changes: str) -> RunInfo:
    values = {"boot_id": boot_id(), "nats_url": "nats://127.0.0.1:1", "started_at": "", "durability": "power", "control": "c"}
    return RunInfo(pid=os.getpid(), nats_user="u", nats_password="hidden", **{**values, **changes})


def test_a_run_file_counts_only_while_its_supervisor_holds_the_folder(tmp_path: Path) -> None:
    with hold_data_dir(tmp_path):
        assert read_run(tmp_path) is None
        write_run(tmp_path, info())
        assert read_run(tmp_path) == info()
    assert read_run(tmp_path) is None


def test_a_run_file_of_another_boot_is_stale(tmp_path: Path) -> None:
    with hold_data_dir(tmp_path):
        write_run(tmp_path, info(boot_id="another"))
        assert read_run(tmp_path) is None


def test_a_removed_or_damaged_run_file_is_none(tmp_path: Path) -> None:
    with hold_data_dir(tmp_path):
        write_run(tmp_path, info())
        (tmp_path / "run.json").write_text("{")
        assert read_run(tmp_path) is None
        remove_run(tmp_path)
        remove_run(tmp_path)
        assert read_run(tmp_path) is None


def test_the_folder_has_one_supervisor_at_a_time(tmp_path: Path) -> None:
    with hold_data_dir(tmp_path):
        write_run(tmp_path, info())
        with pytest.raises(UsageError, match=f"pid {os.getpid()}"), hold_data_dir(tmp_path):
            pass
    with hold_data_dir(tmp_path):
        pass


def test_a_password_is_not_in_what_is_printed_of_a_run(tmp_path: Path) -> None:
    assert "hidden" not in repr(info())


def test_a_log_is_rotated_by_size_and_three_old_ones_are_kept(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "a.log", most_bytes=10)
    for number in range(12):
        log.write(f"line {number:02}")
    log.close()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "a.log": "line 11\n",
        "a.log.1": "line 10\n",
        "a.log.2": "line 09\n",
        "a.log.3": "line 08\n",
    }


def test_changed_sources_are_those_that_are_new_gone_or_newer(tmp_path: Path) -> None:
    for name in ("same", "edited", "removed"):
        (tmp_path / f"{name}.py").write_text("1")
    watch = SourceWatch([str(tmp_path)])
    assert watch.changed() == set()
    (tmp_path / "edited.py").write_text("22")
    (tmp_path / "removed.py").unlink()
    (tmp_path / "new.py").write_text("")
    (tmp_path / "notes.txt").write_text("")
    assert {path.name for path in watch.changed()} == {"edited.py", "removed.py", "new.py"}
    assert watch.changed() == set()


def test_the_source_of_a_reference_is_its_file_or_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    assert source_of("services/hello.py:hello") == tmp_path / "services" / "hello.py"
    assert source_of("shop:clerk") == tmp_path / "shop" / "__init__.py"
    assert source_of("shop.desk:clerk") == tmp_path / "shop" / "desk.py"
