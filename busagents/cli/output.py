"""How commands print: data on stdout (a table for people, tab-separated lines for pipes, JSON on request), the rest on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TextIO

Colour = Literal["red", "green", "yellow", "blue", "magenta", "cyan", "grey", "bold"]

_CODES: Mapping[Colour, str] = {
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
    "grey": "90",
    "bold": "1",
}
# C0 and C1 controls but newline and tab, and the marks that reorder text: a model's words must not drive the terminal.
_UNPRINTABLE = {
    code: None
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    if code not in (0x0A, 0x09)
}


def printable(text: str) -> str:
    """The text without control characters (escape sequences included), newlines and tabs kept."""
    return text.translate(_UNPRINTABLE)


def emit_json(value: Any) -> None:
    """Print one JSON document on one line of stdout. msgspec structs, paths and times are fine."""
    import msgspec

    _print_line(msgspec.json.encode(value, enc_hook=str).decode())


def emit_list(items: Sequence[Any], *, next_cursor: str | None = None) -> None:
    """Print a page of a list as JSON: {"items": […], "next": cursor or null}."""
    emit_json({"items": items, "next": next_cursor})


def emit_text(text: str, *, head: str = "", colour: Colour | None = None) -> None:
    """Print text and a newline on stdout; control characters are removed when it is a terminal. Otherwise as `note`."""
    if sys.stdout.isatty():
        head, text = printable(head), printable(text)
    _print_line(_coloured(head, text, colour, sys.stdout))


def emit_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows on stdout: aligned under `columns` on a terminal, else tab-separated without a header. None prints as `-`."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for row in cells:
            _print_line("\t".join(row))
        return
    heads = [column.upper() for column in columns]
    widths = [max(len(line[index]) for line in (heads, *cells)) for index in range(len(columns))]
    for number, row in enumerate((heads, *cells)):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        _print_line(paint(line, "bold") if number == 0 else line)


def note(text: str, *, head: str = "", colour: Colour | None = None) -> None:
    """Print a remark on stderr, where it does not mix with data. `head` stands before it; `colour` is that of the head, or of
    a text without one.
    """
    print(_coloured(printable(head), printable(text), colour, sys.stderr), file=sys.stderr, flush=True)


def render_error(error: BaseException) -> int:
    """Print an error as one line on stderr and return the exit code. An unexpected one says how to get its traceback."""
    from busagents.errors import BusAgentsError

    if isinstance(error, BusAgentsError):
        note(f"busagents: {_one_line(str(error))}")
        return error.exit_code
    what = _one_line(f"{type(error).__name__}: {error}")
    note(f"busagents: unexpected {what} (run it again with BUSAGENTS_LOG_LEVEL=DEBUG for the traceback)")
    return 1


def paint(text: str, colour: Colour, stream: TextIO | None = None) -> str:
    """The text in a colour, if the stream (default stdout) is a terminal that wants some."""
    stream = stream or sys.stdout
    if not stream.isatty():
        return text
    from busagents.settings import wants_colour

    if not wants_colour():
        return text
    return f"\033[{_CODES[colour]}m{text}\033[0m"


def _coloured(head: str, text: str, colour: Colour | None, stream: TextIO) -> str:
    if colour is None:
        return head + text
    return paint(head, colour, stream) + text if head else paint(text, colour, stream)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return printable(text).replace("\n", " ").replace("\t", " ")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _print_line(line: str) -> None:
    print(line, flush=True)
