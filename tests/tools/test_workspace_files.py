"""file_list, file_read and file_write: what they do, and every way out of the workspace that is shut."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from busagents.errors import NotFound, ToolArgumentsInvalid
from busagents.tools import file_list, file_read, file_write
from busagents.tools.workspace import MAX_BYTES, Workspace


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace beside a secret."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    folder = tmp_path / "inside"
    monkeypatch.setenv("BUSAGENTS_WORKSPACE", str(folder))
    folder.mkdir()
    return folder


def test_what_is_written_is_read_and_listed(root: Path) -> None:
    assert file_write("notes/a.md", "é\n") == "wrote 3 bytes to notes/a.md"
    assert file_read("notes/a.md") == "é\n"
    assert [(entry.path, entry.size) for entry in file_list()] == [("notes/", 0), ("notes/a.md", 3)]
    assert [entry.path for entry in file_list("notes")] == ["notes/a.md"]


def test_writing_twice_is_writing_once(root: Path) -> None:
    file_write("a.txt", "long text")
    file_write("a.txt", "b")
    file_write("a.txt", "b")
    assert file_read("a.txt") == "b"
    assert os.listdir(root) == ["a.txt"]


def test_a_workspace_that_is_missing_is_made(root: Path) -> None:
    root.rmdir()
    assert file_list() == []


OUTSIDE = [
    "../outside/secret.txt",
    "a/../../outside/secret.txt",
    "/etc/passwd",
    "//etc/passwd",
    "~/x",
    "..",
    "a\\..\\b",
    "./../outside/x",
]
UNUSABLE = ["", ".", "/", "a\0b", "a\nb", "\x1b[2Jx", "\ud800", "a\u202eb", "/".join("a" * 40), "x" * 300, ".busagents-0"]


@pytest.mark.parametrize("path", OUTSIDE + UNUSABLE)
def test_a_path_that_leads_outside_or_is_no_name_is_refused(root: Path, path: str) -> None:
    with pytest.raises(ToolArgumentsInvalid):
        file_write(path, "x")
    with pytest.raises(ToolArgumentsInvalid):
        file_read(path)
    assert list(root.iterdir()) == []


def test_a_link_to_a_file_outside_is_neither_read_nor_listed_and_writing_replaces_the_link(root: Path) -> None:
    secret = root.parent / "outside" / "secret.txt"
    (root / "link").symlink_to(secret)
    with pytest.raises(ToolArgumentsInvalid, match="symbolic link"):
        file_read("link")
    assert file_list() == []
    file_write("link", "mine")
    assert secret.read_text() == "secret"
    assert not (root / "link").is_symlink()


def test_a_link_to_a_folder_outside_is_not_followed(root: Path) -> None:
    (root / "link").symlink_to(root.parent / "outside", target_is_directory=True)
    attempts: list[Callable[[], Any]] = [
        lambda: file_read("link/secret.txt"),
        lambda: file_write("link/new.txt", "x"),
        lambda: file_list("link"),
    ]
    for attempt in attempts:
        with pytest.raises(ToolArgumentsInvalid, match="symbolic link"):
            attempt()
    assert os.listdir(root.parent / "outside") == ["secret.txt"]
    assert file_list() == []


@pytest.mark.parametrize("moment", range(8))
def test_a_folder_that_becomes_a_link_at_any_moment_of_a_write_leads_nowhere(
    root: Path, moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race that looking first and opening later would lose: the swap comes before each of the write's system calls in turn."""
    outside = root.parent / "outside"
    (root / "real").mkdir()
    calls = 0

    def swap_before(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == moment + 1:
                rename(root / "real", root / "moved")
                symlink(outside, root / "real")
            return call(*args, **kwargs)

        return wrapped

    rename, symlink = os.rename, os.symlink
    with monkeypatch.context() as patch:
        for name in ("mkdir", "open", "stat", "replace", "fsync"):
            patch.setattr(os, name, swap_before(getattr(os, name)))
        with suppress(ToolArgumentsInvalid):
            Workspace(root).write("real/new.txt", "x")
    assert calls > moment, "the write makes fewer calls: shorten the range"
    assert os.listdir(outside) == ["secret.txt"]


def test_a_named_pipe_does_not_hang_the_reader(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(ToolArgumentsInvalid, match="is not a file"):
        file_read("pipe")


def test_a_folder_is_neither_read_nor_replaced(root: Path) -> None:
    file_write("a/b.txt", "x")
    with pytest.raises(ToolArgumentsInvalid, match="directory"):
        file_read("a")
    with pytest.raises(ToolArgumentsInvalid, match="is a folder"):
        file_write("a", "x")
    with pytest.raises(ToolArgumentsInvalid, match="no folder"):
        file_write("a/b.txt/c", "x")


def test_sizes_are_limited_both_ways(root: Path) -> None:
    with pytest.raises(ToolArgumentsInvalid, match="the limit is 1048576"):
        file_write("big", "é" * (MAX_BYTES // 2 + 1))
    (root / "big").write_bytes(b"x" * (MAX_BYTES + 1))
    with pytest.raises(ToolArgumentsInvalid, match="the limit is 1048576"):
        file_read("big")


def test_bytes_that_are_no_text_are_refused(root: Path) -> None:
    (root / "picture.png").write_bytes(b"\x89PNG\xff")
    with pytest.raises(ToolArgumentsInvalid, match="not UTF-8"):
        file_read("picture.png")


def test_a_missing_file_says_where_to_look(root: Path) -> None:
    with pytest.raises(NotFound, match="file_list"):
        file_read("absent.txt")


def test_a_long_file_is_read_in_pieces_that_lose_nothing(root: Path) -> None:
    file_write("log", "".join(f"line {number} {'x' * 90}\n" for number in range(2_000)))
    first, lines = 1, 0
    while True:
        text = file_read("log", first_line=first, max_lines=10_000)
        assert len(text) < 51_000
        lines += text.count("\nline") + text.startswith("line")
        if "read on with first_line=" not in text:
            break
        first = int(text.rsplit("=", 1)[1].rstrip("]"))
    assert lines == 2_000


def test_a_line_longer_than_an_answer_is_cut_and_marked(root: Path) -> None:
    file_write("one", "x" * 60_000 + "\nnext\n")
    text = file_read("one")
    assert "[line cut]" in text
    assert "read on with first_line=2" in text
    assert file_read("one", first_line=2) == "next\n"


@pytest.mark.parametrize(("first", "most"), [(0, 1), (1, 0), (-5, 5), (3, 5)])
def test_lines_that_do_not_exist_are_refused(root: Path, first: int, most: int) -> None:
    file_write("two", "1\n2\n")
    with pytest.raises(ToolArgumentsInvalid, match="first_line"):
        file_read("two", first, most)


def test_a_listing_is_bounded_in_length_and_depth(root: Path) -> None:
    for number in range(600):
        (root / f"{number:03}").touch()
    assert len(file_list()) == 500
    for path in root.iterdir():
        path.unlink()
    deep = root
    for _ in range(100):
        deep = deep / "d"
        deep.mkdir()
    assert 0 < len(file_list()) < 50


def test_names_that_would_forge_lines_of_a_listing_are_left_out(root: Path) -> None:
    (root / "a\nadmin.txt").touch()
    (root / "b.txt").touch()
    assert [entry.path for entry in file_list()] == ["b.txt"]


def test_many_writers_of_one_file_leave_one_of_their_texts_whole(root: Path) -> None:
    texts = [str(number) * 100_000 for number in range(8)]
    writers = [threading.Thread(target=file_write, args=("shared", text)) for text in texts]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert (root / "shared").read_text() in texts
    assert os.listdir(root) == ["shared"]
