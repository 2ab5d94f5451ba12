"""The command line itself: help without weight, errors in one line, exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.running_system import busagents

from busagents.cli.main import VERBS

HEAVY = ("nats", "typer", "pydantic", "msgspec", "asyncio", "openai", "anthropic", "httpx", "rich", "boto3")


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    script = f"""
import sys
sys.argv = ["busagents", "--help"]
from busagents.cli.main import main
try:
    main()
except SystemExit as end:
    assert end.code == 0
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stderr.strip() == "[]"
    assert "Usage: busagents VERB" in done.stdout


async def test_help_lists_every_verb_and_no_verb_prints_it_too(tmp_path: Path) -> None:
    code, out, _ = await busagents("--help", cwd=tmp_path)
    assert code == 0
    assert [line.split()[0] for line in out.partition("Verbs:\n")[2].partition("\n\n")[0].splitlines()] == list(VERBS)
    assert (await busagents(cwd=tmp_path))[1] == out


@pytest.mark.parametrize("verb", VERBS)
async def test_every_verb_has_a_help_of_its_own(tmp_path: Path, verb: str) -> None:
    code, out, err = await busagents(verb, "--help", cwd=tmp_path)
    assert code == 0, err
    assert out.startswith(f"Usage: busagents {verb}")


async def test_an_unknown_verb_is_a_usage_error_with_the_closest_one(tmp_path: Path) -> None:
    code, out, err = await busagents("pss", cwd=tmp_path)
    assert (code, out) == (2, "")
    assert "did you mean `busagents ps`" in err


async def test_an_unknown_option_is_a_usage_error(tmp_path: Path) -> None:
    code, _, err = await busagents("ps", "--nonsense", cwd=tmp_path)
    assert code == 2
    assert "--nonsense" in err


async def test_an_error_of_ours_is_one_line_on_stderr_and_its_exit_code(tmp_path: Path) -> None:
    code, out, err = await busagents("ps", cwd=tmp_path)
    assert (code, out) == (7, "")
    assert err.startswith("busagents: `busagents up` does not run")
    assert err.count("\n") == 1


async def test_a_bad_environment_variable_is_named(tmp_path: Path) -> None:
    code, _, err = await busagents("config", "show", cwd=tmp_path, BUSAGENTS_ACK_WAIT="soon")
    assert code == 2
    assert "BUSAGENTS_ACK_WAIT='soon'" in err


async def test_version_is_that_of_the_package(tmp_path: Path) -> None:
    from importlib.metadata import version

    assert (await busagents("--version", cwd=tmp_path))[1] == f"busagents {version('busagents')}\n"
