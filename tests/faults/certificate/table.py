"""The certificate as people read it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from datetime import UTC, datetime

from tests.faults.certificate.runner import Certificate, Run
from tests.faults.certificate.system import ROLES

_HEAD = ("participant", "points", "killed", "same answer", "same effects", "repeated calls", "outcomes unknown", "takeover p50")


def table(certificate: Certificate) -> str:
    """One line for each participant, and one for all, as Markdown."""
    rows = [_row(role, [run for run in certificate.runs if run.point.role == role]) for role in ROLES]
    rows.append(_row("all", certificate.runs))
    widths = [max(len(row[column]) for row in (_HEAD, *rows)) for column in range(len(_HEAD))]
    lines = [_HEAD, tuple("-" * width for width in widths), *rows]
    return "\n".join(f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |" for line in lines)


def _row(name: str, runs: Sequence[Run]) -> tuple[str, ...]:
    takeovers = [run.takeover for run in runs if run.takeover is not None]
    return (
        name,
        str(len(runs)),
        str(sum(run.killed for run in runs)),
        str(sum(run.same_answer for run in runs)),
        str(sum(run.same_effects for run in runs)),
        str(sum(run.repeated for run in runs)),
        str(sum(run.unknown for run in runs)),
        f"{statistics.median(takeovers) * 1000:.0f} ms" if takeovers else "-",
    )


def failures(certificate: Certificate) -> str:
    """The runs that did not end as if nothing had happened."""
    return "\n".join(
        f"- {run.point.role} at {run.point.number} ({run.point.names}): {run.problem or run}"
        for run in certificate.runs
        if not run.passed
    )


def page(certificate: Certificate, commit: str) -> str:
    """docs/certificate.md."""
    total = sum(certificate.points.values())
    tried = "Each of them" if len(certificate.runs) == total else f"Of these {len(certificate.runs)}: each"
    verdict = "Every run ended as if nothing had happened." if certificate.passed else f"Not all did:\n\n{failures(certificate)}"
    return f"""# Kill-anywhere certificate

`uv run python -m tests.faults.certificate` wrote this page on {datetime.now(UTC):%Y-%m-%d} at commit `{commit}`,
in {certificate.seconds:.0f} seconds. `tests/faults/test_certificate.py` runs a tenth of it, another one each day.

A graph (`desk`) of a swarm (`newsroom`) and an agent. The swarm's two members hand over to each other, and both call that agent
as a tool too: five participants, each a process of its own. The task takes {certificate.turns} model calls and {certificate.tools} effects by tools of all three recovery
classes. Its processes come by {total} points at which a kill can matter: before and after each append, before and after each message
to another thread and each timer, and before each acknowledgement. {tried} was tried: in a run of its own, the
process is killed there (SIGKILL) and started again as `busagents up` does it.

{table(certificate)}

{verdict}

What each run is compared with is a run without a kill:

- *same answer*: the text of the answer, which repeats all that the members told each other.
- *same effects*: the set of effects in the outside world; a tool that must not run twice took effect exactly once.
- *repeated calls*: model or tool calls that had been recorded as completed and were made again, by the log and by the files to which
  the models and tools themselves write.
- *outcomes unknown*: calls of tools that must not run twice, killed between their recorded start and their recorded result. The
  log says so, the model looks, and repeats what had no effect.
- *takeover*: from the kill to the successor's first append, send or acknowledgement, with the start of its process.

And in every run: each hash chain verifies, a fresh fold accepts every log, each task has exactly one end, every inbox is empty.
"""
