"""Write the reference pages from the code they describe, or say how they differ from it.

uv run python docs/generate.py            writes docs/events.md and docs/subjects.md
uv run python docs/generate.py --check    changes nothing; prints a diff and exits with 1 if a page is out of date
"""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

from events_page import events_page
from subjects_page import subjects_page

FOLDER = Path(__file__).parent
PAGES = {"events.md": events_page, "subjects.md": subjects_page}


def main(arguments: list[str]) -> int:
    """Write or check every page. Returns the exit code: 0 fine, 1 out of date, 2 wrong arguments."""
    if arguments not in ([], ["--check"]):
        print(f"unknown arguments {' '.join(arguments)!r}: use --check, or none to write the pages", file=sys.stderr)
        return 2
    stale = 0
    for name, page in PAGES.items():
        path, text = FOLDER / name, page()
        stored = path.read_text(encoding="utf-8") if path.exists() else ""
        if arguments:
            diff = list(
                difflib.unified_diff(
                    stored.splitlines(), text.splitlines(), f"{name} as stored", f"{name} as it must be", lineterm=""
                )
            )
            stale += bool(diff)
            print(*diff, sep="\n", end="\n" if diff else "")
        elif stored != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    if stale:
        print("run `uv run python docs/generate.py` and commit the pages", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
