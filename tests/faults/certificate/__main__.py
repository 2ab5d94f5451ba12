"""`python -m tests.faults.certificate [--tenth K]`: print the table; the whole run also writes docs/certificate.md."""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.faults.certificate.runner import certify
from tests.faults.certificate.table import failures, page, table

ROOT = Path(__file__).resolve().parents[3]


def _commit() -> str:
    """The commit, and whether the code was another than the commit's."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=, with changes"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return asked.stdout.strip() or "unknown"


def main() -> int:
    """Exit code 0 if every run passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.certificate", description=__doc__)
    parser.add_argument("--tenth", type=int, choices=range(10), help="only every tenth point, beginning with this one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        certificate = asyncio.run(
            certify(Path(folder), tenth=options.tenth, say=lambda text: print(text, file=sys.stderr, flush=True))
        )
    print(table(certificate))
    if not certificate.passed:
        print(failures(certificate))
    print(f"{len(certificate.runs)} points in {certificate.seconds:.0f} s")
    if options.tenth is None:
        (ROOT / "docs" / "certificate.md").write_text(page(certificate, _commit()))
    return 0 if certificate.passed else 1


if __name__ == "__main__":
    sys.exit(main())
