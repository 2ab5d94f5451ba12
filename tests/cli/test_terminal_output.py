"""What is printed where: data on stdout, remarks on stderr, nothing that drives the terminal."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busagents.cli.output import emit_json, emit_table, emit_text, note, paint, printable, render_error
from busagents.errors import CrashLoop, NotFound


class Terminal(io.StringIO):
    """A stdout that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@given(st.text())
def test_printable_text_drives_no_terminal_and_loses_nothing_else(text: str) -> None:
    shown = printable(text)
    assert "\x1b" not in shown
    assert all(char in "\n\t" or char.isprintable() or ord(char) >= 0xA0 for char in shown)
    assert printable(shown) == shown
    if text.isprintable():
        assert shown == text


def test_an_escape_sequence_of_a_model_is_not_carried_out() -> None:
    assert printable("a\x1b]0;title\x07b\x9b2Jc\u202ed\r") == "a]0;titleb2Jcd"


def test_pipes_get_tab_separated_lines_without_a_header(capsys: pytest.CaptureFixture[str]) -> None:
    emit_table(("name", "pid"), [("a\tb", 1), ("c", None)])
    assert capsys.readouterr().out == "a b\t1\nc\t-\n"


def test_terminals_get_aligned_columns_under_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    emit_table(("name", "pid"), [("long name", 1), ("c", None)])
    emit_text("red: \x1b[31m")
    assert terminal.getvalue() == "NAME       PID\nlong name  1\nc          -\nred: [31m\n"


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert paint("x", "red", Terminal()) == "\x1b[31mx\x1b[0m"
    assert paint("x", "red", io.StringIO()) == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("x", "red", Terminal()) == "x"


def test_remarks_are_coloured_but_what_is_in_them_colours_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    note("\x1b[31mtext", head="head ", colour="bold")
    note("\x1b[31mtext", colour="grey")
    note("\x1b[31mtext")
    assert terminal.getvalue() == "\x1b[1mhead \x1b[0m[31mtext\n\x1b[90m[31mtext\x1b[0m\n[31mtext\n"


def test_json_is_one_line_and_takes_paths(capsys: pytest.CaptureFixture[str]) -> None:
    emit_json({"path": Path("a/b"), "text": "two\nlines"})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"path": "a/b", "text": "two\nlines"}


def test_our_errors_are_one_line_with_their_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert render_error(NotFound("no such\nthing")) == 7
    assert render_error(CrashLoop("again")) == 10
    assert capsys.readouterr().err == "busagents: no such thing\nbusagents: again\n"


def test_unexpected_errors_say_how_to_get_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert render_error(ZeroDivisionError("x")) == 1
    err = capsys.readouterr().err
    assert "ZeroDivisionError: x" in err
    assert "BUSAGENTS_LOG_LEVEL=DEBUG" in err
