"""`busagents init`: a project that runs as it is made."""

from __future__ import annotations

import json
from pathlib import Path

from support.running_system import busagents, running


async def test_a_new_project_runs_without_a_key(tmp_path: Path) -> None:
    code, out, err = await busagents("init", "shop", cwd=tmp_path)
    assert code == 0, err
    assert "cd shop && busagents up" in out
    async with running(tmp_path / "shop") as system:
        assert [(row["name"], row["state"]) for row in system.ready["participants"]] == [("hello", "ready")]


async def test_nothing_that_exists_is_overwritten_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    code, _, err = await busagents("init", cwd=tmp_path)
    assert code == 2
    assert "README.md" in err
    assert "--force" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md"]
    code, out, _ = await busagents("init", "--force", "--json", cwd=tmp_path)
    assert code == 0
    assert (tmp_path / "README.md").read_text() != "mine"
    assert all((tmp_path / file).exists() for file in json.loads(out)["files"])
