"""What a folder, a file or a module declares."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from busagents.bootstrap.services import discover, discover_main, load_definition, load_definitions
from busagents.errors import ConfigError

ONE = "from busagents import Agent\none = Agent('one', description='the first')\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with an empty services folder; what a test imports does not stay."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    monkeypatch.setattr("sys.modules", dict(__import__("sys").modules))
    (tmp_path / "services").mkdir()
    return tmp_path / "services"


def test_a_folder_declares_what_its_files_do_in_order_of_name_and_declaration(folder: Path) -> None:
    (folder / "b.py").write_text("from busagents import Agent\nx = Agent('x')\ny = Agent('y')\nagain = y\n")
    (folder / "a.py").write_text(ONE)
    (folder / "_shared.py").write_text("raise RuntimeError")
    (folder / "helpers.py").write_text("LIMIT = 3\n")
    found, unread = discover(["services"])
    assert unread == []
    assert [(item.ref, item.name) for item in found] == [
        ("services/a.py:one", "one"),
        ("services/b.py:x", "x"),
        ("services/b.py:y", "y"),
    ]
    assert (found[0].kind, found[0].description) == ("agent", "the first")
    assert [load_definition(item.ref).name for item in found] == ["one", "x", "y"]


def test_a_definition_says_how_many_processes_it_wants(folder: Path) -> None:
    declared = "from busagents import Agent, agent\none = Agent('one', replicas=2)\n@agent('two', replicas=3)\nasync def two(task): ...\n"
    (folder / "a.py").write_text(declared)
    assert [item.replicas for item in discover(["services"])[0]] == [2, 3]
    (folder / "a.py").write_text("from busagents import Agent\none = Agent('one', replicas=0)\n")
    assert "replicas=0" in discover(["services"])[1][0].message


def test_what_a_file_imports_from_its_neighbour_belongs_to_the_neighbour(folder: Path) -> None:
    (folder / "neighbour_b.py").write_text(ONE)
    (folder / "a.py").write_text(f"from neighbour_b import one\n{ONE.replace('one', 'two')}")
    assert [item.ref for item in discover(["services"])[0]] == ["services/a.py:two", "services/neighbour_b.py:one"]


def test_one_broken_file_does_not_hide_the_others(folder: Path) -> None:
    (folder / "a.py").write_text("raise SystemExit('no')")
    (folder / "b.py").write_text("def (")
    (folder / "c.py").write_text(ONE)
    found, unread = discover(["services"])
    assert [item.name for item in found] == ["one"]
    assert [problem.path for problem in unread] == ["services/a.py", "services/b.py"]
    assert "SystemExit: no" in unread[0].message
    assert "SyntaxError" in unread[1].message


def test_a_module_of_the_project_can_be_named_and_its_re_exports_count(folder: Path) -> None:
    (folder.parent / "shop_of_a_test").mkdir()
    (folder.parent / "shop_of_a_test" / "desk.py").write_text(ONE)
    (folder.parent / "all_of_a_test.py").write_text("from shop_of_a_test.desk import one\n")
    assert [item.ref for item in discover(["all_of_a_test", "shop_of_a_test.desk"])[0]] == [
        "all_of_a_test:one",
        "shop_of_a_test.desk:one",
    ]
    assert load_definition("shop_of_a_test.desk:one").name == "one"


def test_a_named_file_without_participants_is_an_error_and_so_is_a_missing_one(folder: Path) -> None:
    (folder / "empty.py").write_text("")
    assert "declares no participant" in discover(["services/empty.py"])[1][0].message
    assert "no such file" in discover(["services/gone.py"])[1][0].message
    (folder / "a.py").write_text(ONE)
    with pytest.raises(ConfigError, match="declares no participant 'two'"):
        load_definitions("services/a.py:two")


def test_the_answer_of_the_asked_process_is_one_json_line(folder: Path) -> None:
    (folder / "a.py").write_text(ONE)
    read, write = os.pipe()
    discover_main({"paths": ["services"]}, write)
    os.close(write)
    with os.fdopen(read) as pipe:
        (line,) = pipe.read().splitlines()
    assert [item["ref"] for item in json.loads(line)["participants"]] == ["services/a.py:one"]
