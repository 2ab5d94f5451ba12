"""Everybody installs the versions that were tested, by pip or by uv; and no file names where packages come from."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LINES = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]


def test_pip_and_uv_are_given_the_same_versions() -> None:
    assert PROJECT["tool"]["uv"]["constraint-dependencies"] == LINES


def test_every_direct_dependency_has_a_tested_version_that_is_the_installed_one() -> None:
    pinned = {line.split("==")[0]: re.split(r"[=; ]+", line)[1] for line in LINES}
    for requirement in PROJECT["project"]["dependencies"]:
        name = re.split(r"[<>=\[]", requirement)[0]
        assert pinned[name] == version(name)


def test_no_file_of_the_set_up_has_an_address_of_packages() -> None:
    for name in ("constraints.txt", "pyproject.toml", ".ci/run"):
        assert "://" not in (ROOT / name).read_text()
