"""An environment of its own for the 0.3 line of the public A2A package, which cannot be installed beside its 1.x line.

`python -m tests.support.a2a_03_environment` makes it, and so does the test that needs it. It is made once, whoever comes first.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REQUIREMENT = "a2a-sdk>=0.3,<0.4"
FOLDER = Path(__file__).resolve().parents[2] / ".venv-a2a03"


def python_with_a2a_03() -> Path:
    """The interpreter of the environment. Several processes may ask at once."""
    python, made = FOLDER / "bin" / "python", FOLDER / "made-for"
    with FOLDER.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (made.exists() and made.read_text() == REQUIREMENT and python.exists()):
            shutil.rmtree(FOLDER, ignore_errors=True)
            _make(python)
            made.write_text(REQUIREMENT)
    return python


def _make(python: Path) -> None:
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv:
        steps = [[uv, "venv", "--quiet", FOLDER], [uv, "pip", "install", "--quiet", "--python", python, REQUIREMENT]]
    else:
        steps = [[sys.executable, "-m", "venv", FOLDER], [python, "-m", "pip", "install", "--quiet", REQUIREMENT]]
    with tempfile.TemporaryDirectory() as elsewhere:  # in the project's folder uv would hold to the project's versions
        for step in steps:
            done = subprocess.run(step, cwd=elsewhere, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{FOLDER.name} cannot be made, by {' '.join(map(str, step))}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    print(python_with_a2a_03())
